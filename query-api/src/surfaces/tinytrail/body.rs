//! JSON bodies, field by field: what is of the wrong type is refused by name. Unknown fields are not looked at, and
//! `null` is as good as nothing.

use serde::Deserialize;
use serde_json::{Map, Value};
use service::Problem;
use uuid::Uuid;

/// The fields of a JSON object.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A string.
    pub(super) fn text(&self, name: &'static str) -> Result<Option<String>, Problem> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(Problem::field(name, format!("{name} must be a string."))),
        }
    }

    /// A string that must be there.
    pub(super) fn required_text(&self, name: &'static str) -> Result<String, Problem> {
        self.text(name)?.ok_or_else(|| Problem::field(name, format!("{name} is required.")))
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self, name: &'static str) -> Result<Option<bool>, Problem> {
        let wrong = || Problem::field(name, format!("{name} must be true or false."));
        self.get(name).map(|value| value.as_bool().ok_or_else(wrong)).transpose()
    }

    /// A whole number, not negative.
    pub(super) fn whole(&self, name: &'static str) -> Result<Option<u64>, Problem> {
        let wrong = || Problem::field(name, format!("{name} must be a whole number."));
        self.get(name).map(|value| value.as_u64().ok_or_else(wrong)).transpose()
    }

    /// A UUID.
    pub(super) fn uuid(&self, name: &'static str) -> Result<Option<Uuid>, Problem> {
        let parse = |text: String| {
            Uuid::try_parse(&text).map_err(|_| Problem::field(name, format!("{name} must be a UUID.")))
        };
        self.text(name)?.map(parse).transpose()
    }

    /// An array of strings.
    pub(super) fn texts(&self, name: &'static str) -> Result<Option<Vec<String>>, Problem> {
        let wrong = || Problem::field(name, format!("{name} must be an array of strings."));
        let text = |value: &Value| value.as_str().map(str::to_owned).ok_or_else(wrong);
        self.get(name).map(|value| value.as_array().ok_or_else(wrong)?.iter().map(text).collect()).transpose()
    }

    /// An array of objects with two strings each.
    pub(super) fn pairs(
        &self,
        name: &'static str,
        [first, second]: [&str; 2],
    ) -> Result<Option<Vec<(String, String)>>, Problem> {
        let wrong = || {
            Problem::field(
                name,
                format!("{name} must be an array of {{{first}, {second}}} objects of strings."),
            )
        };
        let pair = |value: &Value| {
            let text = |key| value.get(key).and_then(Value::as_str).map(str::to_owned).ok_or_else(wrong);
            Ok((text(first)?, text(second)?))
        };
        self.get(name).map(|value| value.as_array().ok_or_else(wrong)?.iter().map(pair).collect()).transpose()
    }
}
