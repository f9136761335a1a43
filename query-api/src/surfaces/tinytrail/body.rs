//! JSON bodies, field by field: what is of the wrong type is refused by name. Unknown fields are not looked at, and
//! `null` is as good as nothing. And the ids in paths.

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use serde::Deserialize;
use serde_json::{Map, Value};
use service::Problem;
use uuid::Uuid;

/// The `id` in a path.
pub(super) struct Id(pub(super) Uuid);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = Path::<String>::from_request_parts(parts, state).await;
        let id = text.ok().and_then(|Path(text)| Uuid::try_parse(&text).ok());
        id.map(Self).ok_or_else(|| Problem::field("id", "id must be a UUID."))
    }
}

/// The `id` and the `erasure` in a path.
pub(super) struct ErasureId(pub(super) Uuid, pub(super) Uuid);

impl<S: Send + Sync> FromRequestParts<S> for ErasureId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let wrong = |name| Problem::field(name, format!("{name} must be a UUID."));
        let texts = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((id, erasure)) = texts.map_err(|_| wrong("id"))?;
        let id = Uuid::try_parse(&id).map_err(|_| wrong("id"))?;
        Ok(Self(id, Uuid::try_parse(&erasure).map_err(|_| wrong("erasure"))?))
    }
}

/// The fields of a JSON object.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// Those of some names that are given.
    pub(super) fn among(&self, names: &[&'static str]) -> Vec<&'static str> {
        names.iter().copied().filter(|name| self.get(name).is_some()).collect()
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

    /// A UUID that must be there.
    pub(super) fn required_uuid(&self, name: &'static str) -> Result<Uuid, Problem> {
        self.uuid(name)?.ok_or_else(|| Problem::field(name, format!("{name} is required.")))
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
