//! TinyTrail's document, example by example and error by error, and the tests that hold them.
//!
//! Who is refused what is held for every route, in all roles and for what is there, is missing and is malformed, by
//! `matrix::every_route_answers_everybody_as_published`; the rows here that name it are those that the matrix alone holds.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use directory::{Directory, Role, bounds};
use futures::future::join_all;
use query_api::API_LIMIT;
use reqwest::Method;
use serde_json::json;
use service::config::Rate;
use service::{MasterKey, Stop};

use crate::house::{MASTER, house, house_with, store};
use crate::openapi::PUBLISHED;

/// A route, what the document says of it, and the test. Tests of the way in lie in `ingest/tests/it`.
type Row = (&'static str, &'static str, &'static str);

const ROWS: &[Row] = &[
    ("GET /health", "200", "health::a_house_with_its_store_is_well"),
    ("GET /health", "503", "health::a_house_without_its_store_is_degraded"),
    ("OPTIONS /api/v1/collect", "204 and its headers", "ingest cors::a_preflight_has_the_published_headers"),
    (
        "POST /api/v1/collect",
        "202",
        "ingest collect::the_published_example_is_accepted_and_stored_with_all_that_is_known_of_it",
    ),
    (
        "POST /api/v1/collect",
        "204 invalid website_id",
        "ingest collect::an_unknown_website_is_dropped_in_silence",
    ),
    ("POST /api/v1/collect", "204 bot", "ingest collect::a_bot_is_stored_with_the_reason_and_told_nothing"),
    (
        "POST /api/v1/collect",
        "204 excluded",
        "ingest collect::an_excluded_address_is_stored_and_never_counted",
    ),
    ("POST /api/v1/collect", "400", "ingest collect::each_missing_field_is_refused_by_its_name"),
    (
        "POST /api/v1/collect",
        "429",
        "ingest collect::the_eleventh_request_of_an_address_to_a_website_is_told_when_to_come_back",
    ),
    ("GET /api/v1/accounts", "200", "administration::an_account_is_made_and_listed_as_published"),
    ("POST /api/v1/accounts", "201", "administration::an_account_is_made_and_listed_as_published"),
    ("POST /api/v1/accounts", "400 missing name", "administration::an_account_needs_a_name"),
    ("DELETE /api/v1/accounts/{id}", "200", "erase::an_account_goes_with_its_users_and_websites"),
    (
        "DELETE /api/v1/accounts/{id}",
        "400 invalid UUID",
        "erase::an_account_goes_with_its_users_and_websites",
    ),
    ("DELETE /api/v1/accounts/{id}", "404", "erase::an_account_goes_with_its_users_and_websites"),
    ("GET /api/v1/users", "200", "administration::a_user_is_made_with_a_key_and_listed_without_it"),
    ("POST /api/v1/users", "201", "administration::a_user_is_made_with_a_key_and_listed_without_it"),
    ("POST /api/v1/users", "400", "administration::what_is_wrong_with_a_user_is_told_by_field"),
    (
        "GET /api/v1/users/{id}/api-key",
        "200",
        "administration::a_user_is_made_with_a_key_and_listed_without_it",
    ),
    (
        "GET /api/v1/users/{id}/api-key",
        "400 invalid UUID",
        "matrix::every_route_answers_everybody_as_published",
    ),
    ("GET /api/v1/users/{id}/api-key", "404", "matrix::every_route_answers_everybody_as_published"),
    ("DELETE /api/v1/users/{id}", "200", "administration::a_user_is_made_with_a_key_and_listed_without_it"),
    ("DELETE /api/v1/users/{id}", "400 invalid UUID", "matrix::every_route_answers_everybody_as_published"),
    ("DELETE /api/v1/users/{id}", "404", "matrix::every_route_answers_everybody_as_published"),
    ("GET /api/v1/websites", "200", "websites::the_published_example"),
    (
        "GET /api/v1/websites",
        "admins see all",
        "websites::users_see_their_accounts_websites_and_admins_see_all",
    ),
    ("POST /api/v1/websites", "201", "websites::the_published_example"),
    (
        "POST /api/v1/websites",
        "account_id, admin only",
        "websites::only_an_admin_makes_a_website_for_another_account",
    ),
    ("POST /api/v1/websites", "400 domain", "websites::what_is_wrong_with_a_body_is_told_by_field"),
    ("POST /api/v1/websites", "400 duplicate domain", "websites::a_domain_is_taken_once_per_account"),
    ("PATCH /api/v1/websites/{id}", "200", "administration::a_website_is_changed_as_published"),
    ("PATCH /api/v1/websites/{id}", "400", "administration::what_is_wrong_with_a_change_is_told_by_field"),
    ("PATCH /api/v1/websites/{id}", "404", "matrix::every_route_answers_everybody_as_published"),
    (
        "DELETE /api/v1/websites/{id}",
        "200",
        "erase::a_deleted_website_is_answered_once_more_and_is_absent_from_then_on",
    ),
    (
        "DELETE /api/v1/websites/{id}",
        "400 invalid UUID",
        "erase::only_the_own_websites_can_be_deleted_and_only_by_a_uuid",
    ),
    ("DELETE /api/v1/websites/{id}", "404", "erase::only_the_own_websites_can_be_deleted_and_only_by_a_uuid"),
    ("POST /api/v1/admin/aggregate", "200", "erase::a_day_is_aggregated_again_by_an_admin"),
    (
        "POST /api/v1/admin/aggregate",
        "400 date",
        "erase::an_aggregation_is_refused_to_others_and_for_what_is_no_day",
    ),
    ("GET /api/v1/reports/summary", "200", "summary::the_published_example"),
    ("GET /api/v1/reports/summary", "200 without compare", "summary::without_compare_there_are_values_only"),
    ("GET /api/v1/reports/summary", "CSV", "summary::a_table_for_spreadsheets"),
    ("GET /api/v1/reports/summary", "periods", "summary::every_period_has_its_days"),
    ("GET /api/v1/reports/summary", "include_bots", "summary::bots_count_on_request"),
    ("GET /api/v1/reports/summary", "content_group", "summary::a_content_group_has_its_own_visits"),
    ("GET /api/v1/reports/pages", "200", "pages::the_published_example"),
    ("GET /api/v1/reports/pages", "page, per_page", "pages::any_page_size_gives_the_same_list"),
    ("GET /api/v1/reports/pages", "CSV", "pages::a_table_for_spreadsheets"),
    ("GET /api/v1/reports/sources", "200, by channel, domain and utm", "reports::sources_as_published"),
    ("GET /api/v1/reports/devices", "200 and CSV", "reports::devices_as_published"),
    ("GET /api/v1/reports/flow", "200 and CSV", "reports::flow_as_published"),
    ("GET /api/v1/reports/funnel", "200", "funnel::the_funnel_as_published"),
    (
        "GET /api/v1/reports/funnel",
        "400 fewer than 2 steps",
        "problems::what_a_report_is_asked_with_is_refused_by_name",
    ),
    ("GET /api/v1/reports/realtime", "200", "realtime::realtime_as_published"),
    ("GET /api/v1/reports/realtime", "top 10", "realtime::realtime_shows_ten_pages"),
    ("GET /api/v1/reports/custom-events", "200 and CSV", "reports::custom_events_as_published"),
    ("GET /api/v1/reports/timeseries", "200", "series::the_series_as_published"),
    (
        "GET /api/v1/reports/timeseries",
        "every metric, CSV",
        "series::every_metric_of_a_series_with_a_page_and_without",
    ),
    (
        "GET /api/v1/reports/timeseries",
        "400 metric",
        "problems::what_a_report_is_asked_with_is_refused_by_name",
    ),
    ("GET /js/tracker.js", "200 and its headers", "ingest tracker::the_tracker_is_served_as_published"),
    // Of all reports, and of everything with a key.
    ("all reports", "400", "problems::a_bad_parameter_is_refused_by_name"),
    ("all reports", "404", "problems::another_accounts_website_is_as_absent_as_one_that_is_not_there"),
    ("all with a key", "401", "problems::without_a_good_key_nothing_is_told"),
    ("all with a key", "403", "matrix::every_route_answers_everybody_as_published"),
    ("all with a key", "429", "problems::every_key_has_its_own_allowance"),
    (
        "all with a key",
        "60 requests per 60 seconds",
        "published::a_key_has_sixty_requests_and_is_told_when_to_come_back",
    ),
    ("all with a key", "500", "problems::a_store_without_tables_is_our_fault_and_nothing_leaks"),
    (
        "PATCH /api/v1/websites/{id}",
        "collectors know it",
        "published::a_change_reaches_the_collectors_by_itself",
    ),
];

#[test]
fn every_example_and_every_error_of_the_document_has_a_test() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    for (route, what, test) in ROWS {
        let (folder, name) = match test.strip_prefix("ingest ") {
            Some(name) => (tests.join("../../../ingest/tests/it"), name),
            None => (tests.clone(), *test),
        };
        let (file, function) = name.split_once("::").unwrap();
        let text = std::fs::read_to_string(folder.join(format!("{file}.rs"))).unwrap();
        let is_there = text.contains(&format!("\nasync fn {function}("));
        assert!(is_there, "{route}, {what}: there is no test {test}");
    }
    let listed: BTreeSet<_> = ROWS.iter().map(|(route, ..)| (*route).to_owned()).collect();
    for (method, path) in PUBLISHED {
        assert!(listed.contains(&format!("{method} {path}")), "{method} {path} has no row");
    }
}

