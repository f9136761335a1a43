//! The published APIs: each parses its own parameters, asks the core, and judges the counts in its own words.
//!
//! A surface holds no SQL and names no column. What all of them need stands here:
//!
//! * [`numbers`]: exact rates, rounding half away from zero,
//! * [`tinytrail`]: the TinyTrail API.

pub mod numbers;
pub mod tinytrail;

use service::Problem;

use crate::report::ReportError;

/// Seconds after which a store that does not answer is worth asking again.
const RETRY_AFTER: u64 = 5;

/// A report's error, as a problem of the caller.
fn problem(error: ReportError) -> Problem {
    match error {
        ReportError::TooCostly(cause) => Problem::TooCostly(Box::new(cause)),
        ReportError::Unavailable(cause) => {
            Problem::Unavailable { retry_after: RETRY_AFTER, cause: Some(Box::new(cause)) }
        }
        ReportError::Refused(cause) => Problem::internal(cause),
        ReportError::Unanswerable => Problem::internal(error),
    }
}
