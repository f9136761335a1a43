//! `timezone`: days of another zone than the website's.

use serde_json::json;

use crate::house::house;

#[tokio::test]
async fn a_day_of_another_zone_is_a_span_of_time() {
    let house = house().await;
    let site = house.site().await;
    site.store([
        // 05:20 on the second in Auckland, and on until 05:40.
        site.visit("ann").at("2026-02-28T16:20:00").sees("/").after(1200).sees("/blog"),
        // 23:50 on the first there, over midnight.
        site.visit("bob").at("2026-02-28T10:50:00").sees("/").after(1200).sees("/blog"),
        site.visit("cid").at("2026-02-28T10:59:59").sees("/"),
        site.visit("dan").at("2026-02-28T11:00:00").sees("/"),
    ])
    .await;
    let zone = "timezone=Pacific/Auckland";
    let on = async |day: &str, metric: &str| {
        let asked = format!("summary?start_date={day}&end_date={day}&{zone}");
        site.report(&asked).await["metrics"][metric]["value"].as_i64().unwrap()
    };
    assert_eq!(on("2026-02-28", "visits").await, 2);
    assert_eq!(on("2026-03-01", "visits").await, 2);
    assert_eq!(on("2026-02-28", "pageviews").await, 2);
    assert_eq!(on("2026-03-01", "pageviews").await, 4);
    // Bob is there on both days, as he would be in the website's own zone.
    assert_eq!(on("2026-02-28", "unique_visitors").await, 2);
    assert_eq!(on("2026-03-01", "unique_visitors").await, 3);
    for (metric, path, values) in [
        ("visits", "", [2, 2]),
        ("pageviews", "", [2, 4]),
        ("visits", "&path=/blog", [1, 1]),
        ("pageviews", "&path=/blog", [0, 2]),
    ] {
        let asked =
            format!("timeseries?start_date=2026-02-28&end_date=2026-03-01&metric={metric}{path}&{zone}");
        let series = json!([
            { "date": "2026-02-28", "value": values[0] },
            { "date": "2026-03-01", "value": values[1] }
        ]);
        assert_eq!(site.report(&asked).await["series"], series, "{asked}");
    }
    let pages = site.report(&format!("pages?start_date=2026-03-01&end_date=2026-03-01&{zone}")).await;
    assert_eq!(
        pages["rows"][0],
        json!({ "path": "/", "contentGroup": null, "pageviews": 2, "uniquePageviews": 2 })
    );
}

#[tokio::test]
async fn today_and_the_first_day_are_those_of_the_zone() {
    let house = house().await;
    let site = house.site().await;
    site.store([site.visit("ann").at("2026-02-10T23:30:00").sees("/")]).await;
    // It is noon of 2 March in UTC.
    for (zone, first, today) in [
        ("UTC", "2026-02-10", "2026-03-02"),
        ("Asia/Tokyo", "2026-02-11", "2026-03-02"),
        ("Pacific/Kiritimati", "2026-02-11", "2026-03-03"),
        ("Pacific/Pago_Pago", "2026-02-10", "2026-03-02"),
    ] {
        let data = site.report(&format!("summary?period=all&timezone={zone}")).await;
        assert_eq!(data["period"], json!({ "start": first, "end": today }), "{zone}");
        assert_eq!(data["metrics"]["visits"]["value"], 1, "{zone}");
        let data = site.report(&format!("timeseries?period=all&metric=visits&timezone={zone}")).await;
        assert_eq!(data["series"][0], json!({ "date": first, "value": 1 }), "{zone}");
    }
}

#[tokio::test]
async fn the_days_of_ten_years_fit_into_a_question() {
    let house = house().await;
    let site = house.site().await;
    site.store([site.visit("ann").at("2016-03-27T12:00:00").sees("/")]).await;
    let asked = "timeseries?start_date=2016-03-03&end_date=2026-03-02&timezone=Europe/Berlin";
    let data = site.report(asked).await;
    let series = data["series"].as_array().unwrap();
    assert_eq!(series.len(), 3652);
    let days: Vec<_> = series.iter().filter(|point| point["value"] != 0).collect();
    assert_eq!(days, [&json!({ "date": "2016-03-27", "value": 1 })]);
}