#[tokio::test]
async fn a_key_has_sixty_requests_and_is_told_when_to_come_back() {
    assert_eq!(API_LIMIT, Rate::per_seconds(60, 60), "as published");
    let house = house_with(store().await, API_LIMIT).await;
    let (_, key) = house.account(Role::User).await;
    // More come back every second, so more are asked at once than a slow machine lets through.
    let asked = (0..200).map(|_| house.ask(Method::GET, "/api/v1/websites", Some(&key), None));
    let answers = join_all(asked).await;
    let (taken, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status() == 200);
    assert!(taken.len() >= 60, "{} were taken", taken.len());
    assert!(!refused.is_empty());
    for answer in refused {
        assert_eq!(answer.status(), 429);
        let wait: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
    }
}

#[tokio::test]
async fn a_change_reaches_the_collectors_by_itself() {
    // Looking takes one query; what is seen by then was changed after the look before.
    assert!(bounds::REFRESH_EVERY.as_secs() < 2, "within 2 s");
    let house = house().await;
    let site = house.site().await;
    // What a collector has: the directory, read by a process of its own.
    let master = MasterKey::parse(MASTER).unwrap();
    let collector = Directory::open(&house.store, &master, house.clock.clone()).await.unwrap();
    let stop = Stop::new();
    let fresh = tokio::spawn(Arc::clone(&collector).keep_fresh(stop.clone()));
    let excluded = || collector.snapshot().website(site.id).unwrap().excluded_ips.texts().to_vec();
    assert_eq!(excluded(), [""; 0]);
    let change = json!({ "excluded_ips": ["192.0.2.7"] }).to_string();
    let path = format!("/api/v1/websites/{}", site.id);
    let changed = house.ask(Method::PATCH, &path, Some(&site.key), Some(change)).await;
    assert_eq!(changed.status(), 200);
    for _ in 0..600 {
        if excluded() == ["192.0.2.7"] {
            stop.cancel();
            return fresh.await.unwrap();
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the collector never saw the change");
}
