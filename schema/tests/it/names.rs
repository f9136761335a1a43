//! Names in SQL: the dictionaries over the directory's tables and the countries.

use std::time::Duration;

use schema::rows::{AccountRow, WebsiteRow};
use uuid::Uuid;

use crate::house;

/// What a dictionary says, in SQL that an operator would write.
async fn text(sql: &str) -> String {
    house::rows::<String>(&house::shared().await, sql).await.concat()
}

#[tokio::test]
async fn a_website_has_a_name_and_a_new_name_within_two_seconds() {
    let client = house::shared().await;
    let (account_id, id) = (Uuid::new_v4(), Uuid::new_v4());
    let account = AccountRow {
        id: account_id,
        name: "Ada & sons".into(),
        created_at: 0,
        version: 2,
        is_deleted: false,
    };
    let website = WebsiteRow {
        id,
        account_id,
        domain: "old.example".into(),
        timezone: "Europe/Helsinki".into(),
        content_groups: Vec::new(),
        excluded_ips: Vec::new(),
        retention_days: 0,
        respect_dnt: false,
        created_at: 0,
        version: 2,
        is_deleted: false,
    };
    let named =
        |attribute: &str| format!("SELECT toString(dictGet('website_names', '{attribute}', toUUID('{id}')))");
    assert_eq!(text(&named("domain")).await, "", "nobody knows it yet");
    house::insert(&client, "accounts", &[account]).await;
    house::insert(&client, "websites", std::slice::from_ref(&website)).await;
    // A key is looked up again by whoever asks once it is 2 seconds old; the rest is the clock's whole seconds.
    let within = Duration::from_secs(3);
    tokio::time::sleep(within).await;
    assert_eq!(text(&named("domain")).await, "old.example");
    assert_eq!(text(&named("timezone")).await, "Europe/Helsinki");
    assert_eq!(text(&named("account")).await, "Ada & sons");
    assert_eq!(text(&named("account_id")).await, account_id.to_string());

    let renamed = WebsiteRow { domain: "new.example".into(), version: 3, ..website.clone() };
    house::insert(&client, "websites", &[renamed]).await;
    tokio::time::sleep(within).await;
    assert_eq!(text(&named("domain")).await, "new.example");

    house::insert(&client, "websites", &[WebsiteRow { version: 4, is_deleted: true, ..website }]).await;
    tokio::time::sleep(within).await;
    assert_eq!(text(&named("domain")).await, "", "it was deleted");
}

#[tokio::test]
async fn countries_are_those_of_the_projects_own_list() {
    let client = house::shared().await;
    let sql =
        "SELECT code, dictGet('country_names', 'name', code), dictGet('country_names', 'continent', code),
                      dictGet('continent_names', 'name', continent)
               FROM countries FINAL ORDER BY code";
    let stored: Vec<(String, String, String, String)> = house::rows(&client, sql).await;
    let listed: Vec<_> = dictionaries::countries()
        .map(|(code, name, continent)| {
            let continent_name = dictionaries::continent_name(continent).unwrap();
            (code.to_owned(), name.to_owned(), continent.to_owned(), continent_name.to_owned())
        })
        .collect();
    assert_eq!(
        stored, listed,
        "a change of countries.tsv or continents.tsv needs a migration that inserts it"
    );
    assert_eq!(text("SELECT dictGet('country_names', 'name', 'CI')").await, "Côte d'Ivoire");
}
