//! Every endpoint × who asks × whether it is there: the published status each, and nobody can tell "not yours" from
//! "not there".

use std::collections::{BTreeMap, BTreeSet};

use directory::{NewUser, NewWebsite, Role};
use http::HeaderMap;
use reqwest::Method;
use uuid::Uuid;

use crate::document::{Document, routes};
use crate::house::{House, house};

/// Whose key is good for a route.
#[derive(Clone, Copy, PartialEq, Eq)]
enum For {
    Anybody,
    User,
    Admin,
}

/// What a route is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    Nothing,
    /// The `{id}` in the path is a website's.
    Website,
    /// It is a user's.
    User,
    /// It is an account's.
    Account,
    /// The `website_id` of the query is a website's.
    Report,
    /// The `account_id` of the body is an account's; one that is not there makes the body invalid.
    Body,
}

/// A route: method, path, whose it is, what it is about, the rest of the query or the body, and the status when all is
/// well. `$fresh` in a body is a new domain, `$id` what it is about.
type Row = (&'static str, &'static str, For, About, &'static str, u16);

const ROUTES: [Row; 30] = [
    ("GET", "/health", For::Anybody, About::Nothing, "", 200),
    ("GET", "/api/openapi.json", For::Anybody, About::Nothing, "", 200),
    ("GET", "/api/docs", For::Anybody, About::Nothing, "", 200),
    ("GET", "/api/docs/page.js", For::Anybody, About::Nothing, "", 200),
    ("GET", "/api/v1/accounts", For::Admin, About::Nothing, "", 200),
    ("POST", "/api/v1/accounts", For::Admin, About::Nothing, r#"{"name":"Acme Corp"}"#, 201),
    ("DELETE", "/api/v1/accounts/{id}", For::Admin, About::Account, "", 200),
    ("GET", "/api/v1/users", For::Admin, About::Nothing, "", 200),
    ("POST", "/api/v1/users", For::Admin, About::Body, r#"{"account_id":"$id","role":"user"}"#, 201),
    ("DELETE", "/api/v1/users/{id}", For::Admin, About::User, "", 200),
    ("GET", "/api/v1/users/{id}/api-key", For::Admin, About::User, "", 200),
    ("GET", "/api/v1/websites", For::User, About::Nothing, "", 200),
    ("POST", "/api/v1/websites", For::User, About::Nothing, r#"{"domain":"$fresh"}"#, 201),
    ("GET", "/api/v1/websites/{id}", For::User, About::Website, "", 200),
    ("PATCH", "/api/v1/websites/{id}", For::User, About::Website, r#"{"domain":"$fresh"}"#, 200),
    ("DELETE", "/api/v1/websites/{id}", For::User, About::Website, "", 200),
    ("POST", "/api/v1/websites/{id}/erasures", For::User, About::Website, r#"{"user_id":"u1"}"#, 202),
    ("GET", "/api/v1/websites/{id}/erasures/{erasure}", For::User, About::Website, "", 200),
    ("POST", "/api/v1/websites/{id}/keys", For::Admin, About::Website, "{}", 201),
    ("POST", "/api/v1/admin/aggregate", For::Admin, About::Nothing, r#"{"date":"2020-01-01"}"#, 200),
    ("GET", "/api/v1/reports/summary", For::User, About::Report, "compare=yoy", 200),
    ("GET", "/api/v1/reports/pages", For::User, About::Report, "", 200),
    ("GET", "/api/v1/reports/sources", For::User, About::Report, "group_by=utm", 200),
    ("GET", "/api/v1/reports/devices", For::User, About::Report, "", 200),
    ("GET", "/api/v1/reports/flow", For::User, About::Report, "", 200),
    ("GET", "/api/v1/reports/funnel", For::User, About::Report, "steps[]=/a&steps[]=/b", 200),
    ("GET", "/api/v1/reports/realtime", For::User, About::Report, "", 200),
    ("GET", "/api/v1/reports/custom-events", For::User, About::Report, "", 200),
    ("GET", "/api/v1/reports/timeseries", For::User, About::Report, "metric=visits", 200),
    ("GET", "/api/v1/reports/summary", For::User, About::Report, "format=csv", 200),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Caller {
    WithoutKey,
    Garbage,
    Deleted,
    Owner,
    Stranger,
    Admin,
}

const CALLERS: [Caller; 6] =
    [Caller::WithoutKey, Caller::Garbage, Caller::Deleted, Caller::Owner, Caller::Stranger, Caller::Admin];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    Exists,
    Missing,
    Malformed,
}

/// The published status.
fn expected(row: &Row, caller: Caller, target: Target) -> u16 {
    let (_, _, whose, about, _, good) = *row;
    match (whose, caller) {
        (For::Anybody, _) => return good,
        (_, Caller::WithoutKey | Caller::Garbage | Caller::Deleted) => return 401,
        (For::Admin, Caller::Owner | Caller::Stranger) => return 403,
        _ => {}
    }
    match (about, target) {
        (About::Nothing, _) => good,
        (_, Target::Malformed) | (About::Body, Target::Missing) => 400,
        (_, Target::Missing) => 404,
        (_, Target::Exists) if caller == Caller::Stranger => 404,
        (_, Target::Exists) => good,
    }
}

/// An account with everything that a route may be about.
struct Scene<'h> {
    house: &'h House,
    account: Uuid,
    keys: BTreeMap<Caller, String>,
}

impl<'h> Scene<'h> {
    async fn new(house: &'h House) -> Self {
        let (account, owner) = house.account(Role::User).await;
        let (_, stranger) = house.account(Role::User).await;
        let (_, admin) = house.account(Role::Admin).await;
        let new = NewUser { account_id: account, website_id: None, email: String::new(), role: Role::Admin };
        let (user, deleted) = house.directory.add_user(new).await.unwrap();
        house.directory.delete_user(user.id).await.unwrap();
        let keys = [
            (Caller::Garbage, "tt_garbage".to_owned()),
            (Caller::Deleted, deleted.to_string()),
            (Caller::Owner, owner),
            (Caller::Stranger, stranger),
            (Caller::Admin, admin),
        ];
        Self { house, account, keys: keys.into() }
    }

    /// Something new, of the owner's.
    async fn fresh(&self, about: About) -> Uuid {
        let directory = &self.house.directory;
        match about {
            About::Nothing => Uuid::nil(),
            About::Body => self.account,
            About::Account => directory.add_account("Acme Corp").await.unwrap().id,
            About::User => {
                let new = NewUser {
                    account_id: self.account,
                    website_id: None,
                    email: "user@example.com".into(),
                    role: Role::User,
                };
                directory.add_user(new).await.unwrap().0.id
            }
            About::Website | About::Report => {
                let new = NewWebsite { account_id: self.account, domain: domain(), ..NewWebsite::default() };
                directory.add_website(new).await.unwrap().id
            }
        }
    }

    /// An erasure that an admin has asked for, if the website is there; else none that is there.
    async fn erasure(&self, website: &str) -> String {
        let admin = self.keys.get(&Caller::Admin).map(String::as_str);
        let body = Some(r#"{"user_id":"u1"}"#.to_owned());
        let path = format!("/api/v1/websites/{website}/erasures");
        let asked = self.house.ask(Method::POST, &path, admin, body).await;
        if asked.status() != 202 {
            return Uuid::new_v4().to_string();
        }
        let asked: serde_json::Value = asked.json().await.unwrap();
        asked["data"]["id"].as_str().unwrap().to_owned()
    }

    /// Asks, and gives the status, the headers but the date, and the body.
    async fn ask(&self, row: &Row, caller: Caller, id: &str) -> (u16, HeaderMap, String) {
        let (method, path, _, about, rest, _) = *row;
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let (mut address, mut body) = (path.replace("{id}", id), None);
        if path.contains("{erasure}") {
            address = address.replace("{erasure}", &self.erasure(id).await);
        }
        if about == About::Report {
            address = format!("{path}?website_id={id}&{rest}");
        } else if method != Method::GET && !rest.is_empty() {
            body = Some(rest.replace("$id", id).replace("$fresh", &domain()));
        }
        let key = self.keys.get(&caller).map(String::as_str);
        let response = self.house.ask(method, &address, key, body).await;
        let (status, mut headers) = (response.status().as_u16(), response.headers().clone());
        headers.remove("date");
        (status, headers, response.text().await.unwrap())
    }
}

fn domain() -> String {
    format!("{}.example", Uuid::new_v4().simple())
}

#[tokio::test]
async fn every_route_answers_everybody_as_published() {
    let house = house().await;
    let scene = Scene::new(&house).await;
    let document = Document::read(&house).await;
    let routed = routes(&house, &scene.keys[&Caller::Admin]).await;
    for row in ROUTES {
        let (method, path, whose, about, ..) = row;
        assert!(routed.contains(&(method.to_owned(), path.to_owned())), "{method} {path} is no route");
        let malformed = ["7", "550e8400-e29b-41d4-a716-44665544000g", "%00", "%FF", "..%2F", "%27%20OR%201"];
        for caller in CALLERS {
            let mut refusals = BTreeSet::new();
            let mut targets = vec![(Target::Exists, scene.fresh(about).await.to_string())];
            if about != About::Nothing {
                targets.push((Target::Missing, Uuid::new_v4().to_string()));
                targets.extend(malformed.map(|text| (Target::Malformed, text.to_owned())));
            }
            for (target, id) in targets {
                let (status, headers, body) = scene.ask(&row, caller, &id).await;
                let wanted = expected(&row, caller, target);
                assert_eq!(status, wanted, "{method} {path}, {caller:?}, {target:?} {id}: {body}");
                let kind = headers["content-type"].to_str().unwrap();
                let method = Method::from_bytes(method.as_bytes()).unwrap();
                document.knows(&method, path, status, kind, &body);
                let opened = headers.keys().find(|name| name.as_str().starts_with("access-control"));
                assert_eq!(opened, None, "{method} {path} is open to other origins");
                if [401, 403, 404].contains(&status) {
                    refusals.insert(format!("{status} {headers:?} {body}"));
                }
            }
            // Not yours, not there and not looked at are the same to the byte.
            assert!(refusals.len() <= 1, "{method} {path}, {caller:?}: {refusals:#?}");
            let is_refused = whose != For::Anybody && caller < Caller::Owner;
            assert!(!is_refused || refusals.len() == 1);
        }
    }
}

#[tokio::test]
async fn every_route_has_a_row() {
    let house = house().await;
    let (_, admin) = house.account(Role::Admin).await;
    let rows: BTreeSet<_> =
        ROUTES.iter().map(|(method, path, ..)| ((*method).to_owned(), (*path).to_owned())).collect();
    let routed = routes(&house, &admin).await;
    let missing: Vec<_> = routed.difference(&rows).collect();
    assert!(missing.is_empty(), "these routes have no row in the matrix: {missing:?}");
}

#[tokio::test]
async fn a_key_for_one_website_sees_it_and_changes_nothing() {
    let house = house().await;
    let scene = Scene::new(&house).await;
    let (bound, other) = (scene.fresh(About::Website).await, scene.fresh(About::Website).await);
    let new = NewUser {
        account_id: scene.account,
        website_id: Some(bound),
        email: String::new(),
        role: Role::User,
    };
    let (_, key) = house.directory.add_user(new).await.unwrap();
    let key = key.to_string();
    let ask = async |method: Method, path: String, body: &str| {
        let body = Some(body.to_owned()).filter(|body| !body.is_empty());
        house.ask(method, &path, Some(&key), body).await.status().as_u16()
    };
    let change = r#"{"timezone":"Europe/Helsinki"}"#;
    for (id, read, write) in [(bound, 200, 403), (other, 404, 404), (Uuid::new_v4(), 404, 404)] {
        assert_eq!(ask(Method::GET, format!("/api/v1/websites/{id}"), "").await, read);
        assert_eq!(ask(Method::GET, format!("/api/v1/reports/summary?website_id={id}"), "").await, read);
        assert_eq!(ask(Method::PATCH, format!("/api/v1/websites/{id}"), change).await, write);
    }
    assert_eq!(ask(Method::POST, "/api/v1/websites".into(), r#"{"domain":"new.example"}"#).await, 403);
}

#[tokio::test]
async fn nothing_that_needs_a_key_is_open_to_pages_of_others() {
    let house = house().await;
    let (_, admin) = house.account(Role::Admin).await;
    for (method, path) in routes(&house, &admin).await {
        let address = path.replace("{id}", &Uuid::nil().to_string());
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let asked = house.request(method.clone(), &address).header("Origin", "https://evil.example");
        let preflight = house
            .request(Method::OPTIONS, &address)
            .header("Origin", "https://evil.example")
            .header("Access-Control-Request-Method", method.as_str())
            .header("Access-Control-Request-Headers", "x-api-key");
        for request in [asked, preflight] {
            let response = request.send().await.unwrap();
            let opened = response.headers().keys().find(|name| name.as_str().starts_with("access-control"));
            assert_eq!(opened, None, "{method} {path}");
        }
    }
}
