//! The reports that are asked for, each with other ways to the same answer.

/// One report.
#[derive(Debug, Clone, Copy)]
pub struct Report {
    /// Its name in the tables.
    pub name: &'static str,
    /// Its route, and its parameters but for the website and the days.
    pub route: &'static str,
    /// The straightforward query of the events: what somebody would write who knows the columns. Its rows have the answer's
    /// values, in the answer's order; a column `list` names the list where there are several.
    pub raw: &'static str,
    /// The same from distinct-count states, which are estimates; none where states cannot tell.
    pub states: Option<&'static str>,
    /// The table and the columns that an answer cannot do without.
    pub needs: (&'static str, &'static str),
    /// Of which website it is asked: a place in [`super::SITES`].
    pub sites: &'static [usize],
    /// Whether a rollup has the answer.
    pub is_rolled_up: bool,
    /// Milliseconds that are allowed at 10 million events, or else this share of the raw query's.
    pub target: Option<(f64, f64)>,
}

const BOTH: &[usize] = &[0, 2];

/// A report's milliseconds, or a fifth of its raw form's.
const QUICK: Option<(f64, f64)> = Some((10.0, 0.2));

/// No slower than the raw form.
const AS_RAW: Option<(f64, f64)> = Some((0.0, 1.0));

macro_rules! sql {
    ($name:literal) => {
        include_str!(concat!($name, ".sql"))
    };
}

/// All of them.
pub const REPORTS: &[Report] = &[
    Report {
        name: "summary",
        route: "summary?",
        raw: sql!("raw/summary"),
        states: Some(sql!("states/summary")),
        needs: ("site_totals", "pageviews, visitors, visits, bounces, duration_ms"),
        sites: &[0, 1, 2],
        is_rolled_up: true,
        target: QUICK,
    },
    Report {
        name: "pages",
        route: "pages?",
        raw: sql!("raw/pages"),
        states: Some(sql!("states/pages")),
        needs: ("pages", "path, content_group, pageviews, unique_pageviews"),
        sites: BOTH,
        is_rolled_up: true,
        target: QUICK,
    },
    Report {
        name: "sources: channels",
        route: "sources?",
        raw: sql!("raw/sources"),
        states: Some(sql!("states/sources")),
        needs: ("sources", "channel, visits"),
        sites: BOTH,
        is_rolled_up: true,
        target: QUICK,
    },
    Report {
        name: "sources: referrers",
        route: "sources?group_by=domain&",
        raw: sql!("raw/referrers"),
        states: Some(sql!("states/referrers")),
        needs: ("sources", "referrer, visits"),
        sites: BOTH,
        is_rolled_up: true,
        target: QUICK,
    },
    Report {
        name: "sources: campaigns",
        route: "sources?group_by=utm&",
        raw: sql!("raw/campaigns"),
        states: Some(sql!("states/campaigns")),
        needs: ("sources", "utm_source, utm_medium, utm_campaign, visits"),
        sites: BOTH,
        is_rolled_up: true,
        target: QUICK,
    },
    Report {
        name: "devices",
        route: "devices?",
        raw: sql!("raw/devices"),
        states: Some(sql!("states/devices")),
        needs: ("devices", "device_type, browser, os, screen, visits"),
        sites: BOTH,
        is_rolled_up: true,
        target: QUICK,
    },
    Report {
        name: "flow",
        route: "flow?",
        raw: sql!("raw/flow"),
        states: None,
        needs: ("pages", "path, entries, exits"),
        sites: BOTH,
        is_rolled_up: true,
        target: QUICK,
    },
    Report {
        name: "timeseries",
        route: "timeseries?metric=visits&",
        raw: sql!("raw/timeseries"),
        states: Some(sql!("states/timeseries")),
        needs: ("site_totals", "day, visits"),
        sites: BOTH,
        is_rolled_up: true,
        target: QUICK,
    },
    Report {
        name: "timeseries of a page",
        route: "timeseries?metric=pageviews&path=/pricing&",
        raw: sql!("raw/timeseries_of_page"),
        states: None,
        needs: ("pages", "day, path, pageviews"),
        sites: BOTH,
        is_rolled_up: true,
        target: QUICK,
    },
    Report {
        name: "custom events",
        route: "custom-events?",
        raw: sql!("raw/custom_events"),
        states: None,
        needs: ("event_types", "event_type, event_name, events"),
        sites: BOTH,
        is_rolled_up: true,
        target: AS_RAW,
    },
    Report {
        name: "funnel",
        route: "funnel?steps[]=/&steps[]=/pricing&steps[]=signup&",
        raw: sql!("raw/funnel"),
        states: None,
        needs: ("events", "session_id, time, event_type, event_name, path"),
        sites: BOTH,
        is_rolled_up: false,
        target: AS_RAW,
    },
    Report {
        name: "summary of a country",
        route: "summary?filters=%7B%22dimension%22:%22country%22,%22operator%22:%22is%22,%22value%22:%22DE%22%7D&",
        raw: sql!("raw/summary_of_country"),
        states: None,
        needs: ("events", "country, event_type, visitor_id, is_identified, visits, bounces, duration_ms"),
        sites: BOTH,
        is_rolled_up: false,
        target: AS_RAW,
    },
    Report {
        name: "realtime",
        route: "realtime?",
        raw: sql!("raw/realtime"),
        states: None,
        needs: ("events", "time, event_type, path, visitor_id"),
        sites: BOTH,
        is_rolled_up: false,
        target: AS_RAW,
    },
];
