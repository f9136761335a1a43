//! The rollup `site_totals`: which row of events counts where.

use clickhouse::{Client, Row};
use schema::rows::{Day, EventRow};
use serde::Deserialize;
use uuid::Uuid;

use crate::house::{self, MONDAY, Totals, first_view, load, number, utc, view};

const TUESDAY: Day = MONDAY + 1;

/// A website of one's own in the shared database.
struct Site {
    client: Client,
    id: Uuid,
}

/// One row of the rollup's answer: day, UTC hour since the start of Monday, bots or people, and the sums.
type Line = (Day, i64, bool, Totals);

impl Site {
    async fn new() -> Self {
        Self { client: house::shared().await, id: Uuid::new_v4() }
    }

    fn first_view(&self) -> EventRow {
        first_view(self.id)
    }

    fn view(&self) -> EventRow {
        view(self.id)
    }

    /// Loads a batch under a token of its own.
    async fn load(&self, events: &[EventRow]) {
        load(&self.client, &Uuid::new_v4().to_string(), events).await;
    }

    async fn lines(&self) -> Vec<Line> {
        #[derive(Row, Deserialize)]
        struct Found {
            day: Day,
            hour: u32,
            is_bot: bool,
            events: i64,
            pageviews: i64,
            unique_pageviews: i64,
            visitors: i64,
            visits: i64,
            bounces: i64,
            duration_ms: i64,
        }
        let sql = format!(
            "SELECT day, hour, is_bot, sum(t.events) AS events, sum(t.pageviews) AS pageviews,
                    sum(t.unique_pageviews) AS unique_pageviews, sum(t.visitors) AS visitors,
                    sum(t.visits) AS visits,
                    sum(t.bounces) AS bounces, sum(t.duration_ms) AS duration_ms
             FROM site_totals AS t WHERE website_id = '{}'
             GROUP BY day, hour, is_bot ORDER BY day, hour, is_bot",
            self.id
        );
        let found: Vec<Found> = house::rows(&self.client, &sql).await;
        let line = |found: Found| {
            let totals = Totals {
                events: found.events,
                pageviews: found.pageviews,
                unique_pageviews: found.unique_pageviews,
                visitors: found.visitors,
                visits: found.visits,
                bounces: found.bounces,
                duration_ms: found.duration_ms,
            };
            (found.day, i64::from(found.hour) / 3600 - i64::from(MONDAY) * 24, found.is_bot, totals)
        };
        found.into_iter().map(line).collect()
    }

    /// The sums over everything, people and bots.
    async fn sum(&self) -> Totals {
        self.lines().await.into_iter().fold(Totals::default(), |sum, (.., more)| Totals {
            events: sum.events + more.events,
            pageviews: sum.pageviews + more.pageviews,
            unique_pageviews: sum.unique_pageviews + more.unique_pageviews,
            visitors: sum.visitors + more.visitors,
            visits: sum.visits + more.visits,
            bounces: sum.bounces + more.bounces,
            duration_ms: sum.duration_ms + more.duration_ms,
        })
    }
}

/// A visit of one view.
const BOUNCE: Totals = Totals {
    events: 1,
    pageviews: 1,
    unique_pageviews: 1,
    visitors: 1,
    visits: 1,
    bounces: 1,
    duration_ms: 0,
};

const NOTHING: Totals = Totals {
    events: 0,
    pageviews: 0,
    unique_pageviews: 0,
    visitors: 0,
    visits: 0,
    bounces: 0,
    duration_ms: 0,
};

/// The example of the design: one visitor, three views and a scroll within three minutes.
#[tokio::test]
async fn a_visit_of_three_views_adds_up() {
    let site = Site::new().await;
    let scroll = EventRow { event_type: "scroll_50".into(), duration_ms: 20_000, ..site.view() };
    let pricing = EventRow {
        path: "/pricing".into(),
        bounces: -1,
        duration_ms: 100_000,
        unique_pageview: 1,
        ..site.view()
    };
    let back = EventRow { duration_ms: 60_000, ..site.view() };
    site.load(&[site.first_view(), scroll, pricing, back]).await;
    let expected =
        Totals { events: 4, pageviews: 3, unique_pageviews: 2, bounces: 0, duration_ms: 180_000, ..BOUNCE };
    assert_eq!(site.lines().await, [(MONDAY, 12, false, expected)]);
}

