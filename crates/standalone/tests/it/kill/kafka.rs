//! The crash tests on a real Kafka, where `FOOTFALL_TEST_KAFKA` names one (`scripts/kafka`).

use super::brokers::Brokers;
use super::cases::assert_cases_survive_kills;
use super::collect::{ROUNDS, assert_kills_are_survived};
use super::failpoints::assert_every_point_is_survived;
use super::loaders::{LEAVES, assert_loaders_come_and_go};

#[tokio::test(flavor = "multi_thread")]
async fn every_202_is_in_clickhouse_after_kill_9_once_from_a_real_kafka() {
    let Some(brokers) = Brokers::real(4) else { return };
    assert_kills_are_survived(&ROUNDS, &brokers.settings()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_house_that_dies_at_any_point_of_a_batch_stores_every_202_once_from_a_real_kafka() {
    let Some(brokers) = Brokers::real(4) else { return };
    assert_every_point_is_survived(&brokers.settings()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_202_is_stored_once_while_a_second_loader_comes_and_goes_on_a_real_kafka() {
    let Some(brokers) = Brokers::real(8) else { return };
    assert_loaders_come_and_go(&[LEAVES, LEAVES].concat(), &brokers.settings()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_conformance_cases_are_exact_after_kills_on_a_real_kafka() {
    let Some(brokers) = Brokers::real(3) else { return };
    assert_cases_survive_kills(&brokers.settings()).await;
}
