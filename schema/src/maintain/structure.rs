//! Whether the database has the structure that the files make: a second, empty database is made from the files, and
//! the definitions of all tables and views are compared.

use std::collections::BTreeMap;

use clickhouse::Row;
use serde::Deserialize;
use uuid::Uuid;

use crate::migrate::{LockTimes, MigrateError, Migration, State, up_with};
use crate::rollup::Rollup;
use crate::rollup::tables;
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
    let mut found = definitions(store).await?;
    // A rollup's table is called after its epoch; in the model it is the first one.
    let mut old = Vec::new();
    for table in tables::all(&store.client()).await? {
        let model = format!("{}_0", table.rollup);
        for (name, of_model) in [(table.name.clone(), model.clone()), (table.view(), format!("{model}_view"))]
        {
            let Some(definition) = found.remove(&name) else {
                sentences.push(format!("{name} is missing"));
                continue;
            };
            if table.state == tables::State::Current {
                let definition = definition.replace(&table.name, &model);
                let since = format!("epoch >= {}", table.since);
                found.insert(of_model, definition.replace(&since, "epoch >= 0"));
            } else {
                old.push(name);
            }
        }
        if table.state == tables::State::Current {
            let reader = found.get(&table.rollup).map(|reader| reader.replace(&table.name, &model));
            found.extend(reader.map(|reader| (table.rollup.clone(), reader)));
        }
    }
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
    let wanted = wanted?;
    dropped?;
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

/// The first line that is not in the other text.
fn first_difference(wanted: &str, found: &str) -> String {
    let lines: Vec<_> = wanted.lines().map(str::trim).collect();
    match found.lines().map(str::trim).find(|line| !lines.contains(line)) {
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
