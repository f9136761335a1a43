//! The reports.

use utoipa::openapi::path::HttpMethod::Get;
use utoipa::openapi::path::Parameter;

use super::parts::{
    Operation, Who, date, either, list_of, must, named, operation, query, repeated, success, text, text_of,
    uuid, whole, word,
};

const PERIODS: [&str; 8] = ["yesterday", "today", "7d", "30d", "90d", "12m", "ytd", "all"];

const SERIES: [&str; 7] = [
    "visits",
    "pageviews",
    "unique_pageviews",
    "bounce_rate",
    "avg_session_duration",
    "landing_page_entries",
    "exit_page_exits",
];

pub(super) fn operations() -> Vec<Operation> {
    let steps = list_of(text_of(1, 2000), 20);
    vec![
        report("/api/v1/reports/summary", "summary", "High-level metrics", "Summary")
            .about(
                "`previous` and `change_pct` are there when `compare` is. CSV columns: `metric`, `value`, `previous`, \
                 `change_pct`.",
            ),
        report("/api/v1/reports/pages", "pages", "Page-level traffic, the most viewed first", "Pages")
            .about("CSV columns: `path`, `contentGroup`, `pageviews`, `uniquePageviews`."),
        report("/api/v1/reports/sources", "sources", "Where visits come from", "Sources")
            .about("The rows' fields depend on `group_by`.")
            .with(query("group_by", word(&["channel", "domain", "utm"]), "How sources are grouped; `channel` unless given.")),
        report("/api/v1/reports/devices", "devices", "Devices, browsers, systems and screens", "Devices")
            .about("CSV columns: `deviceType`, `visits`."),
        report("/api/v1/reports/flow", "flow", "Landing and exit pages", "Flow")
            .about("Paging applies to both lists. CSV columns: `path`, `entries`."),
        report("/api/v1/reports/funnel", "funnel", "How many sessions go from step to step", "Funnel")
            .about(
                "The first step's rate is 100; that of each later one is a percentage of the step before, with 2 decimals.",
            )
            .with(repeated("steps[]", steps, "The steps in their order, 2 or more: each a path or an event type.")),
        operation(Get, "/api/v1/reports/realtime", "realtime", "Reports", "The last 30 minutes")
            .about("Without bots and excluded traffic.")
            .by(Who::User)
            .with(website())
            .answers(200, "What is going on.", success(named("Realtime")))
            .refuses(&[400, 404]),
        report("/api/v1/reports/custom-events", "customEvents", "Custom events by name", "CustomEvents")
            .about("CSV columns: `name`, `count`.")
            .with(query("event_name", text(), "Only custom events of this name.")),
        report("/api/v1/reports/timeseries", "timeseries", "One metric, day by day", "Timeseries")
            .about("CSV columns: `date`, `value`.")
            .with(query("metric", word(&SERIES), "What is plotted; `pageviews` unless given."))
            .with(query("path", text(), "Only this page; the whole website unless given.")),
    ]
}

/// A report with the parameters that all of them know, in JSON and as a table.
fn report(path: &'static str, id: &'static str, summary: &'static str, schema: &'static str) -> Operation {
    let report = operation(Get, path, id, "Reports", summary).by(Who::User).with(website());
    common()
        .into_iter()
        .fold(report, Operation::with)
        .answers_also(200, "The report.", Some(success(named(schema))), "text/csv")
        .refuses(&[400, 404])
}

fn website() -> Parameter {
    must("website_id", uuid(), "Target website")
}

fn common() -> [Parameter; 11] {
    [
        query("period", word(&PERIODS), "A range of days by name, `7d` unless given."),
        query("start_date", date(), "The first day. Overrides `period`; alone it reaches to today."),
        query("end_date", date(), "The last day. Needs `start_date`."),
        query(
            "compare",
            word(&["previous_period", "yoy"]),
            "Earlier days to compare with; `yoy` is a year before.",
        ),
        query("include_bots", word(&["true", "false"]), "`true` to count bots too."),
        query("content_group", text_of(1, 100), "Only this content group."),
        query("timezone", text(), "The IANA zone of the days; the website's unless given."),
        query(
            "filters",
            text_of(1, 16_384),
            "JSON: a test (`dimension`, `operator`: `is`, `is_not`, `contains`, `starts_with` or `in`, `value`), or a tree of \
             them under `and`, `or` and `not`.",
        ),
        query("page", whole(1, 1_000_000), "Which page of the rows, 1 unless given."),
        query(
            "per_page",
            either([whole(1, 500), word(&["all"])]),
            "Rows of a page, 50 unless given; `all` for `format=csv` only, which is sent as it is counted.",
        ),
        query("format", word(&["json", "csv"]), "`csv` for a table as a download."),
    ]
}
