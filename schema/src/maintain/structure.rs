//! Whether the database has the structure that the files make: a second, empty database is made from the files, and
//! the definitions of all tables and views are compared.

use std::collections::BTreeMap;

use clickhouse::Row;
use serde::Deserialize;
use uuid::Uuid;

use crate::migrate::{LockTimes, MigrateError, Migration, State, up_with};
use crate::rollup::Rollup;
use crate::rollup::change::{self, Step};
use crate::rollup::tables::{self, RollupTable};
use crate::store::StoreUrl;

/// Tables that come and go, or that tell about the work itself.
const PASSING: [&str; 2] = ["migration_lock", "migration_lock_stale"];

#[derive(Row, Deserialize)]
struct DefinitionRow {
    name: String,
    definition: String,
}

/// A sentence for everything that differs.
pub(super) async fn check(
    store: &StoreUrl,
    migrations: &'static [Migration],
    rollups: &'static [Rollup],
) -> Result<Vec<String>, MigrateError> {
    let mut sentences: Vec<String> = crate::migrate::status_of(store, migrations)
        .await?
        .into_iter()
        .filter(|(_, state)| *state != State::Applied)
        .map(|(name, state)| format!("the migration {name} is {}", state.as_str()))
        .collect();
    let found = definitions(store).await?;
    let model =
        store.clone().with_database(&format!("{}_model_{}", store.database(), Uuid::new_v4().simple()));
    let wanted = async {
        up_with(&model, migrations, rollups, LockTimes::default()).await?;
        definitions(&model).await
    }
    .await;
    let dropped = store
        .server()
        .query(&crate::cluster::drop_database_sql(store.cluster()))
        .param("database", model.database())
        .execute()
        .await;
    let mut wanted = wanted?;
    dropped?;
    let there = if crate::migrate::has_table(store, "rollup_tables").await? {
        tables::all(&store.client()).await?
    } else {
        Vec::new()
    };
    for rollup in rollups {
        sentences.extend(of_rollup(rollup, &there, &mut wanted));
    }
    for table in there {
        for name in [table.view(), table.name] {
            if !found.contains_key(&name) {
                sentences.push(format!("{name} is missing"));
            }
        }
    }
    for (name, definition) in &wanted {
        match found.get(name) {
            None => sentences.push(format!("{name} is missing")),
            Some(other) if other != definition => {
                sentences.push(format!(
                    "{name} is not as the files make it: {}",
                    first_difference(definition, other)
                ));
            }
            Some(_) => {}
        }
    }
    sentences.sort();
    sentences.dedup();
    Ok(sentences)
}

/// What is wrong with a rollup's tables as a whole. What they should be, one by one, is put into `wanted` in place of the
/// model's: a table is called after its epoch, and in the model that is the first one.
fn of_rollup(
    rollup: &Rollup,
    there: &[RollupTable],
    wanted: &mut BTreeMap<String, String>,
) -> Option<String> {
    let model = RollupTable::new(rollup, 0, tables::State::Current);
    let (table, view) = (wanted.remove(&model.name), wanted.remove(&model.view()));
    let reader = wanted.remove(rollup.name);
    for own in there.iter().filter(|own| own.rollup == rollup.name && own.checksum == model.checksum) {
        let renamed = |text: &Option<String>| {
            let since = ["epoch >= ", &own.since.to_string()].concat();
            text.as_ref().map(|text| text.replace(&model.name, &own.name).replace("epoch >= 0", &since))
        };
        wanted.extend(renamed(&table).map(|text| (own.name.clone(), text)));
        wanted.extend(renamed(&view).map(|text| (own.view(), text)));
        if own.state == tables::State::Current {
            wanted.extend(renamed(&reader).map(|text| (rollup.name.to_owned(), text)));
        }
    }
    match change::step(rollup, there) {
        Ok(Step::Nothing) => None,
        Ok(Step::Finish) => Some(format!("the rollup {} is being built", rollup.name)),
        Ok(Step::Build) => {
            Some(format!("the rollup {} is not built in version {}", rollup.name, rollup.version))
        }
        Err(error) => Some(error.to_string()),
    }
}

/// The first line that is not in the other text.
fn first_difference(wanted: &str, found: &str) -> String {
    // What follows a line decides whether it ends with a comma.
    let plain = |line| str::trim_end_matches(str::trim(line), ',');
    let lines: Vec<_> = wanted.lines().map(plain).collect();
    match found.lines().map(plain).find(|line| !lines.contains(line)) {
        Some(line) => format!("it has `{line}`"),
        None => "something of it is missing".to_owned(),
    }
}

/// The definitions of a database's tables and views, without the names of the database and of whoever made them.
async fn definitions(store: &StoreUrl) -> Result<BTreeMap<String, String>, MigrateError> {
    let rows = store.client().query_raw(include_str!("definitions.sql")).fetch_all::<DefinitionRow>().await?;
    let plain = |text: &str| {
        text.replace(&format!("`{}`.", store.database()), "")
            .replace(&format!("{}.", store.database()), "")
            // On a cluster the database is also a part of paths, and what is asked for elsewhere.
            .replace(&format!("/{}/", store.database()), "//")
            .replace(&format!("'{}'", store.database()), "''")
            .lines()
            .filter(|line| !line.starts_with("DEFINER = "))
            .collect::<Vec<_>>()
            .join("\n")
    };
    Ok(rows
        .into_iter()
        .filter(|row| !PASSING.iter().any(|passing| row.name.starts_with(passing)))
        .map(|row| (row.name, plain(&row.definition)))
        .collect())
}
