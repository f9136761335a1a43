//! Accounts, users, websites, and what an admin may have done.

use serde_json::json;
use utoipa::openapi::path::HttpMethod::{Delete, Get, Patch, Post};

use super::parts::{Operation, Who, list, named, operation, success};

const ID: &str = "550e8400-e29b-41d4-a716-446655440000";

pub(super) fn operations() -> Vec<Operation> {
    let mut all = accounts();
    all.extend(users());
    all.extend(websites());
    all.push(
        operation(Post, "/api/v1/admin/aggregate", "aggregate", "Admin", "Aggregate a day again")
            .about(
                "Makes the aggregates of a day equal to its events. They always are, since they grow with every event; this \
                 is for days about which somebody is not sure. While other work on them goes on: 503 with `Retry-After`.",
            )
            .by(Who::Admin)
            .may_take("AggregateFields", json!({ "date": "2026-03-18" }))
            .answers(200, "The day is aggregated.", success(named("Aggregated"))),
    );
    all
}

fn accounts() -> Vec<Operation> {
    const PATH: &str = "/api/v1/accounts";
    vec![
        operation(Get, PATH, "listAccounts", "Accounts", "List all accounts").by(Who::Admin).answers(
            200,
            "All accounts, the oldest first.",
            success(list(named("Account"))),
        ),
        operation(Post, PATH, "createAccount", "Accounts", "Create an account")
            .by(Who::Admin)
            .takes("AccountFields", json!({ "name": "Acme Corp" }))
            .answers(201, "The new account.", success(named("Account"))),
        operation(Delete, "/api/v1/accounts/{id}", "deleteAccount", "Accounts", "Delete an account")
            .about(
                "Deletes the account and all its data: users, websites, events and what was counted of them.",
            )
            .by(Who::Admin)
            .of("Account ID")
            .answers(200, "The deleted account.", success(named("Account"))),
    ]
}

fn users() -> Vec<Operation> {
    const PATH: &str = "/api/v1/users";
    vec![
        operation(Get, PATH, "listUsers", "Users", "List all users").by(Who::Admin).answers(
            200,
            "All users, the oldest first, without their keys.",
            success(list(named("User"))),
        ),
        operation(Post, PATH, "createUser", "Users", "Create a user with a key")
            .about("The answer holds the key.")
            .by(Who::Admin)
            .takes("UserFields", json!({ "account_id": ID, "role": "user", "email": "user@example.com" }))
            .answers(201, "The new user, with the key.", success(named("NewUser"))),
        operation(Delete, "/api/v1/users/{id}", "deleteUser", "Users", "Delete a user")
            .about("The user's key stops working: at once where this was asked, within 2 seconds everywhere.")
            .by(Who::Admin)
            .of("User ID")
            .answers(200, "The deleted user.", success(named("User"))),
        operation(Get, "/api/v1/users/{id}/api-key", "getUserKey", "Users", "Show a user's key again")
            .about("Every reading is written to the audit log first.")
            .by(Who::Admin)
            .of("User ID")
            .answers(200, "The key.", success(named("UserKey"))),
    ]
}

fn websites() -> Vec<Operation> {
    const PATH: &str = "/api/v1/websites";
    const ONE: &str = "/api/v1/websites/{id}";
    let example = json!({
        "domain": "example.com",
        "content_groups": [{ "name": "Blog", "pattern": "/blog*" }],
        "excluded_ips": ["192.0.2.10", "2001:db8::/32"],
        "timezone": "Europe/Helsinki"
    });
    vec![
        operation(Get, PATH, "listWebsites", "Websites", "List websites")
            .about("Admins see all; users see those of their account; a website's own key sees that one.")
            .by(Who::User)
            .answers(200, "The websites, the oldest first.", success(list(named("Website")))),
        operation(Post, PATH, "createWebsite", "Websites", "Create a website")
            .about(
                "A domain is taken once per account. `account_id` is for admins; without it the website is made in the \
                 caller's own account. `timezone` is an IANA name and decides where the website's days begin; `respect_dnt` \
                 keeps nothing of visitors who ask not to be tracked; `retention_days` keeps events for so many days, and then no longer.",
            )
            .by(Who::User)
            .takes("WebsiteFields", example)
            .answers(201, "The new website.", success(named("Website")))
            .refuses(&[403]),
        operation(Get, ONE, "getWebsite", "Websites", "Show a website")
            .by(Who::User)
            .of("Website ID")
            .answers(200, "The website.", success(named("Website"))),
        operation(Patch, ONE, "updateWebsite", "Websites", "Change a website's settings")
            .about("At least one field must be given; what is not given stays as it is. Collectors know it within 2 seconds.")
            .by(Who::User)
            .of("Website ID")
            .takes("WebsiteChange", json!({ "excluded_ips": ["192.0.2.10"] }))
            .answers(200, "The website as it is now.", success(named("Website")))
            .refuses(&[403]),
        operation(Delete, ONE, "deleteWebsite", "Websites", "Delete a website")
            .about("Deletes the website, all its events, and what was counted of them.")
            .by(Who::User)
            .of("Website ID")
            .answers(200, "The deleted website.", success(named("Website")))
            .refuses(&[403]),
        operation(Post, "/api/v1/websites/{id}/erasures", "eraseVisitor", "Websites", "Erase a visitor")
            .about(
                "Erases all that has been received of one visitor until now, by the website's own `user_id` or by the \
                 `visitor_id` that is stored; all reports are corrected. It is done within minutes.",
            )
            .by(Who::User)
            .of("Website ID")
            .takes("ErasureFields", json!({ "user_id": "u-1001" }))
            .answers(202, "The erasure, asked for.", success(named("Erasure")))
            .refuses(&[403]),
        operation(Get, "/api/v1/websites/{id}/erasures/{erasure}", "getErasure", "Websites", "Show an erasure")
            .by(Who::User)
            .of("Website ID")
            .of_part("erasure", "Erasure ID")
            .answers(200, "How far it is.", success(named("Erasure")))
            .refuses(&[403]),
        operation(Post, "/api/v1/websites/{id}/keys", "createWebsiteKey", "Websites", "Create a key for one website")
            .about("Makes a user whose key is good for this website only. The answer holds the key.")
            .by(Who::Admin)
            .of("Website ID")
            .takes("KeyFields", json!({ "email": "till" }))
            .answers(201, "The new user, with the key.", success(named("NewUser"))),
    ]
}
