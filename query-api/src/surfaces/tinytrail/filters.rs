//! `filters`: a tree of tests as JSON.
//!
//! `{"and":[…]}`, `{"or":[…]}`, `{"not":…}`, and tests: `{"dimension":"browser","operator":"is","value":"Chrome"}`.

use serde_json::{Map, Value};
use service::Problem;

use crate::report::filter::{Condition, DEEPEST, Filter, MOST_TESTS, Operator, Property};

/// The parameter's name.
const NAME: &str = "filters";

/// Bytes of the parameter: all tests with a path each fit.
const MOST_BYTES: usize = 16 * 1024;

/// Bytes of one value; the longest path is shorter.
const MOST_BYTES_OF_VALUE: usize = 2048;

/// Values of one list.
const MOST_VALUES: usize = 100;

/// One test and one level are kept for what a report itself adds.
const MOST_TESTS_GIVEN: usize = MOST_TESTS - 1;
const DEEPEST_GIVEN: usize = DEEPEST - 1;

/// The dimensions by name.
const DIMENSIONS: [(&str, Property); 16] = [
    ("page", Property::Page),
    ("content_group", Property::ContentGroup),
    ("channel", Property::Channel),
    ("referrer", Property::Referrer),
    ("utm_source", Property::UtmSource),
    ("utm_medium", Property::UtmMedium),
    ("utm_campaign", Property::UtmCampaign),
    ("utm_term", Property::UtmTerm),
    ("utm_content", Property::UtmContent),
    ("device_type", Property::DeviceType),
    ("browser", Property::Browser),
    ("os", Property::Os),
    ("screen", Property::Screen),
    ("country", Property::Country),
    ("region", Property::Region),
    ("city", Property::City),
];

/// The operators by name, as a sentence has them.
const OPERATORS: &str = "is, is_not, contains, starts_with, in";

fn refused(message: impl std::fmt::Display) -> Problem {
    Problem::field(NAME, format!("filters: {message}."))
}

/// Reads the parameter.
pub(super) fn parse(text: &str) -> Result<Condition, Problem> {
    if text.len() > MOST_BYTES {
        return Err(refused(format_args!("at most {MOST_BYTES} bytes are read")));
    }
    let value: Value = serde_json::from_str(text).map_err(|_| refused("it must be JSON"))?;
    let mut tests = 0;
    let condition = condition(&value, DEEPEST_GIVEN, &mut tests)?;
    if tests > MOST_TESTS_GIVEN {
        return Err(refused(format_args!("there are at most {MOST_TESTS_GIVEN} tests")));
    }
    Ok(condition)
}

/// The filter of a condition that was read here, or of it and of what a report adds.
pub(super) fn raise(condition: &Condition) -> Result<Filter, Problem> {
    Filter::new(condition).map_err(refused)
}

fn condition(value: &Value, depth: usize, tests: &mut usize) -> Result<Condition, Problem> {
    let wrong = || {
        refused(
            "each part must be an object: {\"and\":[…]}, {\"or\":[…]}, {\"not\":…} or {\"dimension\":…,\"operator\":…,\"value\":…}",
        )
    };
    let below = depth
        .checked_sub(1)
        .ok_or_else(|| refused(format_args!("it is at most {DEEPEST_GIVEN} levels deep")))?;
    let object = value.as_object().ok_or_else(wrong)?;
    if object.contains_key("dimension") {
        *tests += 1;
        return test(object);
    }
    let mut fields = object.iter();
    let (Some((word, inner)), None) = (fields.next(), fields.next()) else { return Err(wrong()) };
    let mut all = |word: &str| {
        let parts = inner.as_array().filter(|parts| !parts.is_empty());
        let parts =
            parts.ok_or_else(|| refused(format_args!("{word} must have a list that is not empty")))?;
        parts.iter().map(|part| condition(part, below, tests)).collect::<Result<Vec<_>, _>>()
    };
    match word.as_str() {
        "and" => all("and").map(Condition::All),
        "or" => all("or").map(Condition::Any),
        "not" => condition(inner, below, tests).map(|inner| Condition::Not(Box::new(inner))),
        _ => Err(wrong()),
    }
}

