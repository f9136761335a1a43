//! The stream's promises, kept by all implementations, and what each promises beyond them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "stream/behaviours.rs"]
mod behaviours;
#[path = "stream/bridge.rs"]
mod bridge;
#[path = "stream/house.rs"]
mod house;
#[path = "stream/journal.rs"]
mod journal;
#[path = "stream/kafka.rs"]
mod kafka;

/// Runs every behaviour against a fresh journal, against a fresh mock cluster, and against a bridge to one.
macro_rules! on_all {
    ($($name:ident),+ $(,)?) => {
        mod on_the_journal {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    crate::behaviours::$name(&crate::house::House::with_journal(3)).await;
                }
            )+
        }
        mod on_kafka {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    crate::behaviours::$name(&crate::house::House::with_kafka(3).await).await;
                }
            )+
        }
        mod on_a_bridge {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    crate::behaviours::$name(&crate::house::House::with_bridge(3).await).await;
                }
            )+
        }
    };
}

on_all!(
    appends_are_answered_with_ascending_offsets,
    records_are_read_in_the_order_of_each_appender,
    a_lease_begins_at_the_committed_offset,
    a_plan_survives_a_loader_that_dies,
    a_commit_clears_the_plan,
    an_offset_is_never_committed_backward,
    a_read_stops_at_its_limits,
    a_read_stops_before_the_end_of_a_plan,
    a_read_gathers_until_its_limit_or_its_linger,
    a_read_waits_and_is_woken,
    a_cancelled_read_loses_nothing,
    a_record_that_is_too_large_is_refused_alone,
    a_stop_revokes_the_leases_and_ends_the_receiver,
    a_closed_stream_answers_closed,
);
