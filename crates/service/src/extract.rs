//! Bodies with bounds: read whole, at most so many bytes in so much time, refused in the surface's words.

use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequest, Request};
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// A request's body of at most `LIMIT` bytes, whatever its content type.
pub struct Bounded<const LIMIT: usize>(pub Bytes);

/// A JSON body of at most `LIMIT` bytes. The content type is not asked: what parses is JSON.
pub struct Json<T, const LIMIT: usize>(pub T);

impl<S: Send + Sync, const LIMIT: usize> FromRequest<S> for Bounded<LIMIT> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        read_body(request.into_body(), LIMIT).await.map(Self)
    }
}

impl<T: DeserializeOwned, S: Send + Sync, const LIMIT: usize> FromRequest<S> for Json<T, LIMIT> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let body = read_body(request.into_body(), LIMIT).await?;
        parse_json(&body).map(Self)
    }
}

/// How long a body that is read whole may take: kilobytes, also over a bad line.
pub const BODY_TIME: Duration = Duration::from_secs(30);

/// Reads a body of at most `limit` bytes, within [`BODY_TIME`].
pub async fn read_body(body: Body, limit: usize) -> Result<Bytes, Problem> {
    read_body_within(body, limit, BODY_TIME).await
}

/// Reads a body of at most `limit` bytes; the last of them comes within `time`.
pub async fn read_body_within(body: Body, limit: usize, time: Duration) -> Result<Bytes, Problem> {
    let read = tokio::time::timeout(time, to_bytes(body, limit)).await.map_err(|_| Problem::Timeout)?;
    read.map_err(|error| {
        let mut cause: Option<&dyn std::error::Error> = Some(&error);
        while let Some(error) = cause {
            if error.is::<http_body_util::LengthLimitError>() {
                return Problem::TooLarge { limit };
            }
            cause = error.source();
        }
        Problem::body("The body could not be read.")
    })
}

/// Parses JSON; the refusal names the field that is wrong, and quotes neither texts of the caller nor anything of ours.
pub fn parse_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    // serde would also read an array, field by field in the order of the struct; nobody publishes that.
    if body.trim_ascii_start().first() == Some(&b'[') {
        return Err(Problem::body("The body must be a JSON object."));
    }
    // The second reading, which follows the fields, is paid only by bodies that are refused.
    serde_json::from_slice(body).map_err(|error| explain::<T>(body, &error))
}

fn explain<T: DeserializeOwned>(body: &[u8], error: &serde_json::Error) -> Problem {
    use serde_json::error::Category;

    match error.classify() {
        Category::Eof => Problem::body("The body is not complete JSON."),
        Category::Syntax | Category::Io => Problem::body(format!("Malformed JSON: {error}.")),
        Category::Data => {
            let reader = &mut serde_json::Deserializer::from_slice(body);
            let Err(error) = serde_path_to_error::deserialize::<_, T>(reader) else {
                return Problem::body("The body is not as documented.");
            };
            let path = error.path().to_string();
            let what = error.into_inner().to_string();
            let what = unquoted(what.rsplit_once(" at line ").map_or(what.as_str(), |(what, _)| what));
            if path == "." {
                return Problem::body(format!("Invalid body: {what}."));
            }
            Problem::Invalid {
                message: format!("Invalid `{path}`: {what}.").into(),
                field: Some(path.into()),
            }
        }
    }
}

/// serde's sentence without the text that it quotes: `invalid type: string "x", expected u8`. It quotes one at most,
/// and what it expects stands last.
fn unquoted(what: &str) -> String {
    match (what.find(" \""), what.rfind('"')) {
        (Some(open), Some(close)) if close > open + 1 => format!("{}{}", &what[..open], &what[close + 1..]),
        _ => what.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct Sample {
        #[allow(dead_code)]
        screen: Option<Vec<u8>>,
    }

    #[test]
    fn a_wrong_type_is_refused_by_its_field() {
        let problem = parse_json::<Sample>(br#"{"screen":[1,"x"]}"#).unwrap_err();
        assert_eq!(problem.to_string(), "Invalid `screen[1]`: invalid type: string, expected u8.");
        for text in ["203.0.113.7", r#"\", expected \""#, "a at line 1", ""] {
            let body = format!(r#"{{"screen":[1,"{text}"]}}"#);
            assert_eq!(parse_json::<Sample>(body.as_bytes()).unwrap_err().to_string(), problem.to_string());
        }
    }

    #[test]
    fn what_is_no_json_is_refused_as_a_whole() {
        for body in [&b"{"[..], b"", b"[1]", b"\xff", b"{\"screen\":}"] {
            assert!(
                matches!(parse_json::<Sample>(body), Err(Problem::Invalid { field: None, .. })),
                "{body:?}"
            );
        }
    }
}
