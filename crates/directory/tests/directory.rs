//! The directory against the real store. Each test has an account of its own; those about the first start have
//! a database of their own.

mod house;

use std::time::Duration;

use directory::{DirectoryError, NewUser, NewWebsite, Role, WebsiteChange};
use house::{House, new_website};
use service::{Clock, MasterKey, Stop};
use uuid::Uuid;

#[tokio::test]
async fn an_account_is_seen_at_once_and_by_other_processes_after_a_refresh() {
    let house = House::shared().await;
    let (here, there) = (house.open().await, house.open().await);
    let account = here.add_account("  Acme Corp ").await.unwrap();
    assert_eq!(account.name, "Acme Corp");
    assert_eq!(**here.snapshot().account(account.id).unwrap(), account);
    assert!(there.snapshot().account(account.id).is_none());
    there.refresh().await.unwrap();
    assert_eq!(**there.snapshot().account(account.id).unwrap(), account);
}

#[tokio::test]
async fn times_of_making_are_the_clocks() {
    let house = House::shared().await;
    let directory = house.open_with(Clock::fixed(1_768_473_000_123)).await;
    let account = directory.add_account("Acme").await.unwrap();
    assert_eq!(account.created_at, 1_768_473_000_123);
    assert_eq!(directory.snapshot().account(account.id).unwrap().created_at, 1_768_473_000_123);
}

#[tokio::test]
async fn a_snapshot_stays_the_same_value_while_nothing_changes() {
    let house = House::alone().await;
    let directory = house.open().await;
    let before = directory.snapshot();
    directory.refresh().await.unwrap();
    assert!(std::sync::Arc::ptr_eq(&before, &directory.snapshot()));
}

#[tokio::test]
async fn a_key_finds_its_user_until_the_user_is_deleted() {
    let house = House::shared().await;
    let directory = house.open().await;
    let account = directory.add_account("Acme").await.unwrap();
    let new = NewUser {
        account_id: account.id,
        website_id: None,
        email: "ann@example.com".into(),
        role: Role::User,
    };
    let (user, key) = directory.add_user(new).await.unwrap();
    assert_eq!(
        (user.email.as_str(), user.role, user.account_id),
        ("ann@example.com", Role::User, account.id)
    );
    assert!(key.to_string().starts_with("tt_"));
    assert_eq!(*directory.snapshot().user_by_key(&key.to_string()).unwrap(), user);

    assert_eq!(directory.delete_user(user.id).await.unwrap(), user);
    assert!(directory.snapshot().user_by_key(&key.to_string()).is_none());
    assert!(directory.snapshot().user(user.id).is_none());
    assert!(matches!(directory.delete_user(user.id).await, Err(DirectoryError::NotFound("User"))));
    assert!(matches!(directory.reveal_key(user.id, &user).await, Err(DirectoryError::NotFound("User"))));
}

#[tokio::test]
async fn a_key_can_be_shown_again_under_the_same_master_key_only() {
    let house = House::shared().await;
    let directory = house.open().await;
    let account = directory.add_account("Acme").await.unwrap();
    let new = NewUser { account_id: account.id, website_id: None, email: String::new(), role: Role::User };
    let (user, key) = directory.add_user(new).await.unwrap();
    assert_eq!(directory.reveal_key(user.id, &user).await.unwrap(), key);
    assert_eq!(house.open().await.reveal_key(user.id, &user).await.unwrap(), key);
}

#[tokio::test]
async fn another_master_key_than_the_databases_is_refused_by_the_settings_name() {
    let house = House::alone().await;
    let stranger = MasterKey::generate().unwrap();
    // Nothing is sealed yet: any key will do.
    house.try_open_under(&stranger).await.unwrap();
    let directory = house.open().await;
    directory.bootstrap_admin(None).await.unwrap();
    for _ in 0..2 {
        let refused = house.try_open_under(&stranger).await.unwrap_err();
        assert!(matches!(refused, DirectoryError::OtherMasterKey));
        assert!(refused.to_string().contains("FOOTFALL_MASTER_KEY"));
        house.open().await;
    }
}

#[tokio::test]
async fn the_store_holds_no_key_in_the_clear() {
    let house = House::shared().await;
    let directory = house.open().await;
    let account = directory.add_account("Acme").await.unwrap();
    let new = NewUser { account_id: account.id, website_id: None, email: String::new(), role: Role::User };
    let (user, key) = directory.add_user(new).await.unwrap();
    let row = house.ask(&format!("SELECT toString(tuple(*)) FROM users WHERE id = '{}'", user.id)).await;
    assert!(row.contains(&user.id.to_string()) && !row.contains(&key.to_string()));
}