#[tokio::test]
async fn only_views_of_pages_are_pageviews() {
    let site = Site::new().await;
    let of = |event_type: &str| EventRow { event_type: event_type.into(), ..site.view() };
    site.load(&["page_view", "custom", "close_tab", "outbound_link", "page_viewed", ""].map(of)).await;
    assert_eq!(site.sum().await, Totals { events: 6, pageviews: 1, ..NOTHING });
}

/// 23:50 to 00:20: the events are their own days', the visit and all of its length are Monday's.
#[tokio::test]
async fn a_session_over_midnight_belongs_to_the_day_of_its_start() {
    let site = Site::new().await;
    let start = utc(MONDAY, 23, 50);
    let first = EventRow { time: start, session_start: start, ..site.first_view() };
    let second = EventRow {
        day: TUESDAY,
        time: utc(TUESDAY, 0, 20),
        session_start: start,
        visitors: 1,
        bounces: -1,
        duration_ms: 1_800_000,
        unique_pageview: 1,
        path: "/b".into(),
        ..site.view()
    };
    // Both orders of arrival, in one batch and in two, make the same rows.
    site.load(&[second]).await;
    site.load(&[first]).await;
    assert_eq!(
        site.lines().await,
        [
            (MONDAY, 23, false, Totals { bounces: 0, duration_ms: 1_800_000, ..BOUNCE }),
            (TUESDAY, 24, false, Totals { visits: 0, bounces: 0, ..BOUNCE }),
        ]
    );
}

/// Kolkata, +05:30: its Tuesday begins at 18:30 UTC, in the middle of an hour, which is therefore two days'.
#[tokio::test]
async fn a_day_that_begins_within_a_utc_hour_shares_the_hour() {
    let site = Site::new().await;
    let at = |day, minute| EventRow {
        day,
        session_day: day,
        time: utc(MONDAY, 18, minute),
        session_start: utc(MONDAY, 18, minute),
        ..site.first_view()
    };
    site.load(&[at(MONDAY, 29), at(TUESDAY, 30), at(TUESDAY, 59)]).await;
    let two = Totals {
        events: 2,
        pageviews: 2,
        unique_pageviews: 2,
        visitors: 2,
        visits: 2,
        bounces: 2,
        ..NOTHING
    };
    assert_eq!(site.lines().await, [(MONDAY, 18, false, BOUNCE), (TUESDAY, 18, false, two)]);
}

/// The same zone: an event of 18:40 UTC is Tuesday's, its session of 18:20 UTC Monday's, within one UTC hour.
#[tokio::test]
async fn an_event_and_its_session_may_have_one_hour_and_two_days() {
    let site = Site::new().await;
    let event = EventRow {
        day: TUESDAY,
        time: utc(MONDAY, 18, 40),
        session_day: MONDAY,
        session_start: utc(MONDAY, 18, 20),
        duration_ms: 1_200_000,
        ..site.view()
    };
    site.load(&[event]).await;
    assert_eq!(
        site.lines().await,
        [
            (MONDAY, 18, false, Totals { duration_ms: 1_200_000, ..NOTHING }),
            (TUESDAY, 18, false, Totals { events: 1, pageviews: 1, ..NOTHING }),
        ]
    );
}

/// Hours begin at :00 and end before the next; the last millisecond is the old hour's.
#[tokio::test]
async fn an_hour_ends_with_its_last_millisecond() {
    let site = Site::new().await;
    let at = |time| EventRow { time, session_start: time, ..site.first_view() };
    site.load(&[at(utc(MONDAY, 9, 0)), at(utc(MONDAY, 10, 0) - 1), at(utc(MONDAY, 10, 0))]).await;
    let lines = site.lines().await;
    let counts: Vec<_> =
        lines.iter().map(|(_, hour, _, totals)| (*hour, totals.events, totals.visits)).collect();
    assert_eq!(counts, [(9, 2, 2), (10, 1, 1)]);
}

#[tokio::test]
async fn an_event_outside_any_session_makes_no_visit() {
    let site = Site::new().await;
    let event = EventRow {
        event_type: "close_tab".into(),
        visitors: 1,
        session_id: 0,
        session_start: 0,
        session_day: 0,
        ..site.view()
    };
    site.load(&[event]).await;
    assert_eq!(site.lines().await, [(MONDAY, 12, false, Totals { events: 1, visitors: 1, ..NOTHING })]);
}

