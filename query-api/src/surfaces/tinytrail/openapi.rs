//! The API, told to machines (`/api/openapi.json`, OpenAPI 3.1) and to readers (`/api/docs`).
//!
//! * `parts`: the words of which the document is made,
//! * `schemas`: what is sent and answered; the views of accounts and users describe themselves,
//! * `administration`, `reports` and `collection`: every operation, one paragraph each.
//!
//! A test compares the document with the router in both directions, and every answer of the tests with the document.

mod administration;
mod collection;
mod parts;
mod reports;
mod schemas;

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, header};
use service::Problem;
use utoipa::openapi::info::{InfoBuilder, LicenseBuilder};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{ComponentsBuilder, OpenApi, OpenApiBuilder, Paths};

/// The name of the key's scheme in the document.
const KEY: &str = "ApiKey";

/// The page needs its own script and this host's document, and nothing of anybody else's.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src 'self'; \
                      img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const INTRODUCTION: &str = "\
Privacy-focused, cookie-less website analytics. Answers are `{\"status\":\"success\",\"data\":…}`, refusals \
`{\"status\":\"error\",\"error\":{\"code\":…,\"message\":…}}`; the message names the field that is wrong.

A key in `X-API-KEY` is an `admin`'s, who may do everything, or a `user`'s, who sees the own account. What is another \
account's is answered with 404, like what is not there. Every key has an allowance (60 requests in 60 seconds unless the \
server is told otherwise); beyond it the answer is 429 with `Retry-After` in seconds.

There is no CORS on anything that needs a key: a key in a page would be everybody's.";

/// The document.
static DOCUMENT: LazyLock<OpenApi> = LazyLock::new(describe);

/// `GET /api/openapi.json`
pub(super) async fn document() -> Result<Response, Problem> {
    let json = DOCUMENT.to_pretty_json().map_err(Problem::internal)?;
    Ok(([(header::CONTENT_TYPE, "application/json")], json).into_response())
}

/// `GET /api/docs`: the document, to be read. Nothing is loaded from anywhere else.
pub(super) async fn page() -> Response {
    let policy = (HeaderName::from_static("content-security-policy"), HeaderValue::from_static(POLICY));
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    ([kind, policy], include_str!("openapi/page.html")).into_response()
}

/// `GET /api/docs/page.js`
pub(super) async fn script() -> Response {
    let kind = [(header::CONTENT_TYPE, "text/javascript; charset=utf-8")];
    (kind, include_str!("openapi/page.js")).into_response()
}

fn describe() -> OpenApi {
    let mut paths = Paths::new();
    let operations = [administration::operations(), reports::operations(), collection::operations()];
    for operation in operations.into_iter().flatten() {
        operation.add_to(&mut paths);
    }
    let license = LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build();
    let info = InfoBuilder::new()
        .title("Footfall: the TinyTrail API")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(INTRODUCTION))
        .license(Some(license))
        .build();
    let key = ApiKeyValue::with_description("X-API-KEY", "An API key: `tt_…`");
    let components =
        ComponentsBuilder::new().security_scheme(KEY, SecurityScheme::ApiKey(ApiKey::Header(key)));
    let components = parts::problems(schemas::all(components));
    let tags = TAGS.map(|(name, about)| TagBuilder::new().name(name).description(Some(about)).build());
    OpenApiBuilder::new()
        .info(info)
        .paths(paths)
        .components(Some(components.build()))
        .tags(Some(tags))
        .build()
}

const TAGS: [(&str, &str); 7] = [
    ("Accounts", "The tenants that own users and websites. Admins only."),
    ("Users", "Those who have an API key. Admins only."),
    ("Websites", "What is counted, and how. Users see the websites of their account, admins all."),
    ("Admin", "What an admin may have done by hand."),
    ("Reports", "What was counted. Days are the website's own, in its time zone."),
    (
        "Collection",
        "Where events come in. Answered by the way in, which may be another process behind the same host.",
    ),
    ("Service", "The health of the service, and this document."),
];
