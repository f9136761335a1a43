//! TinyTrail's problems: `{"status":"error","error":{"code":…,"message":…}}`.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use service::{Dialect, Problem};

/// Writes a problem as the TinyTrail document does.
#[derive(Debug, Clone, Copy)]
pub struct TinyTrail;

impl Dialect for TinyTrail {
    fn write(&self, problem: &Problem) -> Response {
        let error = json!({ "code": code(problem), "message": problem.to_string() });
        (problem.status(), Json(json!({ "status": "error", "error": error }))).into_response()
    }
}

/// The published code. The document knows no code for a method that is not allowed (nothing is there for it) nor for
/// a service that is not available (the status tells it from our own faults).
fn code(problem: &Problem) -> &'static str {
    match problem {
        Problem::Invalid { .. } | Problem::TooLarge { .. } => "INVALID_PAYLOAD",
        Problem::Unauthorized => "UNAUTHORIZED",
        Problem::Forbidden => "FORBIDDEN",
        Problem::NotFound(_) | Problem::MethodNotAllowed => "NOT_FOUND",
        Problem::RateLimited { .. } => "RATE_LIMITED",
        Problem::Unavailable { .. } | Problem::TooCostly(_) | Problem::Internal(_) => "INTERNAL_ERROR",
    }
}
