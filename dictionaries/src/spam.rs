//! Referrer spam: hosts that send made-up visits so that their name is read in a report.

use std::sync::LazyLock;

use crate::hosts::Hosts;
use crate::rows::rows;

static SPAM: LazyLock<Hosts<()>> =
    LazyLock::new(|| Hosts::new(rows(include_str!("../data/spam_referrers.txt")).map(|[host]| (host, ()))));

/// Whether a referrer's host, or a parent domain of it, is known to advertise itself with made-up visits.
pub fn is_spam_referrer(host: &str) -> bool {
    SPAM.find(host).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_spammers_and_their_subdomains_are_spam() {
        assert!(is_spam_referrer("semalt.com"));
        assert!(is_spam_referrer("78.Semalt.com"));
        assert!(is_spam_referrer("buttons-for-website.com"));
    }

    #[test]
    fn others_are_not() {
        for host in ["", "google.com", "notsemalt.com", "semalt.com.example", "example"] {
            assert!(!is_spam_referrer(host), "{host}");
        }
    }
}
