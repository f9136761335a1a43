//! Why the directory did not do as asked.

use std::borrow::Cow;

use clickhouse::error::Error as StoreError;
use service::Problem;
use thiserror::Error;

/// Seconds after which it is worth asking again when the store is away.
const RETRY_AFTER: u64 = 2;

/// Why the directory did not do as asked.
#[derive(Debug, Error)]
pub enum DirectoryError {
    /// A value is missing, too large or not of its kind.
    #[error("{message}")]
    Invalid {
        /// The value's name: `domain`, `content_groups`, `excluded_ips`, `timezone`, `account_id`, `name`,
        /// `role`, `email`, or an environment variable's.
        field: &'static str,
        /// What is wrong, for the caller's eyes; names the field.
        message: Cow<'static, str>,
    },
    /// The account has a website for the domain already.
    #[error("domain: this account already has a website for this domain.")]
    Duplicate,
    /// There is no such user or website.
    #[error("{0} not found.")]
    NotFound(&'static str),
    /// The store did not answer, or not with what the tables should hold.
    #[error("the directory's tables could not be read or written")]
    Store(#[from] StoreError),
    /// A key's stored copy does not open.
    #[error("the key's stored copy does not open; it was sealed under another master key")]
    Sealed,
    /// No key's stored copy opens: this process was given another master key than those before it.
    #[error(
        "FOOTFALL_MASTER_KEY (or the master.key of the data folder) is not the key that this database was made with; \
         start with that one"
    )]
    OtherMasterKey,
    /// The system gave no random bits.
    #[error("no random bits for a key")]
    Random(#[source] std::io::Error),
    /// A write panicked or the process is ending; whether it took place is unknown.
    #[error("the write was interrupted")]
    Interrupted(#[source] tokio::task::JoinError),
}

impl DirectoryError {
    pub(crate) fn invalid(field: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::Invalid { field, message: message.into() }
    }
}

impl From<DirectoryError> for Problem {
    fn from(error: DirectoryError) -> Self {
        match error {
            DirectoryError::Invalid { field, message } => Self::field(field, message),
            DirectoryError::Duplicate => Self::field("domain", DirectoryError::Duplicate.to_string()),
            DirectoryError::NotFound(what) => Self::NotFound(what),
            DirectoryError::Store(StoreError::Network(_) | StoreError::TimedOut) => {
                Self::Unavailable { retry_after: RETRY_AFTER, cause: Some(Box::new(error)) }
            }
            error => Self::internal(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_caller_did_wrong_names_the_field() {
        let problem = Problem::from(DirectoryError::invalid("timezone", "timezone is wrong."));
        assert!(matches!(problem, Problem::Invalid { field: Some(field), .. } if field == "timezone"));
        let problem = Problem::from(DirectoryError::Duplicate);
        assert!(matches!(problem, Problem::Invalid { field: Some(field), .. } if field == "domain"));
        assert!(matches!(Problem::from(DirectoryError::NotFound("User")), Problem::NotFound("User")));
    }

    #[test]
    fn a_store_that_is_away_passes_and_one_that_talks_nonsense_does_not() {
        let away = Problem::from(DirectoryError::Store(StoreError::TimedOut));
        assert_eq!(away.retry_after(), Some(RETRY_AFTER));
        let nonsense = Problem::from(DirectoryError::Store(StoreError::NotEnoughData));
        assert!(matches!(nonsense, Problem::Internal(_)));
    }
}
