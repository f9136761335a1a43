//! Where events come in, and what needs no key.

use serde_json::json;
use utoipa::openapi::path::HttpMethod::{Get, Options, Post};

use super::parts::{Operation, object, operation, text, word};

pub(super) fn operations() -> Vec<Operation> {
    let event = json!({
        "website_id": "550e8400-e29b-41d4-a716-446655440000",
        "event_type": "page_view",
        "url": "https://example.com/blog/post-1?utm_source=twitter",
        "path": "/blog/post-1",
        "referrer": "https://t.co/abc123",
        "screen_width": 1920,
        "screen_height": 1080
    });
    vec![
        operation(Post, "/api/v1/collect", "collect", "Collection", "Send an event")
            .about(
                "Needs no key and may be sent from any page. Limited per website and client address: 10 in 10 seconds unless \
                 the server is told otherwise.",
            )
            .takes("Event", event)
            .answers(202, "The event is stored.", object([("status", word(&["accepted"]))]))
            .answers_nothing(204, "Dropped in silence: no such website, a bot, or excluded traffic.")
            .refuses(&[415, 429, 500, 503]),
        operation(Options, "/api/v1/collect", "collectPreflight", "Collection", "CORS preflight")
            .answers_nothing(204, "Whatever page asks may send."),
        operation(Get, "/js/tracker.js", "tracker", "Collection", "The tracker for a website's pages")
            .answers_also(200, "The script, which may be kept for a day.", None, "application/javascript"),
        operation(Get, "/health", "health", "Service", "Whether the service is well")
            .about("For load balancers. Not in the envelope of the other answers.")
            .answers(
                200,
                "It is.",
                object([("status", word(&["ok"])), ("db", word(&["connected"])), ("version", text())]),
            )
            .answers(
                503,
                "Its store does not answer.",
                object([("status", word(&["degraded"])), ("db", word(&["disconnected"]))]),
            ),
        operation(Get, "/api/openapi.json", "openapi", "Service", "This document")
            .answers(200, "OpenAPI 3.1.", object([("openapi", text())]))
            .refuses(&[500]),
        operation(Get, "/api/docs", "docs", "Service", "This document, to be read")
            .answers_also(200, "A page that loads nothing from elsewhere.", None, "text/html"),
        operation(Get, "/api/docs/page.js", "docsScript", "Service", "The script of that page")
            .answers_also(200, "The script.", None, "text/javascript"),
    ]
}