fn test(object: &Map<String, Value>) -> Result<Condition, Problem> {
    if let Some(other) = object.keys().find(|key| !["dimension", "operator", "value"].contains(&key.as_str()))
    {
        let name: String = other.chars().take(50).collect();
        return Err(refused(format_args!("a test has no \"{name}\"")));
    }
    let property = object["dimension"]
        .as_str()
        .and_then(|name| DIMENSIONS.iter().find(|(known, _)| *known == name))
        .map(|(_, property)| *property)
        .ok_or_else(|| {
            let names: Vec<_> = DIMENSIONS.iter().map(|(name, _)| *name).collect();
            refused(format_args!("dimension must be one of {}", names.join(", ")))
        })?;
    let value = object.get("value").unwrap_or(&Value::Null);
    let operator = match object.get("operator").and_then(Value::as_str) {
        Some("is") => Operator::Is(text(value)?),
        Some("is_not") => Operator::IsNot(text(value)?),
        Some("contains") => Operator::Contains(text(value)?),
        Some("starts_with") => Operator::StartsWith(text(value)?),
        Some("in") => {
            let values = value.as_array().filter(|values| (1..=MOST_VALUES).contains(&values.len()));
            let values = values
                .ok_or_else(|| refused(format_args!("in must have a list of 1 to {MOST_VALUES} values")))?;
            Operator::In(values.iter().map(text).collect::<Result<_, _>>()?)
        }
        _ => return Err(refused(format_args!("operator must be one of {OPERATORS}"))),
    };
    Ok(Condition::Test(property, operator))
}

fn text(value: &Value) -> Result<String, Problem> {
    let text = value.as_str().filter(|text| text.len() <= MOST_BYTES_OF_VALUE);
    text.map(str::to_owned).ok_or_else(|| {
        refused(format_args!("a value must be a string of at most {MOST_BYTES_OF_VALUE} bytes"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(value: &str) -> Condition {
        Condition::Test(Property::Browser, Operator::Is(value.to_owned()))
    }

    #[test]
    fn a_tree_is_read() {
        let text = r#"{"and":[{"dimension":"browser","operator":"is","value":"a"},
            {"not":{"or":[{"dimension":"page","operator":"in","value":["/","/b"]}]}}]}"#;
        let pages = Condition::Test(Property::Page, Operator::In(vec!["/".into(), "/b".into()]));
        let expected = Condition::All(vec![is("a"), Condition::Not(Box::new(Condition::Any(vec![pages])))]);
        assert_eq!(parse(text).unwrap(), expected);
    }

    #[test]
    fn everything_else_is_refused_by_name() {
        let leaf = r#"{"dimension":"browser","operator":"is","value":"a"}"#;
        let nested = |depth: usize| format!("{}{leaf}{}", r#"{"not":"#.repeat(depth), "}".repeat(depth));
        let many = |count: usize| format!("{{\"or\":[{}]}}", vec![leaf; count].join(","));
        assert!(parse(&nested(DEEPEST_GIVEN - 1)).is_ok());
        assert!(parse(&many(MOST_TESTS_GIVEN)).is_ok());
        let values = vec!["\"x\""; MOST_VALUES + 1].join(",");
        for text in [
            String::new(),
            "browser".into(),
            "[]".into(),
            "null".into(),
            "{}".into(),
            r#"{"and":[]}"#.into(),
            r#"{"and":{}}"#.into(),
            r#"{"xor":[]}"#.into(),
            format!(r#"{{"and":[{leaf}],"or":[{leaf}]}}"#),
            r#"{"dimension":"visitor_id","operator":"is","value":"1"}"#.into(),
            r#"{"dimension":"browser","operator":"matches","value":"1"}"#.into(),
            r#"{"dimension":"browser","operator":"is"}"#.into(),
            r#"{"dimension":"browser","operator":"is","value":1}"#.into(),
            r#"{"dimension":"browser","operator":"in","value":[]}"#.into(),
            r#"{"dimension":"browser","operator":"in","value":"a"}"#.into(),
            r#"{"dimension":"browser","operator":"is","value":"a","x":1}"#.into(),
            format!(r#"{{"dimension":"browser","operator":"in","value":[{values}]}}"#),
            format!(r#"{{"dimension":"browser","operator":"is","value":"{}"}}"#, "x".repeat(2049)),
            nested(DEEPEST_GIVEN),
            nested(1000),
            many(MOST_TESTS_GIVEN + 1),
            " ".repeat(MOST_BYTES + 1),
        ] {
            match parse(&text) {
                Err(Problem::Invalid { field: Some(field), message }) => {
                    assert_eq!(field, NAME);
                    assert!(message.starts_with("filters: "), "{message}");
                }
                other => panic!("{text} was not refused: {other:?}"),
            }
        }
    }
}
