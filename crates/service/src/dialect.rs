//! The dialects that more than one binary speaks: TinyTrail's here, the others beside it.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, Uri};
use serde_json::json;

use crate::problem::{Dialect, Problem};

pub mod bitcain;
pub mod lena;

pub use bitcain::Bitcain;
pub use lena::Lena;

/// TinyTrail's: `{"status":"error","error":{"code":…,"message":…}}`.
#[derive(Debug, Clone, Copy, Default)]
pub struct TinyTrail;

impl TinyTrail {
    /// The published code of a problem. What the document has no code for speaks with the nearest one: a body that is
    /// too large or too slow is an invalid payload, a method or path that does not exist is not found, and what passes by itself
    /// (503) is an internal error.
    fn code(problem: &Problem) -> &'static str {
        match problem {
            Problem::Invalid { .. }
            | Problem::TooLarge { .. }
            | Problem::Timeout
            | Problem::UnsupportedEncoding => "INVALID_PAYLOAD",
            Problem::Unauthorized => "UNAUTHORIZED",
            Problem::Forbidden => "FORBIDDEN",
            Problem::NotFound(_) | Problem::MethodNotAllowed => "NOT_FOUND",
            Problem::RateLimited { .. } => "RATE_LIMITED",
            Problem::Unavailable { .. } | Problem::TooCostly(_) | Problem::Internal(_) => "INTERNAL_ERROR",
        }
    }
}

impl Dialect for TinyTrail {
    fn write(&self, problem: &Problem) -> Response {
        let error = json!({ "code": Self::code(problem), "message": problem.to_string() });
        (problem.status(), Json(json!({ "status": "error", "error": error }))).into_response()
    }
}

/// The answer for a path that is no route: in the words of the surface that it would belong to, TinyTrail's for all others.
pub fn unknown_route(uri: &Uri) -> Response {
    let problem = Problem::NotFound("Route");
    let below = |base: &str| {
        uri.path().strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if below("/v1") {
        Lena.write(&problem)
    } else if below("/api/v1/analytics") {
        Bitcain.write(&problem)
    } else {
        TinyTrail.write(&problem)
    }
}

/// TinyTrail's success: `{"status":"success","data":…}`.
pub fn success<T: serde::Serialize>(status: StatusCode, data: T) -> Response {
    #[derive(serde::Serialize)]
    struct Envelope<T> {
        status: &'static str,
        data: T,
    }
    (status, Json(Envelope { status: "success", data })).into_response()
}