#[tokio::test]
async fn users_and_websites_need_an_account_that_exists() {
    let house = House::shared().await;
    let directory = house.open().await;
    let user =
        NewUser { account_id: Uuid::new_v4(), website_id: None, email: String::new(), role: Role::User };
    let refused = directory.add_user(user).await;
    assert!(matches!(refused, Err(DirectoryError::Invalid { field: "account_id", .. })));
    let refused = directory.add_website(new_website(Uuid::new_v4(), "example.com")).await;
    assert!(matches!(refused, Err(DirectoryError::Invalid { field: "account_id", .. })));
}

#[tokio::test]
async fn a_user_is_made_in_an_account_that_another_process_has_just_made() {
    let house = House::shared().await;
    let (here, there) = (house.open().await, house.open().await);
    let account = here.add_account("Acme").await.unwrap();
    there.add_website(new_website(account.id, "example.com")).await.unwrap();
}

#[tokio::test]
async fn a_website_is_kept_with_all_its_settings() {
    let house = House::shared().await;
    let directory = house.open().await;
    let account = directory.add_account("Acme").await.unwrap();
    let new = NewWebsite {
        content_groups: vec![("Blog".into(), "/blog/*".into()), ("It's \\ 'quoted'\t".into(), "/ü?*".into())],
        excluded_ips: vec!["192.0.2.0/24".into(), "2001:DB8::1".into()],
        respect_dnt: true,
        timezone: Some("Asia/Kolkata".into()),
        ..new_website(account.id, "Shop.Example.COM")
    };
    let made = directory.add_website(new).await.unwrap();
    let read = house.open().await.snapshot().website(made.id).cloned().unwrap();
    assert_eq!(read, made);
    assert_eq!(directory.snapshot().website(made.id), Some(&made));
    assert_eq!((read.domain.as_str(), read.timezone.name()), ("shop.example.com", "Asia/Kolkata"));
    assert_eq!(read.content_groups.of("/blog/a"), Some("Blog"));
    assert_eq!(read.content_groups.of("/ü?x"), Some("It's \\ 'quoted'"));
    assert!(read.respect_dnt);
    assert!(read.excluded_ips.contains("::ffff:192.0.2.9".parse().unwrap()));
    assert_eq!(read.excluded_ips.texts(), ["192.0.2.0/24", "2001:DB8::1"]);
}

#[tokio::test]
async fn a_website_without_settings_counts_in_utc() {
    let house = House::shared().await;
    let directory = house.open().await;
    let account = directory.add_account("Acme").await.unwrap();
    let made = directory.add_website(new_website(account.id, "localhost")).await.unwrap();
    assert_eq!(made.timezone.name(), "UTC");
    assert_eq!(made.content_groups.iter().count(), 0);
    assert!(made.excluded_ips.texts().is_empty());
    assert!(!made.respect_dnt);
}

#[tokio::test]
async fn a_refused_website_leaves_nothing_behind() {
    let house = House::shared().await;
    let directory = house.open().await;
    let account = directory.add_account("Acme").await.unwrap();
    let good = new_website(account.id, "example.com");
    for (new, expected) in [
        (NewWebsite { domain: "https://example.com".into(), ..good.clone() }, "domain"),
        (NewWebsite { timezone: Some("Mars/Olympus".into()), ..good.clone() }, "timezone"),
        (NewWebsite { excluded_ips: vec!["nonsense".into()], ..good.clone() }, "excluded_ips"),
        (NewWebsite { content_groups: vec![(String::new(), "/".into())], ..good.clone() }, "content_groups"),
    ] {
        let refused = directory.add_website(new).await;
        assert!(
            matches!(refused, Err(DirectoryError::Invalid { field, .. }) if field == expected),
            "{expected}"
        );
    }
    directory.add_website(good).await.unwrap();
    assert_eq!(house.websites_of(account.id).await, ["example.com"]);
}

