//! Bodies as they were before they were compressed.

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header;
use service::Problem;
use tower::{ServiceExt as _, service_fn};
use tower_http::decompression::RequestDecompression;

/// Answers a request whose body may be compressed. 415 where it cannot be read, without a problem's body.
///
/// Browsers compress nothing, so a body that says nothing of itself passes as it is.
pub(super) async fn unpacked(request: Request, next: Next) -> Response {
    if !request.headers().contains_key(header::CONTENT_ENCODING) {
        return next.run(request).await;
    }
    let inside = service_fn(|request: http::Request<_>| {
        let next = next.clone();
        async { Ok::<_, std::convert::Infallible>(next.run(request.map(Body::new)).await) }
    });
    match RequestDecompression::new(inside).oneshot(request).await {
        Ok(response) => response.map(Body::new),
        Err(error) => Problem::internal(error).into_response(),
    }
}
