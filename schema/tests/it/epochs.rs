//! Who is waited for, for how long, and who works when two want to.

use std::time::Duration;

use schema::epochs::{self, EpochError};
use schema::maintain::Range;
use schema::migrate::{self, MigrateError};
use schema::rollup::change::Silent;
use schema::rollup::{ROLLUPS, RollupError};
use schema::store::StoreUrl;
use uuid::Uuid;

use crate::house::{self, first_view, load, loader, maintainer, number, plant, run};

async fn ready() -> StoreUrl {
    let store = house::missing().await;
    migrate::up(&store).await.unwrap();
    store
}

#[tokio::test]
async fn a_partition_is_behind_until_its_loader_has_taken_up_the_epoch() {
    let store = ready().await;
    let client = store.client();
    let (first, second) = (loader(&store, "a", 0).await, loader(&store, "b", 3).await);
    assert_eq!(epochs::behind(&client, 0).await.unwrap(), []);
    epochs::begin(&client, 1, Duration::ZERO, "test").await.unwrap();
    assert_eq!(epochs::behind(&client, 1).await.unwrap().len(), 2);
    first.follow().await;
    let behind = epochs::behind(&client, 1).await.unwrap();
    assert_eq!(behind, [epochs::Behind { stream: "b".into(), kafka_partition: 3, epoch: 0 }]);
    let error = epochs::wait(&client, 1, Duration::from_millis(50)).await.unwrap_err();
    assert!(matches!(&error, EpochError::Behind(partitions) if *partitions == behind), "{error:?}");
    let sentence = error.to_string();
    for phrase in ["for partition 3 of b:", "start the loaders", "migrate retire <stream>"] {
        assert!(sentence.contains(phrase), "{sentence}");
    }
    second.follow().await;
    epochs::wait(&client, 1, Duration::ZERO).await.unwrap();
}

#[tokio::test]
async fn a_rebuild_waits_for_loaders_and_says_for_whom_it_waited() {
    let store = ready().await;
    loader(&store, "a", 0).await;
    let impatient = maintainer(&store, ROLLUPS).patient(Duration::from_millis(100));
    let error = impatient.rebuild(None, Range::default(), &mut Silent).await.unwrap_err();
    assert!(matches!(error, MigrateError::Rollup(RollupError::Loaders(EpochError::Behind(_)))), "{error:?}");
    assert!(error.to_string().contains("partition 0 of a"), "{error}");
    let findings = impatient.verify(Range::default(), &mut Silent).await.unwrap();
    assert!(findings.is_clean() && findings.unsure.unwrap().contains("partition 0 of a"));
}

#[tokio::test]
async fn a_stream_that_is_gone_is_retired_and_one_that_answers_is_not() {
    let store = ready().await;
    let client = store.client();
    loader(&store, "gone", 0).await;
    let alive = loader(&store, "alive", 0).await;
    let following = tokio::spawn(async move { alive.follow_on().await });
    let other = maintainer(&store, ROLLUPS).patient(Duration::from_secs(4));
    let refusal = other.retire("alive").await.unwrap_err();
    assert!(refusal.to_string().contains("loaders of the stream alive are at work"), "{refusal}");
    let refusal = other.retire("unknown").await.unwrap_err();
    assert!(refusal.to_string().contains("there is no stream unknown"), "{refusal}");
    assert_eq!(other.retire("gone").await.unwrap(), 1);
    maintainer(&store, ROLLUPS).rebuild(None, Range::default(), &mut Silent).await.unwrap();
    following.abort();
    // It comes back, and is waited for again.
    loader(&store, "gone", 0).await;
    epochs::begin(&client, 100, Duration::ZERO, "test").await.unwrap();
    assert_eq!(epochs::behind(&client, 100).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_hold_ends_when_it_is_released_and_lapses_by_itself() {
    let client = ready().await.client();
    epochs::begin(&client, 1, Duration::from_mins(1), "test").await.unwrap();
    assert!(epochs::current(&client).await.unwrap().held);
    epochs::release(&client, 1).await.unwrap();
    assert_eq!(epochs::current(&client).await.unwrap(), epochs::Epoch { number: 1, held: false });
    epochs::begin(&client, 2, Duration::from_millis(300), "test").await.unwrap();
    assert!(epochs::current(&client).await.unwrap().held);
    while epochs::current(&client).await.unwrap().held {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn of_maintainers_at_once_each_gets_its_turn() {
    let store = ready().await;
    let client = store.client();
    let site = Uuid::new_v4();
    load(&client, "a", &[first_view(site)]).await;
    plant(&client, "site_totals_0", site, "visits", 3).await;
    let mut runs = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let other = maintainer(&store, ROLLUPS);
        runs.spawn(async move { other.rebuild(Some("site_totals"), Range::default(), &mut Silent).await });
    }
    for outcome in runs.join_all().await {
        outcome.unwrap();
    }
    assert_eq!(number(&client, "SELECT toUInt64(sum(visits)) FROM site_totals").await, 1);
    let numbers = "SELECT uniqExact(epoch) FROM load_epochs";
    assert_eq!(number(&client, numbers).await, 3, "nobody shared an epoch with another");
}

/// A maintainer that was held to be dead, and was only slow, changes nothing any more.
#[tokio::test]
async fn a_maintainer_whose_lock_was_taken_over_is_refused_by_the_store() {
    let store = ready().await;
    let client = store.client();
    let site = Uuid::new_v4();
    load(&client, "a", &[first_view(site)]).await;
    plant(&client, "pages_0", site, "pageviews", 5).await;
    let slow = loader(&store, "a", 0).await;
    let other = maintainer(&store, ROLLUPS);
    let work = tokio::spawn(async move { other.rebuild(Some("pages"), Range::default(), &mut Silent).await });
    // It waits for the loader; meanwhile another one takes its place.
    while epochs::current(&client).await.unwrap().number == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    run(&client, "RENAME TABLE migration_lock TO taken").await;
    run(
        &client,
        "CREATE TABLE migration_lock (holder UUID, beat DateTime64(3, 'UTC') DEFAULT now64(3)) ENGINE = MergeTree ORDER BY beat",
    )
    .await;
    run(&client, "INSERT INTO migration_lock (holder) VALUES (generateUUIDv4())").await;
    slow.follow().await;
    let error = work.await.unwrap().unwrap_err();
    let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    assert!(cause.contains("another maintainer has taken over"), "{error:?}");
    assert_eq!(
        number(&client, "SELECT toUInt64(sum(pageviews)) FROM pages").await,
        6,
        "it corrected nothing"
    );
}
