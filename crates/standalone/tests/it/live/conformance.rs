//! The conformance cases are exact whatever was done to the rollups.

use schema::maintain::{Maintainer, Range};
use schema::migrate::{self, LockTimes, MIGRATIONS};
use schema::rollup::change::Silent;
use schema::rollup::{ROLLUPS, Rollup};

use super::maintainer::Work;
use crate::conformance::{assert_reports, import_cases_at_once};
use crate::house::{Site, TestHouse};

fn maintainer(house: &TestHouse, rollups: &'static [Rollup]) -> Maintainer {
    Maintainer::with(house.store.clone(), MIGRATIONS, rollups, LockTimes::default())
}

async fn assert_exact(house: &TestHouse, cases: &[(&str, Site)], maintainer: &Maintainer) {
    for (name, site) in cases {
        assert_reports(house, name, site).await;
    }
    let findings = maintainer.verify(Range::default(), &mut Silent).await.unwrap();
    assert!(findings.is_clean() && findings.unsure.is_none(), "{findings:#?}");
}

#[tokio::test]
async fn the_cases_are_exact_after_rollups_were_made_again_dropped_and_changed() {
    let house = TestHouse::open(3);
    let cases = import_cases_at_once(&house).await;
    let (client, own) = (house.store.client(), maintainer(&house, ROLLUPS));
    assert_exact(&house, &cases, &own).await;

    // Everything twice, in every rollup; then made equal to the events.
    for rollup in ROLLUPS {
        let twice =
            format!("INSERT INTO {0}_0 SELECT * FROM {0}_0 SETTINGS insert_deduplicate = 0", rollup.name);
        client.query_raw(&twice).execute().await.unwrap();
    }
    let findings = own.verify(Range::default(), &mut Silent).await.unwrap();
    // Nobody is identified in the cases.
    assert_eq!(
        findings.differences.len(),
        ROLLUPS.len() - 1,
        "each of the others says something of the cases"
    );
    own.rebuild(None, Range::default(), &mut Silent).await.unwrap();
    assert_exact(&house, &cases, &own).await;

    // Gone, and built from the events.
    for rollup in ROLLUPS {
        let gone = format!("DROP TABLE {}_0 SYNC", rollup.name);
        client.query_raw(&gone).execute().await.unwrap();
    }
    migrate::up(&house.store).await.unwrap();
    while own.is_building().await.unwrap() {
        own.finish(&mut Silent).await.unwrap();
    }
    // The API asks every five seconds which rollups are whole.
    tokio::time::sleep(std::time::Duration::from_secs(7)).await;
    assert_exact(&house, &cases, &own).await;

    // Another version of each: it says what the events say. The API of this release does not ask it.
    let later = maintainer(&house, Work::Own.rollups(2));
    migrate::up_with(&house.store, MIGRATIONS, Work::Own.rollups(2), LockTimes::default()).await.unwrap();
    later.finish(&mut Silent).await.unwrap();
    let findings = later.verify(Range::default(), &mut Silent).await.unwrap();
    assert!(findings.is_clean() && findings.unsure.is_none(), "{findings:#?}");
}