#[tokio::test]
async fn a_domain_is_taken_once_per_account() {
    let house = House::shared().await;
    let (here, there) = (house.open().await, house.open().await);
    let account = here.add_account("Acme").await.unwrap();
    let other = here.add_account("Other").await.unwrap();
    here.add_website(new_website(account.id, "example.com")).await.unwrap();
    for directory in [&here, &there] {
        let again = directory.add_website(new_website(account.id, "EXAMPLE.com")).await;
        assert!(matches!(again, Err(DirectoryError::Duplicate)));
    }
    there.add_website(new_website(other.id, "example.com")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_processes_that_race_for_a_domain_exactly_one_wins() {
    let house = House::shared().await;
    let (here, there) = (house.open().await, house.open().await);
    let account = here.add_account("Acme").await.unwrap();
    for round in 0..20 {
        let domain = format!("race-{round}.example");
        let (one, other) = tokio::join!(
            here.add_website(new_website(account.id, &domain)),
            there.add_website(new_website(account.id, &domain)),
        );
        let refused = match (&one, &other) {
            (Ok(_), Err(refused)) | (Err(refused), Ok(_)) => refused,
            both => panic!("round {round}: {both:?}"),
        };
        assert!(matches!(refused, DirectoryError::Duplicate), "round {round}: {refused}");
    }
    assert_eq!(house.websites_of(account.id).await.len(), 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_website_and_a_renamed_one_do_not_end_up_with_one_domain() {
    let house = House::shared().await;
    let (here, there) = (house.open().await, house.open().await);
    let account = here.add_account("Acme").await.unwrap();
    for round in 0..10 {
        let (old, wanted) = (format!("old-{round}.example"), format!("wanted-{round}.example"));
        let website = here.add_website(new_website(account.id, &old)).await.unwrap();
        let change = WebsiteChange { domain: Some(wanted.clone()), ..WebsiteChange::default() };
        let (renamed, added) = tokio::join!(
            here.update_website(website.id, change),
            there.add_website(new_website(account.id, &wanted)),
        );
        assert!(renamed.is_ok() != added.is_ok(), "round {round}: {renamed:?} {added:?}");
        here.refresh().await.unwrap();
        let expected = if renamed.is_ok() { &wanted } else { &old };
        assert_eq!(here.snapshot().website(website.id).unwrap().domain, *expected, "round {round}");
        let domains = house.websites_of(account.id).await;
        assert_eq!(domains.iter().filter(|domain| **domain == wanted).count(), 1, "round {round}");
    }
}

#[tokio::test]
async fn a_change_leaves_alone_what_it_does_not_name() {
    let house = House::shared().await;
    let directory = house.open().await;
    let account = directory.add_account("Acme").await.unwrap();
    let new = NewWebsite {
        content_groups: vec![("Blog".into(), "/blog/*".into())],
        excluded_ips: vec!["192.0.2.1".into()],
        respect_dnt: true,
        timezone: Some("Europe/Helsinki".into()),
        ..new_website(account.id, "example.com")
    };
    let made = directory.add_website(new).await.unwrap();
    let change = WebsiteChange { excluded_ips: Some(vec![]), ..WebsiteChange::default() };
    let changed = directory.update_website(made.id, change).await.unwrap();
    assert!(changed.excluded_ips.texts().is_empty());
    let mut expected = (*made).clone();
    expected.excluded_ips = changed.excluded_ips.clone();
    assert_eq!(*changed, expected);
    assert_eq!(directory.snapshot().website(made.id), Some(&changed));

    let change = WebsiteChange {
        domain: Some("example.org".into()),
        content_groups: Some(vec![("All".into(), "*".into())]),
        respect_dnt: Some(false),
        timezone: Some("UTC".into()),
        ..WebsiteChange::default()
    };
    let changed = directory.update_website(made.id, change).await.unwrap();
    assert_eq!((changed.domain.as_str(), changed.timezone.name()), ("example.org", "UTC"));
    assert_eq!(changed.content_groups.of("/blog/a"), Some("All"));
    assert!(!changed.respect_dnt);
    assert_eq!(changed.created_at, made.created_at);
    assert_eq!(house.websites_of(account.id).await, ["example.org"]);
}

#[tokio::test]
async fn a_domain_that_was_given_up_is_free_again_and_one_that_is_taken_is_refused() {
    let house = House::shared().await;
    let directory = house.open().await;
    let account = directory.add_account("Acme").await.unwrap();
    let rename = |domain: &str| WebsiteChange { domain: Some(domain.into()), ..WebsiteChange::default() };
    let first = directory.add_website(new_website(account.id, "a.example")).await.unwrap();
    directory.add_website(new_website(account.id, "b.example")).await.unwrap();

    let refused = directory.update_website(first.id, rename("b.example")).await;
    assert!(matches!(refused, Err(DirectoryError::Duplicate)));
    assert_eq!(directory.snapshot().website(first.id).unwrap().domain, "a.example");

    directory.update_website(first.id, rename("A.example")).await.unwrap();
    directory.update_website(first.id, rename("c.example")).await.unwrap();
    directory.add_website(new_website(account.id, "a.example")).await.unwrap();
    let back = directory.update_website(first.id, rename("a.example")).await;
    assert!(matches!(back, Err(DirectoryError::Duplicate)));
    assert_eq!(house.websites_of(account.id).await, ["a.example", "b.example", "c.example"]);
}

#[tokio::test]
async fn a_website_that_does_not_exist_cannot_be_changed() {
    let house = House::shared().await;
    let change = WebsiteChange { timezone: Some("UTC".into()), ..WebsiteChange::default() };
    let refused = house.open().await.update_website(Uuid::new_v4(), change).await;
    assert!(matches!(refused, Err(DirectoryError::NotFound("Website"))));
}

#[tokio::test]
async fn a_reservation_is_no_website_and_blocks_only_until_it_lapses() {
    let house = House::shared().await;
    let directory = house.open().await;
    let account = directory.add_account("Acme").await.unwrap();
    for (domain, age) in [("fresh.example", 1), ("stale.example", 61)] {
        house
            .run(&format!(
                "INSERT INTO websites (id, account_id, domain, claimed_at, version)
                 VALUES (generateUUIDv4(), '{}', '{domain}', now64(9) - {age}, 0)",
                account.id
            ))
            .await;
    }
    directory.refresh().await.unwrap();
    assert!(directory.snapshot().websites().iter().all(|website| website.account_id != account.id));
    let blocked = directory.add_website(new_website(account.id, "fresh.example")).await;
    assert!(matches!(blocked, Err(DirectoryError::Duplicate)));
    directory.add_website(new_website(account.id, "stale.example")).await.unwrap();
}

#[tokio::test]
async fn a_write_is_finished_although_its_caller_goes_away() {
    let house = House::shared().await;
    let directory = house.open().await;
    let account = directory.add_account("Acme").await.unwrap();
    let work = directory.add_website(new_website(account.id, "example.com"));
    assert!(tokio::time::timeout(Duration::ZERO, work).await.is_err(), "the caller does not wait");
    house::soon("the website is made", || {
        directory.snapshot().websites().iter().any(|website| website.account_id == account.id)
    })
    .await;
}

#[tokio::test]
async fn another_process_sees_changes_by_itself_until_it_is_stopped() {
    let house = House::shared().await;
    let (here, there) = (house.open().await, house.open().await);
    let stop = Stop::new();
    let fresh = tokio::spawn(std::sync::Arc::clone(&there).keep_fresh(stop.clone()));
    let account = here.add_account("Acme").await.unwrap();
    house::soon("the account is seen", || there.snapshot().account(account.id).is_some()).await;
    stop.cancel();
    fresh.await.unwrap();
}

#[tokio::test]
async fn while_the_store_is_away_the_last_snapshot_stays() {
    let house = House::shared().await;
    let account = house.open().await.add_account("Acme").await.unwrap();
    let mut line = house::Line::to(&house).await;
    let directory = line.open().await;
    line.cut().await;
    assert!(matches!(directory.refresh().await, Err(DirectoryError::Store(_))));
    assert!(directory.snapshot().account(account.id).is_some());
    let refused = directory.add_account("Other").await;
    assert!(matches!(refused.map_err(service::Problem::from), Err(service::Problem::Unavailable { .. })));

    let stop = Stop::new();
    tokio::spawn(std::sync::Arc::clone(&directory).keep_fresh(stop.clone()));
    line.mend().await;
    let later = house.open().await.add_account("Later").await.unwrap();
    house::soon("the store is read again", || directory.snapshot().account(later.id).is_some()).await;
    stop.cancel();
}

#[tokio::test]
async fn a_row_that_was_broken_by_hand_does_no_harm() {
    let house = House::alone().await;
    house
        .run(
            "INSERT INTO websites (id, domain, timezone, excluded_ips, version)
             VALUES (generateUUIDv4(), 'a.example', 'Mars/Olympus', ['nonsense', '192.0.2.1'], 5)",
        )
        .await;
    house.run("INSERT INTO users (id, role, key_hash, version) VALUES (generateUUIDv4(), '', 'x', 5)").await;
    let snapshot = house.open().await.snapshot();
    let [website] = snapshot.websites() else { panic!("one website is expected") };
    assert_eq!(website.timezone.name(), "UTC");
    assert!(website.excluded_ips.contains("192.0.2.1".parse().unwrap()));
    assert_eq!(snapshot.users()[0].role, Role::User);
}