#[tokio::test]
async fn what_is_excluded_counts_nowhere() {
    let site = Site::new().await;
    let excluded = EventRow { is_excluded: true, duration_ms: 5, ..site.first_view() };
    let bot = EventRow { is_bot: true, ..excluded.clone() };
    let identified = EventRow { is_identified: true, ..excluded.clone() };
    site.load(&[excluded, bot, identified]).await;
    assert_eq!(site.lines().await, []);
    let stored = format!("SELECT count() FROM events WHERE website_id = '{}'", site.id);
    assert_eq!(number(&site.client, &stored).await, 3, "it is stored all the same");
}

#[tokio::test]
async fn bots_have_rows_of_their_own() {
    let site = Site::new().await;
    let bot = EventRow { is_bot: true, bot_reason: "user_agent".into(), ..site.first_view() };
    site.load(&[site.first_view(), bot.clone(), bot]).await;
    let two = Totals {
        events: 2,
        pageviews: 2,
        unique_pageviews: 2,
        visitors: 2,
        visits: 2,
        bounces: 2,
        ..NOTHING
    };
    assert_eq!(site.lines().await, [(MONDAY, 12, false, BOUNCE), (MONDAY, 12, true, two)]);
}

/// They recur: a sum would count them on each day, so they are kept by day in a rollup of their own.
#[tokio::test]
async fn identified_visitors_are_kept_by_day_and_not_in_the_sums() {
    let site = Site::new().await;
    let of = |visitor_id, day| EventRow {
        is_identified: true,
        visitor_id,
        day,
        session_day: day,
        time: utc(day, 12, 0),
        session_start: utc(day, 12, 0),
        ..site.first_view()
    };
    site.load(&[of(7, MONDAY), of(u64::MAX, MONDAY)]).await;
    site.load(&[of(7, MONDAY), of(7, TUESDAY), site.first_view()]).await;

    let days: Vec<_> =
        site.lines().await.into_iter().map(|(day, _, _, totals)| (day, totals.visitors)).collect();
    assert_eq!(days, [(MONDAY, 1), (TUESDAY, 0)]);
    let of_site = format!("FROM identified WHERE website_id = '{}'", site.id);
    let events: Vec<(Day, u64, i64)> = house::rows(
        &site.client,
        &format!(
            "SELECT day, visitor_id, sum(events) {of_site} GROUP BY day, visitor_id ORDER BY day, visitor_id"
        ),
    )
    .await;
    assert_eq!(events, [(MONDAY, 7, 2), (MONDAY, u64::MAX, 1), (TUESDAY, 7, 1)]);
}

#[tokio::test]
async fn a_batch_again_under_its_token_changes_neither_the_table_nor_the_rollup() {
    let site = Site::new().await;
    // Two months: two parts of the table, and two of the rollup.
    let at =
        |day| EventRow { day, time: utc(day, 1, 0), session_start: utc(day - 1, 23, 0), ..site.first_view() };
    let batch = [at(MONDAY - 1), at(MONDAY), at(MONDAY - 40)];
    let token = Uuid::new_v4().to_string();
    load(&site.client, &token, &batch).await;
    let once = site.lines().await;
    for _ in 0..3 {
        load(&site.client, &token, &batch).await;
    }
    assert_eq!(site.lines().await, once);
    let stored = format!("SELECT count() FROM events WHERE website_id = '{}'", site.id);
    assert_eq!(number(&site.client, &stored).await, 3);
}

/// Equal rows at other offsets are other events; equal sums of theirs are not dropped either.
#[tokio::test]
async fn the_same_rows_under_another_token_count_again() {
    let site = Site::new().await;
    for _ in 0..3 {
        site.load(&[site.first_view()]).await;
    }
    assert_eq!((site.sum().await.visits, site.sum().await.events), (3, 3));
}

/// A batch larger than the store's usual blocks (65,409 rows) is one block all the same, and dropped as one.
#[tokio::test]
async fn a_large_batch_is_dropped_whole() {
    const ROWS: usize = 70_000;
    let site = Site::new().await;
    let batch = vec![site.first_view(); ROWS];
    let token = Uuid::new_v4().to_string();
    load(&site.client, &token, &batch).await;
    load(&site.client, &token, &batch).await;
    assert_eq!((site.sum().await.visits, site.sum().await.events), (ROWS as i64, ROWS as i64));
}
