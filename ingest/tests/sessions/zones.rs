//! The sessioniser at midnights and clock changes all over the world, with events that arrive in any order, against
//! the slow readings of [`super::reference`].

use std::collections::{BTreeSet, HashSet};

use futures::StreamExt as _;
use ingest::load::insert::insert_events;
use ingest::load::recall::{Before, recall};
use ingest::load::sessionise::{Day, Place, Sessioniser};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, TestRunner};
use schema::rows::EventRow;

use super::people::{Scene, Seen, World, scenes};
use super::reference::{assert_laws, by_definition, by_rule, count, sessions_of, sum};

/// What happened, numbered as it arrived, and where the batches end.
struct Delivery {
    seen: Vec<Seen>,
    ends: Vec<usize>,
}

impl Delivery {
    /// Cuts the traffic into batches and shuffles each of them; late events arrive in a batch that comes later.
    async fn of(scene: &Scene, world: &World, some_are_late: bool) -> Self {
        let seen = world.see(scene).await;
        let cuts: Vec<_> = scene.cuts.iter().map(|cut| cut.index(seen.len())).collect();
        let mut arriving: Vec<_> = (0..seen.len())
            .map(|at| {
                let batch = cuts.iter().filter(|cut| **cut < at).count();
                let delay = if some_are_late { scene.steps[at].delay } else { 0 };
                ((batch + delay).min(cuts.len()), scene.steps[at].shuffle, at)
            })
            .collect();
        arriving.sort_unstable();
        let mut ends: Vec<_> = (0..=cuts.len())
            .map(|batch| arriving.iter().filter(|(in_batch, ..)| *in_batch <= batch).count())
            .collect();
        ends.dedup();
        Self { seen: arriving.into_iter().map(|(.., at)| seen[at].clone()).collect(), ends }
    }

    /// The batches as the numbers of their events, each in the order of their times, as the loader puts them.
    fn batches(&self) -> Vec<Vec<usize>> {
        let mut from = 0;
        let batch = |end: &usize| {
            let mut batch: Vec<_> = (from..*end).collect();
            from = *end;
            batch.sort_by_key(|at| self.seen[*at].event.time_ms);
            batch
        };
        self.ends.iter().map(batch).filter(|batch| !batch.is_empty()).collect()
    }

    /// The order in which the events are booked.
    fn booked(&self) -> Vec<usize> {
        self.batches().concat()
    }

    /// The order in which they happened.
    fn in_order(&self) -> Vec<usize> {
        let mut order: Vec<_> = (0..self.seen.len()).collect();
        order.sort_by_key(|at| self.seen[*at].event.time_ms);
        order
    }

    fn apply(&self, sessions: &mut Sessioniser, at: usize) -> EventRow {
        let place = Place { stream: "laws", partition: 0, offset: at as u64 };
        sessions.apply(self.seen[at].event.clone(), place).unwrap()
    }

    /// The rows of somebody who forgets nothing, batch by batch.
    fn rows(&self) -> Vec<Vec<EventRow>> {
        let mut sessions = Sessioniser::default();
        let mut rows_of = |batch: Vec<usize>| -> Vec<EventRow> {
            let row = |at: usize| {
                while let Some(day) = sessions.missing(&self.seen[at].event) {
                    sessions.put(day, Day::default());
                }
                self.apply(&mut sessions, at)
            };
            batch.into_iter().map(row).collect()
        };
        self.batches().into_iter().map(&mut rows_of).collect()
    }
}

/// Checks a property of deliveries.
fn check(cases: u32, some_are_late: bool, property: impl Fn(&Delivery)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let world = World::new(runtime.block_on(super::client()));
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let ran = TestRunner::new(config).run(&scenes(), |scene| {
        property(&runtime.block_on(Delivery::of(&scene, &world, some_are_late)));
        Ok(())
    });
    if let Err(failure) = ran {
        panic!("{failure}");
    }
}

#[test]
fn batches_in_any_inner_order_add_up_to_the_definitions_at_every_midnight_and_clock_change() {
    check(256, false, |delivery| {
        let rows = delivery.rows().concat();
        let sessions = by_definition(&delivery.seen, &delivery.in_order());
        assert_eq!(sum(&rows), count(&delivery.seen, &sessions));
        assert_laws(&rows);
    });
}

#[test]
fn events_that_come_late_join_the_sessions_that_they_lie_in_or_next_to() {
    check(384, true, |delivery| {
        let rows = delivery.rows().concat();
        assert_laws(&rows);
        let sessions = by_rule(&delivery.seen, &delivery.booked());
        let numbers: BTreeSet<BTreeSet<usize>> =
            sessions.iter().map(|session| session.iter().copied().collect()).collect();
        assert_eq!(sessions_of(&rows), numbers);
        assert_eq!(sum(&rows), count(&delivery.seen, &sessions));
    });
}

#[test]
fn the_rule_of_late_events_is_the_definition_where_none_is_late() {
    check(64, false, |delivery| {
        let by_rule: BTreeSet<_> = by_rule(&delivery.seen, &delivery.booked()).into_iter().collect();
        let by_definition: BTreeSet<_> =
            by_definition(&delivery.seen, &delivery.in_order()).into_iter().collect();
        assert_eq!(by_rule, by_definition);
    });
}

#[tokio::test]
async fn a_loader_that_restarts_before_every_batch_makes_the_same_rows() {
    let client = super::client().await;
    let world = World::new(client.clone());
    let mut runner = TestRunner::deterministic();
    let scenes: Vec<_> = (0..16).map(|_| scenes().new_tree(&mut runner).unwrap().current()).collect();
    // A few at a time: the store takes a hundred queries at once.
    let restarts = scenes.iter().map(|scene| restart(&client, &world, scene));
    futures::stream::iter(restarts).buffer_unordered(8).collect::<()>().await;
}

/// Makes every batch from nothing but the rows of those before it, and the batches of one who remembers all.
async fn restart(client: &clickhouse::Client, world: &World, scene: &Scene) {
    let delivery = Delivery::of(scene, world, true).await;
    for (batch, expected) in delivery.batches().into_iter().zip(delivery.rows()) {
        let from = batch.iter().min().copied().unwrap_or_default();
        let before = Before { stream: "laws", partition: 0, offset: from as u64 };
        let mut sessions = Sessioniser::default();
        let mut rows = Vec::new();
        for at in batch {
            while let Some(day) = sessions.missing(&delivery.seen[at].event) {
                for (key, state) in recall(client, &before, &HashSet::from([day])).await.unwrap() {
                    sessions.put(key, state);
                }
            }
            rows.push(delivery.apply(&mut sessions, at));
        }
        assert_eq!(rows, expected, "from {from} of {scene:?}");
        let token = format!("{}/{from}", rows[0].website_id);
        insert_events(client, &token, &rows, &service::Stop::new()).await.unwrap();
    }
}
