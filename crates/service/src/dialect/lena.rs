//! Lena's: `{"error":{"code":…,"message":…,"details":{"<field>":…}}}`.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::problem::{Dialect, Problem};

/// Lena's refusals. The document shows the form and names no codes, so these are ours; `details` names the field that
/// is wrong, and is empty where it is none's fault.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lena;

impl Lena {
    fn code(problem: &Problem) -> &'static str {
        match problem {
            Problem::Invalid { .. } => "invalid_request",
            Problem::TooLarge { .. } => "payload_too_large",
            Problem::Timeout => "request_timeout",
            Problem::UnsupportedEncoding => "unsupported_encoding",
            Problem::Unauthorized => "unauthorized",
            Problem::Forbidden => "forbidden",
            Problem::NotFound(_) => "not_found",
            Problem::MethodNotAllowed => "method_not_allowed",
            Problem::RateLimited { .. } => "rate_limit_exceeded",
            Problem::Unavailable { .. } | Problem::TooCostly(_) => "service_unavailable",
            Problem::Internal(_) => "internal_error",
        }
    }
}

impl Dialect for Lena {
    fn write(&self, problem: &Problem) -> Response {
        let message = problem.to_string();
        let mut details = Map::new();
        if let Problem::Invalid { field: Some(field), .. } = problem {
            details.insert(field.to_string(), Value::String(message.clone()));
        }
        let error = json!({ "code": Self::code(problem), "message": message, "details": details });
        (problem.status(), Json(json!({ "error": error }))).into_response()
    }
}
