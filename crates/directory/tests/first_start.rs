//! The first start: an account, an admin and a key, whoever starts first.

mod house;

use directory::{BOOTSTRAP_ADMIN, DEFAULT_ACCOUNT, DirectoryError, NewUser, Role};
use house::House;

const GIVEN: &str = "0123456789abcdef";

#[tokio::test]
async fn the_first_start_makes_an_admin_and_tells_the_key_once() {
    let house = House::alone().await;
    let directory = house.open().await;
    let key = directory.bootstrap_admin(None).await.unwrap().expect("a key at the first start").to_string();
    assert!(key.starts_with("tt_"));
    let admin = directory.snapshot().user_by_key(&key).unwrap();
    assert_eq!((admin.id, admin.account_id, admin.role), (BOOTSTRAP_ADMIN, DEFAULT_ACCOUNT, Role::Admin));
    assert_eq!(directory.snapshot().account(DEFAULT_ACCOUNT).unwrap().name, "Default");

    assert!(directory.bootstrap_admin(None).await.unwrap().is_none());
    let restarted = house.open().await;
    assert!(restarted.bootstrap_admin(None).await.unwrap().is_none());
    assert_eq!(restarted.snapshot().user_by_key(&key), Some(admin));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_start_together_make_one_admin_with_one_key() {
    let house = House::alone().await;
    let (here, there) = (house.open().await, house.open().await);
    let (one, other) = tokio::join!(here.bootstrap_admin(None), there.bootstrap_admin(None));
    let keys: Vec<_> = [one.unwrap(), other.unwrap()].into_iter().flatten().collect();
    assert!(!keys.is_empty());
    for directory in [here, there] {
        directory.refresh().await.unwrap();
        let snapshot = directory.snapshot();
        assert_eq!((snapshot.accounts().len(), snapshot.users().len()), (1, 1));
        assert!(keys.iter().all(|key| snapshot.user_by_key(&key.to_string()).is_some()));
    }
}

#[tokio::test]
async fn a_given_key_becomes_the_admins_and_replaces_the_one_before() {
    let house = House::alone().await;
    let directory = house.open().await;
    let first = directory.bootstrap_admin(None).await.unwrap().unwrap().to_string();
    for given in [GIVEN, GIVEN, "another-long-key-1"] {
        assert!(directory.bootstrap_admin(Some(given)).await.unwrap().is_none());
        let admin = directory.snapshot().user_by_key(given).unwrap();
        assert_eq!((admin.id, admin.role), (BOOTSTRAP_ADMIN, Role::Admin));
        assert_eq!(directory.reveal_key(admin.id, &admin).await.unwrap().to_string(), given);
    }
    for gone in [first.as_str(), GIVEN] {
        assert!(directory.snapshot().user_by_key(gone).is_none());
    }
    assert_eq!(directory.snapshot().users().len(), 1);
}

#[tokio::test]
async fn a_given_key_that_is_in_force_is_not_written_again() {
    let house = House::alone().await;
    let directory = house.open().await;
    directory.bootstrap_admin(Some(GIVEN)).await.unwrap();
    let before = directory.snapshot();
    directory.bootstrap_admin(Some(GIVEN)).await.unwrap();
    directory.refresh().await.unwrap();
    assert!(std::sync::Arc::ptr_eq(&before, &directory.snapshot()));
}

#[tokio::test]
async fn a_given_key_that_is_weak_or_anothers_is_refused_by_name() {
    let house = House::alone().await;
    let directory = house.open().await;
    let error = directory.bootstrap_admin(Some("0123456789abcde")).await.unwrap_err();
    assert_eq!(error.to_string(), "FOOTFALL_ADMIN_KEY must have 16 to 256 characters.");
    assert!(directory.snapshot().users().is_empty());

    directory.bootstrap_admin(None).await.unwrap();
    let new =
        NewUser { account_id: DEFAULT_ACCOUNT, website_id: None, email: String::new(), role: Role::User };
    let (user, key) = directory.add_user(new).await.unwrap();
    let refused = directory.bootstrap_admin(Some(&key.to_string())).await;
    assert!(matches!(refused, Err(DirectoryError::Invalid { field: "FOOTFALL_ADMIN_KEY", .. })));
    assert_eq!(directory.snapshot().user_by_key(&key.to_string()).unwrap().id, user.id);
}

#[tokio::test]
async fn a_deleted_admin_stays_away_until_a_key_is_given() {
    let house = House::alone().await;
    let directory = house.open().await;
    directory.bootstrap_admin(Some(GIVEN)).await.unwrap();
    directory.delete_user(BOOTSTRAP_ADMIN).await.unwrap();
    assert!(directory.bootstrap_admin(None).await.unwrap().is_none());
    assert!(directory.snapshot().user_by_key(GIVEN).is_none());
    directory.bootstrap_admin(Some(GIVEN)).await.unwrap();
    assert!(directory.snapshot().user_by_key(GIVEN).is_some());
}
