//! A line of an access log in the combined format of Apache and nginx:
//! `host ident user [time] "request" status bytes "referer" "user agent"`.
//! Source: "Combined Log Format" of the Apache HTTP Server's documentation.

use chrono::DateTime;
use serde_json::{Value, json};

/// What a line is.
#[derive(Debug, PartialEq)]
pub enum Line {
    /// A view of a page, as an event of the import; with its time in milliseconds.
    PageView(i64, Value),
    /// Something else than a view of a page; the reason is counted.
    Skipped(&'static str),
    /// Not a line of this format; the reason is counted.
    Refused(&'static str),
}

/// Reads a line. Page requests (GET, status 2xx or 3xx, not an asset) become page views of `domain`.
pub fn read(line: &str, domain: &str) -> Line {
    let Some(fields) = Fields::read(line) else { return Line::Refused("not a combined log line") };
    let Ok(time) = DateTime::parse_from_str(fields.time, "%d/%b/%Y:%H:%M:%S %z") else {
        return Line::Refused("unreadable time");
    };
    let Ok(status) = fields.status.parse::<u16>() else { return Line::Refused("unreadable status") };
    let mut request = fields.request.split(' ');
    let (Some(method), Some(target)) = (request.next(), request.next()) else {
        return Line::Refused("unreadable request");
    };
    if method != "GET" {
        return Line::Skipped("not a GET request");
    }
    if !(200..400).contains(&status) {
        return Line::Skipped("status is not 2xx or 3xx");
    }
    // A proxy's log has whole URLs; the path is what counts.
    let target = match target.split_once("://") {
        Some((_, rest)) if !target.starts_with('/') => rest.find('/').map_or("/", |at| &rest[at..]),
        _ => target,
    };
    if !target.starts_with('/') {
        return Line::Refused("unreadable request");
    }
    let path = target.split(['?', '#']).next().unwrap_or_default();
    if dictionaries::is_asset(path) {
        return Line::Skipped("asset");
    }
    let mut event = json!({
        "event_type": "page_view",
        "timestamp": time.timestamp_millis(),
        "url": format!("https://{domain}{target}"),
        "path": path,
        "ip": fields.host,
    });
    if let Some(event) = event.as_object_mut() {
        for (name, value) in [("referrer", &fields.referrer), ("user_agent", &fields.user_agent)] {
            if value != "-" && !value.is_empty() {
                event.insert(name.to_owned(), Value::String(value.clone()));
            }
        }
    }
    Line::PageView(time.timestamp_millis(), event)
}

struct Fields<'a> {
    host: &'a str,
    time: &'a str,
    request: String,
    status: &'a str,
    referrer: String,
    user_agent: String,
}

impl<'a> Fields<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let (host, rest) = line.split_once(' ')?;
        // The identity and the user may not hold a bracket, so the first one opens the time.
        let (_, rest) = rest.split_once('[')?;
        let (time, rest) = rest.split_once("] ")?;
        let (request, rest) = quoted(rest)?;
        let (status, rest) = rest.trim_start().split_once(' ')?;
        let (_bytes, rest) = rest.split_once(' ')?;
        let (referrer, rest) = quoted(rest)?;
        let (user_agent, _) = quoted(rest.trim_start())?;
        Some(Self { host, time, request, status, referrer, user_agent })
    }
}

/// A quoted text at the beginning, un-escaped, and what follows. Apache escapes quotes and backslashes with a
/// backslash, and unprintable bytes as `\xhh`; nginx writes all three as `\xHH`.
fn quoted(text: &str) -> Option<(String, &str)> {
    let text = text.strip_prefix('"')?;
    let mut bytes = Vec::new();
    let mut at = 0;
    let source = text.as_bytes();
    loop {
        match source.get(at)? {
            b'"' => return Some((String::from_utf8_lossy(&bytes).into_owned(), &text[at + 1..])),
            b'\\' => {
                let hex = source.get(at + 2..at + 4).and_then(|hex| std::str::from_utf8(hex).ok());
                let coded = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
                match (source.get(at + 1)?, coded) {
                    (b'x', Some(byte)) => {
                        bytes.push(byte);
                        at += 4;
                    }
                    (b't', _) => {
                        bytes.push(b'\t');
                        at += 2;
                    }
                    (b'n', _) => {
                        bytes.push(b'\n');
                        at += 2;
                    }
                    (other, _) => {
                        bytes.push(*other);
                        at += 2;
                    }
                }
            }
            byte => {
                bytes.push(*byte);
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"203.0.113.9 - frank [17/May/2015:10:05:03 +0200] "GET /a/b?x=1 HTTP/1.1" 200 2326 "https://t.co/x" "Mozilla/5.0 (X11)""#;

    fn page_view(line: &str) -> Value {
        match read(line, "example.com") {
            Line::PageView(_, event) => event,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_page_request_is_a_page_view() {
        assert_eq!(
            page_view(LINE),
            json!({
                "event_type": "page_view", "timestamp": 1_431_849_903_000_i64, "ip": "203.0.113.9",
                "url": "https://example.com/a/b?x=1", "path": "/a/b",
                "referrer": "https://t.co/x", "user_agent": "Mozilla/5.0 (X11)",
            })
        );
    }

    #[test]
    fn a_dash_is_nothing() {
        let event = page_view(&LINE.replace("https://t.co/x", "-").replace("Mozilla/5.0 (X11)", "-"));
        assert!(event.get("referrer").is_none() && event.get("user_agent").is_none());
    }

    #[test]
    fn escapes_are_undone() {
        let event = page_view(&LINE.replace("Mozilla/5.0 (X11)", r#"a \"b\" \x41\\ \xC3\xA4"#));
        assert_eq!(event["user_agent"], r#"a "b" A\ ä"#);
    }

    #[test]
    fn what_is_no_page_view_is_skipped_with_a_reason() {
        for (from, to, reason) in [
            ("GET", "POST", "not a GET request"),
            (" 200 ", " 404 ", "status is not 2xx or 3xx"),
            ("/a/b?x=1", "/style.css?v=2", "asset"),
        ] {
            assert_eq!(read(&LINE.replace(from, to), "example.com"), Line::Skipped(reason));
        }
    }

    #[test]
    fn what_is_no_line_is_refused_with_a_reason() {
        for line in [
            "",
            "nonsense",
            "\u{fffd}\" [",
            &LINE.replace("17/May", "17/Foo"),
            &LINE.replace("GET /a/b?x=1 HTTP/1.1", "-"),
            &LINE[..60],
        ] {
            assert!(matches!(read(line, "example.com"), Line::Refused(_)), "{line}");
        }
    }
}
