//! `GET /api/v1/reports/funnel`.

use serde_json::{Value, json};

use crate::house::{Site, house};
use crate::reports::{WEEK, source};

#[tokio::test]
async fn the_funnel_as_published() {
    let house = house().await;
    let site = house.site().await;
    // Sessions of 5000, 1200 and 900, made by the store.
    house
        .client()
        .query_raw(
            "INSERT INTO events (website_id, day, time, event_type, path, session_id, session_day, session_start)
             SELECT {site:UUID}, '2026-02-24', toDateTime64('2026-02-24 10:00:00', 3, 'UTC') + step, 'page_view',
                    ['/pricing', '/signup', '/onboarding'][step], 1 + number, '2026-02-24', '2026-02-24 10:00:00.000'
             FROM numbers(5000) ARRAY JOIN [1, 2, 3] AS step
             WHERE number < [5000, 1200, 900][step]",
        )
        .param("site", site.id)
        .execute()
        .await
        .unwrap();
    let asked = format!("funnel?{WEEK}&steps[]=/pricing&steps[]=/signup&steps[]=/onboarding");
    let body: Value = site.get(&asked).await.json().await.unwrap();
    let published = json!({
      "status": "success",
      "data": {
        "period": { "start": "2026-02-23", "end": "2026-03-01" },
        "funnel": [
          { "step": "/pricing", "sessions": 5000, "conversion_rate": 100 },
          { "step": "/signup", "sessions": 1200, "conversion_rate": 24 },
          { "step": "/onboarding", "sessions": 900, "conversion_rate": 75 }
        ]
      }
    });
    assert_eq!(body, published);
    assert_eq!(
        site.csv(&format!("{asked}&format=csv")).await,
        "step,sessions,conversion_rate\n/pricing,5000,100\n/signup,1200,24\n/onboarding,900,75\n"
    );
    assert_eq!(source(&site, &asked).await, "events");
}

#[tokio::test]
async fn an_event_serves_one_step_and_steps_have_an_order() {
    let house = house().await;
    let site = house.site().await;
    site.store([
        site.visit("ann").at("2026-03-01T10:00:00").sees("/").after(1).sees("/a").after(1).sees("/"),
        site.visit("bob")
            .at("2026-03-01T10:00:00")
            .sees("/a")
            .after(1)
            .sees("/")
            .after(1)
            .fires("bought", "/a"),
        site.visit("cid").bot().at("2026-03-01T10:00:00").sees("/").sees("/a"),
        site.visit("dan").excluded().at("2026-03-01T10:00:00").sees("/").sees("/a"),
        // At one instant, in the order of the stream.
        site.visit("eve").at("2026-03-01T10:00:00").sees("/b").sees("/c"),
    ])
    .await;
    for (steps, sessions) in [
        (&["/", "/a"][..], &[2, 1][..]),
        (&["/", "/"], &[2, 1]),
        (&["/", "/", "/"], &[2, 1, 0]),
        (&["/a", "/", "bought"], &[2, 2, 1]),
        (&["page_view", "page_view", "custom"], &[3, 3, 1]),
        (&["/b", "/c"], &[1, 1]),
        (&["/c", "/b"], &[1, 0]),
        (&["/nowhere", "/"], &[0, 0]),
        (&["bought", "'; --"], &[1, 0]),
    ] {
        let asked = steps.iter().fold(String::new(), |asked, step| asked + "&steps[]=" + step);
        let data = site.report(&format!("funnel?period=7d{asked}")).await;
        let counted: Vec<_> = data["funnel"]
            .as_array()
            .unwrap()
            .iter()
            .map(|step| step["sessions"].as_i64().unwrap())
            .collect();
        assert_eq!(counted, sessions, "{steps:?}");
        // Few steps are compared and many are looked up; both say the same.
        let many = site.report(&format!("funnel?period=7d{asked}{}", "&steps[]=/never".repeat(5))).await;
        assert_eq!(many["funnel"].as_array().unwrap()[..steps.len()], data["funnel"].as_array().unwrap()[..]);
    }
    let data = site.report("funnel?period=today&steps[]=/&steps[]=/a").await;
    assert_eq!(data["funnel"][1], json!({ "step": "/a", "sessions": 0, "conversion_rate": 0 }));
    let data = site.report("funnel?period=7d&include_bots=true&steps[]=/&steps[]=/a").await;
    assert_eq!(data["funnel"][1]["sessions"], 2);
}

/// The sessions that took each of these steps.
async fn counts(site: &Site<'_>, steps: &[&str]) -> Vec<i64> {
    let asked = steps.iter().fold(String::new(), |asked, step| asked + "&steps[]=" + step);
    let data = site.report(&format!("funnel?{WEEK}{asked}")).await;
    data["funnel"].as_array().unwrap().iter().map(|step| step["sessions"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn within_one_millisecond_the_stream_has_the_order_in_few_sessions_and_in_many() {
    let house = house().await;
    for sessions in [10, 1500] {
        let site = house.site().await;
        // Of two thirds of the sessions all events have one time; half of these see /a first, as the stream has it, and
        // the others /b. The last third sees them second by second.
        house
            .client()
            .query_raw(
                "INSERT INTO events (website_id, day, time, event_type, path, session_id, session_day, session_start,
                                     kafka_offset)
                 SELECT {site:UUID}, '2026-02-24',
                        toDateTime64('2026-02-24 10:00:00', 3, 'UTC') + if(number % 3 = 2, step, 0),
                        'page_view', if((number % 3 = 1) != (step = 1), '/a', '/b'), 1 + number, '2026-02-24',
                        '2026-02-24 10:00:00.000', 2 * number + step
                 FROM numbers({sessions:UInt64} * 3) ARRAY JOIN [1, 2] AS step
                 ORDER BY cityHash64(number, step)",
            )
            .param("site", site.id)
            .param("sessions", sessions)
            .execute()
            .await
            .unwrap();
        assert_eq!(counts(&site, &["/a", "/b"]).await, [3 * sessions, 2 * sessions]);
        assert_eq!(counts(&site, &["/b", "/a"]).await, [3 * sessions, sessions]);
        assert_eq!(counts(&site, &["/a", "/a"]).await, [3 * sessions, 0]);
    }
}

#[tokio::test]
async fn nobody_gets_farther_than_the_last_step() {
    let house = house().await;
    let site = house.site().await;
    let visit =
        (0..30).fold(site.visit("ann").at("2026-02-24T10:00:00"), |visit, _| visit.sees("/a").after(1));
    site.store([visit]).await;
    assert_eq!(counts(&site, &["/a"; 20]).await, [1; 20]);
    assert_eq!(counts(&site, &["/a"; 2]).await, [1, 1]);
}
