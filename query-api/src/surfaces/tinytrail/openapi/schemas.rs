//! What is sent and answered, by name.

use directory::bounds;
use utoipa::openapi::ComponentsBuilder;

use super::parts::{
    Shape, boolean, count, date, either, instant, list, list_of, maybe_number, maybe_text, named, number,
    object, text, text_of, uuid, whole, word,
};
use crate::surfaces::tinytrail::accounts::AccountView;
use crate::surfaces::tinytrail::users::{NewUserView, UserKeyView, UserView};

/// All of them.
pub(super) fn all(components: ComponentsBuilder) -> ComponentsBuilder {
    let components = components
        .schema_from::<AccountView<'_>>()
        .schema_from::<UserView<'_>>()
        .schema_from::<NewUserView<'_>>()
        .schema_from::<UserKeyView>();
    shapes().into_iter().fold(components, |components, (name, shape)| components.schema(name, shape))
}

fn shapes() -> Vec<(&'static str, Shape)> {
    let mut shapes = sent();
    shapes.extend(administered());
    shapes.extend(reported());
    shapes
}

/// Bodies of requests. Fields that are not named here are not looked at; `null` is as good as nothing.
fn sent() -> Vec<(&'static str, Shape)> {
    let groups = || list_of(named("ContentGroup"), bounds::CONTENT_GROUPS);
    let ips = || list_of(text(), bounds::EXCLUDED_IPS);
    vec![
        ("AccountFields", object([("name", text_of(1, bounds::ACCOUNT_NAME))])),
        (
            "UserFields",
            object([
                ("account_id", uuid()),
                ("role", word(&["admin", "user"])),
                ("email?", text_of(0, bounds::EMAIL)),
            ]),
        ),
        (
            "WebsiteFields",
            object([
                ("domain", text_of(1, bounds::DOMAIN)),
                ("content_groups?", groups()),
                ("excluded_ips?", ips()),
                ("timezone?", text()),
                ("respect_dnt?", boolean()),
                ("retention_days?", whole(1, 36_525)),
                ("account_id?", uuid()),
            ]),
        ),
        (
            "WebsiteChange",
            object([
                ("domain?", text_of(1, bounds::DOMAIN)),
                ("content_groups?", groups()),
                ("excluded_ips?", ips()),
                ("timezone?", text()),
                ("respect_dnt?", boolean()),
                ("retention_days?", whole(1, 36_525)),
            ]),
        ),
        ("KeyFields", object([("email?", text_of(0, bounds::EMAIL))])),
        ("ErasureFields", object([("user_id?", text()), ("visitor_id?", text())])),
        ("AggregateFields", object([("date?", date())])),
        (
            "Event",
            object([
                ("website_id", uuid()),
                ("event_type", text()),
                ("url", text()),
                ("path", text()),
                ("referrer?", text()),
                ("screen_width?", number()),
                ("screen_height?", number()),
                ("properties?", object([])),
                ("utm_source?", text()),
                ("utm_medium?", text()),
                ("utm_campaign?", text()),
            ]),
        ),
    ]
}

/// What the administration answers with, beside what describes itself.
fn administered() -> Vec<(&'static str, Shape)> {
    vec![
        ("Aggregated", object([("message", text())])),
        ("Erasure", object([("id", uuid()), ("state", word(&["requested", "begun", "done"]))])),
        (
            "ContentGroup",
            object([
                ("name", text_of(1, bounds::GROUP_NAME)),
                ("pattern", text_of(1, bounds::GROUP_PATTERN)),
            ]),
        ),
        (
            "Website",
            object([
                ("id", uuid()),
                ("accountId", uuid()),
                ("domain", text()),
                ("timezone", text()),
                ("contentGroups", list(named("ContentGroup"))),
                ("excludedIps", list(text())),
                ("respectDnt?", boolean()),
                ("retentionDays?", whole(1, 36_525)),
                ("createdAt", instant()),
            ]),
        ),
    ]
}

/// What the reports answer with.
fn reported() -> Vec<(&'static str, Shape)> {
    let paged = |row: Shape| {
        object([
            ("period", named("Period")),
            ("page", whole(1, 1_000_000)),
            ("per_page", whole(1, 500)),
            ("rows", list(row)),
        ])
    };
    let metrics = [
        ("visits", named("Metric")),
        ("unique_visitors", named("Metric")),
        ("pageviews", named("Metric")),
        ("bounce_rate", named("Metric")),
        ("avg_session_duration_sec", named("Metric")),
    ];
    let page = [
        ("path", text()),
        ("contentGroup", maybe_text()),
        ("pageviews", count()),
        ("uniquePageviews", count()),
    ];
    let utm = [("utmSource", text()), ("utmMedium", text()), ("utmCampaign", text()), ("visits", count())];
    let source = either([
        object([("channel", text()), ("visits", count())]),
        object([("referrer", text()), ("visits", count())]),
        object(utm),
    ]);
    let visits_of = |name| list(object([(name, text()), ("visits", count())]));
    let devices = [
        ("period", named("Period")),
        ("device_types", visits_of("deviceType")),
        ("browsers", visits_of("browserFamily")),
        ("os_families", visits_of("osFamily")),
        ("screen_resolutions", visits_of("bucket")),
    ];
    let flow = [
        ("period", named("Period")),
        ("page", whole(1, 1_000_000)),
        ("per_page", whole(1, 500)),
        ("landing_pages", list(object([("path", text()), ("entries", count())]))),
        ("exit_pages", list(object([("path", text()), ("exits", count())]))),
    ];
    let step = object([("step", text()), ("sessions", count()), ("conversion_rate", number())]);
    let realtime = [
        ("active_visitors", count()),
        ("top_pages", list_of(object([("path", text()), ("visitors", count())]), 10)),
        ("events_by_type", list(object([("eventType", text()), ("count", count())]))),
    ];
    let series = [
        ("period", named("Period")),
        ("metric", text()),
        ("path", text()),
        ("series", list(object([("date", date()), ("value", number())]))),
    ];
    vec![
        ("Period", object([("start", date()), ("end", date())])),
        ("Metric", object([("value", number()), ("previous?", number()), ("change_pct?", maybe_number())])),
        (
            "Summary",
            object([("period", named("Period")), ("comparison?", text()), ("metrics", object(metrics))]),
        ),
        ("Pages", paged(object(page))),
        ("Sources", paged(source)),
        ("Devices", object(devices)),
        ("Flow", object(flow)),
        ("Funnel", object([("period", named("Period")), ("funnel", list(step))])),
        ("Realtime", object(realtime)),
        ("CustomEvents", paged(object([("name", text()), ("count", count())]))),
        ("Timeseries", object(series)),
    ]
}
