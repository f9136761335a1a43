//! Which names, domains and time zones are taken. Every refusal says what would be taken instead.

use chrono_tz::Tz;

use crate::bounds;
use crate::error::DirectoryError;

/// A host name in lower case: labels of letters, digits and hyphens between dots. `localhost` is one.
pub(crate) fn domain(text: &str) -> Result<String, DirectoryError> {
    let refuse = |message: String| Err(DirectoryError::invalid("domain", message));
    let domain = text.trim().to_ascii_lowercase();
    if domain.is_empty() || domain.chars().count() > bounds::DOMAIN {
        return refuse(format!("domain must have 1 to {} characters.", bounds::DOMAIN));
    }
    for (mark, what) in [("://", "scheme"), ("/", "path"), (":", "port")] {
        if domain.contains(mark) {
            return refuse(format!("domain must be a host name such as example.com, without a {what}."));
        }
    }
    if !domain.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.')) {
        return refuse(
            "domain must consist of letters, digits, hyphens and dots; write other letters in Punycode (xn--…)."
                .into(),
        );
    }
    if domain.split('.').any(|label| label.is_empty() || label.starts_with('-') || label.ends_with('-')) {
        return refuse(
            "domain must have a name between its dots that neither begins nor ends with a hyphen.".into(),
        );
    }
    Ok(domain)
}

/// A time zone by its IANA name; UTC when none is given.
pub(crate) fn timezone(name: Option<&str>) -> Result<Tz, DirectoryError> {
    name.map_or(Ok(Tz::UTC), |name| {
        name.trim().parse().map_err(|_| {
            DirectoryError::invalid("timezone", "timezone must be an IANA name such as Europe/Helsinki.")
        })
    })
}

/// Days that are kept; none: all, which is stored as 0.
pub(crate) fn retention_days(days: Option<u64>) -> Result<u16, DirectoryError> {
    let Some(days) = days else { return Ok(0) };
    match u16::try_from(days) {
        Ok(days) if (1..=bounds::RETENTION_DAYS).contains(&days) => Ok(days),
        _ => {
            let message = format!("retention_days must be 1 to {} days.", bounds::RETENTION_DAYS);
            Err(DirectoryError::invalid("retention_days", message))
        }
    }
}

/// An account's name.
pub(crate) fn account_name(text: &str) -> Result<String, DirectoryError> {
    let name = label("name", text, bounds::ACCOUNT_NAME)?;
    if name.is_empty() {
        return Err(DirectoryError::invalid("name", "name must not be empty."));
    }
    Ok(name)
}

/// A user's e-mail address, which is a label and may be empty.
pub(crate) fn email(text: &str) -> Result<String, DirectoryError> {
    label("email", text, bounds::EMAIL)
}

fn label(field: &'static str, text: &str, most: usize) -> Result<String, DirectoryError> {
    let text = text.trim();
    if text.chars().count() > most {
        return Err(DirectoryError::invalid(field, format!("{field} must have at most {most} characters.")));
    }
    if text.chars().any(char::is_control) {
        return Err(DirectoryError::invalid(field, format!("{field} must not have control characters.")));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_a_host_name_in_lower_case() {
        assert_eq!(domain(" Example.COM ").unwrap(), "example.com");
        for text in ["localhost", "a-b.example", "xn--bcher-kva.example", "1.2.3.4", "a"] {
            assert_eq!(domain(text).unwrap(), text);
        }
        assert!(domain(&"a".repeat(255)).is_ok());
        assert!(domain(&"a".repeat(256)).is_err());
    }

    #[test]
    fn a_refused_domain_is_told_what_is_wrong_with_it() {
        for (text, hint) in [
            ("https://example.com", "scheme"),
            ("example.com/blog", "path"),
            ("example.com:8080", "port"),
            ("", "1 to 255"),
            ("exa mple.com", "letters, digits"),
            ("bücher.example", "Punycode"),
            ("under_score.example", "letters, digits"),
            ("example..com", "between its dots"),
            (".example.com", "between its dots"),
            ("example.com.", "between its dots"),
            ("-.com", "hyphen"),
        ] {
            let error = domain(text).unwrap_err();
            assert!(error.to_string().contains(hint), "{text}: {error}");
            assert!(matches!(error, DirectoryError::Invalid { field: "domain", .. }));
        }
    }

    #[test]
    fn a_time_zone_has_an_iana_name() {
        assert_eq!(timezone(None).unwrap(), Tz::UTC);
        assert_eq!(timezone(Some("Asia/Kolkata")).unwrap(), Tz::Asia__Kolkata);
        for name in ["", "Mars/Olympus", "+02:00"] {
            assert!(timezone(Some(name)).is_err(), "{name}");
        }
    }

    #[test]
    fn days_are_kept_for_a_day_to_a_century_or_for_ever() {
        assert_eq!(retention_days(None).unwrap(), 0);
        assert_eq!(retention_days(Some(1)).unwrap(), 1);
        assert_eq!(retention_days(Some(36_525)).unwrap(), 36_525);
        for days in [0, 36_526, u64::MAX] {
            assert!(retention_days(Some(days)).is_err(), "{days}");
        }
    }

    #[test]
    fn labels_are_short_and_printable() {
        assert_eq!(account_name(" Acme Corp ").unwrap(), "Acme Corp");
        assert!(account_name("  ").is_err());
        assert!(account_name(&"a".repeat(256)).is_err());
        assert!(account_name("a\u{0}b").is_err());
        assert_eq!(email("").unwrap(), "");
        assert!(email(&"a".repeat(256)).is_err());
    }
}
