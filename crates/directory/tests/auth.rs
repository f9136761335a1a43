//! What a key opens: extractors over the real directory.

#![allow(clippy::unwrap_used)]

mod house;

use std::sync::Arc;

use axum::extract::FromRequestParts;
use directory::{Admin, ApiKey, Bearer, Caller, Directory, DirectoryError, NewUser, Role};
use house::{House, new_website};
use service::Problem;
use uuid::Uuid;

async fn ask<E: FromRequestParts<Arc<Directory>>>(
    directory: &Arc<Directory>,
    key: Option<&[u8]>,
) -> Result<E, E::Rejection> {
    let mut request = http::Request::get("/");
    if let Some(key) = key {
        request = request.header("X-API-KEY", key);
    }
    let (mut parts, ()) = request.body(()).unwrap().into_parts();
    E::from_request_parts(&mut parts, directory).await
}

async fn caller(directory: &Arc<Directory>, key: &ApiKey) -> Caller {
    ask(directory, Some(key.to_string().as_bytes())).await.unwrap()
}

async fn user(directory: &Directory, account_id: Uuid, role: Role) -> ApiKey {
    directory.add_user(NewUser { account_id, website_id: None, email: String::new(), role }).await.unwrap().1
}

#[tokio::test]
async fn without_a_known_key_nobody_is_let_in() {
    let directory = House::shared().await.open().await;
    for key in [None, Some(b"".as_slice()), Some(b"tt_unknown"), Some(b"\xff\xfe")] {
        assert!(matches!(ask::<Caller>(&directory, key).await, Err(Problem::Unauthorized)), "{key:?}");
        assert!(matches!(ask::<Admin>(&directory, key).await, Err(Problem::Unauthorized)), "{key:?}");
    }
}

#[tokio::test]
async fn a_bearers_key_comes_in_the_other_header() {
    let directory = House::shared().await.open().await;
    let account = directory.add_account("Acme").await.unwrap();
    let key = user(&directory, account.id, Role::User).await;
    let ask = async |header: &str, value: String| {
        let request = http::Request::get("/").header(header, value).body(()).unwrap();
        Bearer::from_request_parts(&mut request.into_parts().0, &directory).await
    };
    for value in [format!("Bearer {key}"), format!("bearer  {key} ")] {
        assert_eq!(ask("authorization", value).await.unwrap().0.user.account_id, account.id);
    }
    for value in [
        String::new(),
        "Bearer".to_owned(),
        "Bearer tt_unknown".to_owned(),
        format!("Basic {key}"),
        key.to_string(),
    ] {
        assert!(matches!(ask("authorization", value).await, Err(Problem::Unauthorized)));
    }
    assert!(matches!(ask("x-api-key", key.to_string()).await, Err(Problem::Unauthorized)));
}

#[tokio::test]
async fn a_bound_key_is_good_for_its_website_only() {
    let directory = House::shared().await.open().await;
    let account = directory.add_account("Acme").await.unwrap();
    let other = directory.add_account("Other").await.unwrap();
    let bound = directory.add_website(new_website(account.id, "bound.example.com")).await.unwrap();
    let free = directory.add_website(new_website(account.id, "free.example.com")).await.unwrap();
    let foreign = directory.add_website(new_website(other.id, "foreign.example.com")).await.unwrap();
    let new = |website_id, role| NewUser { account_id: account.id, website_id, email: String::new(), role };
    let (user, key) = directory.add_user(new(Some(bound.id), Role::User)).await.unwrap();
    assert_eq!(user.website_id, Some(bound.id));
    let one = caller(&directory, &key).await;
    assert_eq!([&bound, &free, &foreign].map(|website| one.may_see(website)), [true, false, false]);
    assert_eq!(one.own_websites(&directory), [Arc::clone(&bound)]);
    let (_, key) = directory.add_user(new(None, Role::User)).await.unwrap();
    assert_eq!(caller(&directory, &key).await.own_websites(&directory), [Arc::clone(&bound), free]);
    for (website, role) in [(foreign.id, Role::User), (Uuid::new_v4(), Role::User), (bound.id, Role::Admin)] {
        let refused = directory.add_user(new(Some(website), role)).await;
        assert!(matches!(refused, Err(DirectoryError::Invalid { field: "website_id", .. })));
    }
}

#[tokio::test]
async fn an_admins_door_is_closed_to_users() {
    let directory = House::shared().await.open().await;
    let account = directory.add_account("Acme").await.unwrap();
    let (user, admin) =
        (user(&directory, account.id, Role::User).await, user(&directory, account.id, Role::Admin).await);
    assert!(matches!(
        ask::<Admin>(&directory, Some(user.to_string().as_bytes())).await,
        Err(Problem::Forbidden)
    ));
    let Admin(caller) = ask(&directory, Some(admin.to_string().as_bytes())).await.unwrap();
    assert!(caller.is_admin());
}

#[tokio::test]
async fn a_website_of_another_account_is_as_absent_as_one_that_does_not_exist() {
    let directory = House::shared().await.open().await;
    let own = directory.add_account("Own").await.unwrap();
    let other = directory.add_account("Other").await.unwrap();
    let website = directory.add_website(new_website(own.id, "example.com")).await.unwrap();

    for (account, role, sees) in
        [(own.id, Role::User, true), (other.id, Role::User, false), (other.id, Role::Admin, true)]
    {
        let caller = caller(&directory, &user(&directory, account, role).await).await;
        assert_eq!(caller.may_see(&website), sees);
        match caller.website(&directory, website.id) {
            Ok(found) => assert!(sees && found == website),
            Err(problem) => assert!(!sees && matches!(problem, Problem::NotFound("Website"))),
        }
        let absent = caller.website(&directory, Uuid::new_v4());
        assert!(matches!(absent, Err(Problem::NotFound("Website"))));
    }
}

#[tokio::test]
async fn a_deleted_users_key_opens_nothing() {
    let directory = House::shared().await.open().await;
    let account = directory.add_account("Acme").await.unwrap();
    let key = user(&directory, account.id, Role::Admin).await;
    let user = caller(&directory, &key).await.user;
    directory.delete_user(user.id).await.unwrap();
    let refused = ask::<Caller>(&directory, Some(key.to_string().as_bytes())).await;
    assert!(matches!(refused, Err(Problem::Unauthorized)));
}
