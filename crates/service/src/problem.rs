//! What can go wrong for a caller: one list, and a dialect per published surface.
//!
//! A handler returns `Result<_, Problem>`. The public sentence is the `Display` form; the private cause is the
//! `source`, which is logged once, here, and never sent. A surface mounts [`speak`] as its outermost layer, and
//! its [`Dialect`] writes the body: for handlers, rejected extractors, limits and unknown routes alike.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use thiserror::Error;

/// A cause that is logged and not shown.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a request was not answered as asked.
#[derive(Debug, Error)]
pub enum Problem {
    /// Something the caller sent is missing or wrong.
    #[error("{message}")]
    Invalid {
        /// The field or parameter, in the surface's words; `None` when the whole body is meant.
        field: Option<Cow<'static, str>>,
        /// What is wrong, for the caller's eyes; names the field.
        message: Cow<'static, str>,
    },
    /// The body is larger than the surface takes.
    #[error("The body is larger than {limit} bytes.")]
    TooLarge {
        /// The bound in bytes.
        limit: usize,
    },
    /// The request's body did not come in time.
    #[error("The body took too long to arrive.")]
    Timeout,
    /// The body is compressed in a way that is not read here.
    #[error("`Content-Encoding` must be gzip, deflate, br or zstd.")]
    UnsupportedEncoding,
    /// No key, or one that is not known.
    #[error("Missing or invalid API key.")]
    Unauthorized,
    /// A known key without the right.
    #[error("This API key may not do that.")]
    Forbidden,
    /// It is not there, or it is another account's: nobody can tell.
    #[error("{0} not found.")]
    NotFound(&'static str),
    /// The path exists with other methods.
    #[error("This method is not allowed here.")]
    MethodNotAllowed,
    /// Too many requests.
    #[error("Rate limit exceeded. Try again in {retry_after} s.")]
    RateLimited {
        /// Seconds until the next request is taken, at least 1.
        retry_after: u64,
    },
    /// The stream or the store cannot be reached now; nothing was stored.
    #[error("The service is not available at the moment. Try again in {retry_after} s.")]
    Unavailable {
        /// Seconds after which it is worth trying again.
        retry_after: u64,
        /// What failed.
        #[source]
        cause: Option<Cause>,
    },
    /// A report was larger than a query may be.
    #[error("The report takes too long or too much memory. Ask for a shorter period.")]
    TooCostly(#[source] Cause),
    /// Our fault.
    #[error("Something went wrong on our side.")]
    Internal(#[source] Cause),
}

impl Problem {
    /// A field that is missing or wrong. The message names it.
    pub fn field(field: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::Invalid { field: Some(field.into()), message: message.into() }
    }

    /// A body that is wrong as a whole.
    pub fn body(message: impl Into<Cow<'static, str>>) -> Self {
        Self::Invalid { field: None, message: message.into() }
    }

    /// Our fault, with the cause for the log.
    pub fn internal(cause: impl Into<Cause>) -> Self {
        Self::Internal(cause.into())
    }

    /// The status that every surface answers with, unless its document says otherwise.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Invalid { .. } => StatusCode::BAD_REQUEST,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::UnsupportedEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable { .. } | Self::TooCostly(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The problem in one word, for counting.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => "invalid",
            Self::TooLarge { .. } => "too_large",
            Self::Timeout => "timeout",
            Self::UnsupportedEncoding => "unsupported_encoding",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound(_) => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::RateLimited { .. } => "rate_limited",
            Self::Unavailable { .. } => "unavailable",
            Self::TooCostly(_) => "too_costly",
            Self::Internal(_) => "internal",
        }
    }

    /// Seconds for `Retry-After`, where the problem passes by itself.
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::RateLimited { retry_after } | Self::Unavailable { retry_after, .. } => Some(*retry_after),
            _ => None,
        }
    }
}

impl IntoResponse for Problem {
    /// An empty response that carries the problem to the surface's layer.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        if let Some(seconds) = self.retry_after() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if matches!(self, Self::Timeout) {
            // What is still to come of the body is not waited for.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response.extensions_mut().insert(Carried(Arc::new(self)));
        response
    }
}

/// The problem that a response carries, before [`speak`] has written it.
pub fn carried(response: &Response) -> Option<&Problem> {
    response.extensions().get::<Carried>().map(|carried| &*carried.0)
}

#[derive(Clone)]
struct Carried(Arc<Problem>);

/// How a surface writes a problem.
pub trait Dialect: Clone + Send + Sync + 'static {
    /// The response's status and body. The layer adds `Retry-After`.
    fn write(&self, problem: &Problem) -> Response;
}

/// The outermost layer of a surface: gives every problem its published body and logs private causes.
///
/// Mount it with `axum::middleware::from_fn_with_state(dialect, service::problem::speak)`.
pub async fn speak<D: Dialect>(
    axum::extract::State(dialect): axum::extract::State<D>,
    request: Request,
    next: Next,
) -> Response {
    spoken(&dialect, request, async |request| next.run(request).await).await
}

/// What [`speak`] does, around anything that answers a request: a surface with more to do around its routes does it all
/// in one layer, because every layer is paid by every request.
pub async fn spoken(
    dialect: &impl Dialect,
    request: Request,
    answer: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = answer(request).await;
    let Some(problem) = taken(&mut response) else { return response };
    if let Some(cause) = std::error::Error::source(&*problem) {
        let cause = chain(cause);
        // The route and not the path: what a caller wrote does not belong in a log.
        let route = route.as_ref().map_or("none", MatchedPath::as_str);
        tracing::error!(%method, route, status = problem.status().as_u16(), cause, "The request failed.");
    }
    crate::metrics::problem(route.as_ref(), problem.reason());
    let mut written = dialect.write(&problem);
    // What inner layers put on the response (CORS, limits) stays on it.
    for (name, value) in response.headers() {
        if name != header::CONTENT_LENGTH && name != header::CONTENT_TYPE {
            written.headers_mut().entry(name).or_insert_with(|| value.clone());
        }
    }
    written
}

/// The problem that a response is.
fn taken(response: &mut Response) -> Option<Arc<Problem>> {
    if response.status().is_success() {
        return None;
    }
    if let Some(Carried(problem)) = response.extensions_mut().remove::<Carried>() {
        return Some(problem);
    }
    match response.status() {
        // The router's own answer for a path that exists with other methods.
        StatusCode::METHOD_NOT_ALLOWED => Some(Arc::new(Problem::MethodNotAllowed)),
        // What decompresses says it so.
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Some(Arc::new(Problem::UnsupportedEncoding)),
        _ => None,
    }
}

/// An error with all its sources in one line, for the log.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
