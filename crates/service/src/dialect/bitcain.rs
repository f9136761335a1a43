//! bitcain's: what FastAPI says, `{"detail":[{"loc":…,"msg":…,"type":…,"input":…,"ctx":…}]}` where a request is not
//! valid, and `{"detail":"…"}` everywhere else.
//!
//! The document shows the first form only. The second is FastAPI's own for everything that is no validation error, so
//! that its clients find what they expect; without a key it says `Not authenticated`, as `HTTPBearer` does.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::problem::{Dialect, Problem};

/// bitcain's refusals.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bitcain;

/// One thing that is wrong with a request, in pydantic's words.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Detail {
    /// Where it is: names and positions, from `body` or `header` inwards.
    pub loc: Vec<Value>,
    /// What is wrong, for people.
    pub msg: String,
    /// What is wrong, for programs: `missing`, `string_too_long`, …
    pub r#type: &'static str,
    /// What was sent there.
    pub input: Value,
    /// The bounds that were not kept.
    pub ctx: Map<String, Value>,
}

impl Detail {
    /// A problem as a detail: what is checked behind the published bounds has no type of its own in pydantic.
    pub fn of_problem(problem: &Problem) -> Self {
        let field = match problem {
            Problem::Invalid { field, .. } => field.as_deref(),
            _ => None,
        };
        let loc = match field {
            // Headers have capitals, fields have none.
            Some(header) if header.starts_with(|first: char| first.is_ascii_uppercase()) => {
                vec!["header".into(), header.to_ascii_lowercase().into()]
            }
            Some(field) => std::iter::once("body").chain(field.split('.')).map(Value::from).collect(),
            None => vec!["body".into()],
        };
        let msg = format!("Value error, {problem}");
        Self { loc, msg, r#type: "value_error", input: Value::Null, ctx: Map::new() }
    }
}

/// 422 with what is wrong.
pub fn unprocessable(details: &[Detail]) -> Response {
    (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "detail": details }))).into_response()
}

impl Dialect for Bitcain {
    fn write(&self, problem: &Problem) -> Response {
        match problem {
            Problem::Invalid { .. } => unprocessable(&[Detail::of_problem(problem)]),
            Problem::Unauthorized => {
                let challenge = [(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))];
                (problem.status(), challenge, Json(json!({ "detail": "Not authenticated" }))).into_response()
            }
            _ => (problem.status(), Json(json!({ "detail": problem.to_string() }))).into_response(),
        }
    }
}
