//! Every statement of every file is safe to repeat, so that a run that was cut short anywhere is finished by the next.

use schema::migrate::{self, MIGRATIONS, Migration};
use uuid::Uuid;

use crate::house::{self, first_view, load, number, run};
use crate::structure;

#[tokio::test]
async fn every_statement_can_run_twice() {
    let whole = whole_structure().await;
    let store = house::empty().await;
    let client = store.client();
    for file in MIGRATIONS {
        for statement in file.statements() {
            run(&client, statement).await;
            run(&client, statement).await;
        }
    }
    migrate::up(&store).await.unwrap();
    assert_eq!(own_structure(&structure::of(&client, store.database()).await), whole);
}

#[tokio::test]
async fn every_file_can_run_again_over_data_and_changes_none() {
    let store = house::missing().await;
    migrate::up(&store).await.unwrap();
    let client = store.client();
    load(&client, "a", &[first_view(Uuid::new_v4())]).await;
    for statement in MIGRATIONS.iter().flat_map(Migration::statements) {
        run(&client, statement).await;
    }
    assert_eq!(number(&client, "SELECT count() FROM events").await, 1);
    assert_eq!(number(&client, "SELECT toUInt64(sum(visits)) FROM site_totals").await, 1);
}

/// Wherever a run was cut short: after each statement of each file, with the files before it recorded or not.
#[tokio::test]
async fn a_run_that_was_cut_short_is_finished_by_the_next() {
    let store = house::missing().await;
    migrate::up_with(&store, MIGRATIONS, &[], migrate::LockTimes::default()).await.unwrap();
    let whole = own_structure(&structure::of(&store.client(), store.database()).await);
    for (at, file) in MIGRATIONS.iter().enumerate() {
        for ran in 1..=file.statements().count() {
            let store = house::missing().await;
            migrate::up_with(&store, &MIGRATIONS[..at], &[], migrate::LockTimes::default()).await.unwrap();
            let client = store.client();
            for statement in file.statements().take(ran) {
                run(&client, statement).await;
            }
            let expected: Vec<_> = MIGRATIONS[at..].iter().map(|file| file.name).collect();
            let ran_now = migrate::up_with(&store, MIGRATIONS, &[], migrate::LockTimes::default()).await;
            assert_eq!(ran_now.unwrap(), expected);
            let found = structure::of(&client, store.database()).await;
            assert_eq!(own_structure(&found), whole, "cut short after {ran} of {}", file.name);
        }
    }
}

/// What `up` makes, but for its own record.
async fn whole_structure() -> String {
    let store = house::missing().await;
    migrate::up(&store).await.unwrap();
    own_structure(&structure::of(&store.client(), store.database()).await)
}

fn own_structure(structure: &str) -> String {
    let definitions = structure.split_inclusive(";\n");
    definitions.filter(|text| !text.contains("TABLE schema_migrations")).collect()
}
