//! bitcain's bodies, checked as its document's schema says and refused in pydantic's words: all that is wrong at once.

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use schema::event::{PAGE_VIEW, TYPES};
use serde_json::{Map, Value, json};
use service::Problem;
use service::dialect::bitcain::Detail;

use crate::bounds;
use crate::surfaces::relay::{Relayed, lift_address};
use crate::surfaces::wire::timestamp;

/// The published categories.
const CATEGORIES: [&str; 8] =
    [PAGE_VIEW, DEFAULT_CATEGORY, "trading", "auth", "error", "performance", "feature", "system"];
const DEFAULT_CATEGORY: &str = "user_action";

/// The published priorities.
const PRIORITIES: [&str; 4] = ["low", DEFAULT_PRIORITY, "high", "critical"];
const DEFAULT_PRIORITY: &str = "medium";

/// The published length of an event's name, in characters.
const NAME: (usize, usize) = (1, 100);

/// The published size of a batch.
const BATCH: (usize, usize) = (1, 100);

/// Numbers beyond this are milliseconds, others seconds, as pydantic has it.
const SECONDS: f64 = 2e10;

/// Reads JSON.
pub(super) fn json(body: &[u8]) -> Result<Value, Vec<Detail>> {
    if body.is_empty() {
        return Err(vec![detail(vec!["body".into()], "missing", "Field required", Value::Null, json!({}))]);
    }
    serde_json::from_slice(body).map_err(|error| {
        let place = vec!["body".into(), error.column().into()];
        vec![detail(
            place,
            "json_invalid",
            "JSON decode error",
            json!({}),
            json!({ "error": "Invalid JSON" }),
        )]
    })
}

/// A detail in a sentence.
pub(super) fn told(detail: &Detail) -> String {
    let field = detail.loc.last().map(|part| part.as_str().map_or_else(|| part.to_string(), str::to_owned));
    format!("{}: {}.", field.unwrap_or_default(), detail.msg)
}

/// An event that keeps to the schema. `place`: where it is in the body.
pub(super) fn event(value: Value, place: &[Value], now: i64) -> Result<Relayed, Vec<Detail>> {
    let mut fields = Fields::of(value, place)?;
    let name = fields.required_text("event_name", NAME);
    let category = fields.one_of("category", &CATEGORIES, DEFAULT_CATEGORY);
    let priority = fields.one_of("priority", &PRIORITIES, DEFAULT_PRIORITY);
    let mut properties = fields.object("properties");
    let address = lift_address(&mut properties).unwrap_or_else(|problem| {
        fields.refuse(&problem);
        None
    });
    let time = fields.instant("timestamp", now);
    let session_id = fields.text("session_id", bounds::IDENTIFIER);
    let url = fields.text("page_url", bounds::URL);
    let referrer = fields.text("referrer", bounds::URL);
    // A user agent that is too long is cut, not refused, as everywhere.
    let user_agent = fields.text("user_agent", usize::MAX);
    fields.end()?;
    properties.insert("category".to_owned(), category.clone().into());
    properties.insert("priority".to_owned(), priority.into());
    let name = if category == PAGE_VIEW && !TYPES.contains(&name.as_str()) {
        properties.insert("event_name".to_owned(), name.into());
        PAGE_VIEW.to_owned()
    } else {
        name
    };
    Ok(Relayed {
        name,
        url,
        referrer,
        properties,
        user_agent,
        address,
        session_id,
        time,
        ..Relayed::default()
    })
}

/// A batch, whose events are not checked yet.
pub(super) struct Batch {
    pub(super) events: Vec<Value>,
    pub(super) client_id: Option<String>,
}

/// A batch that keeps to the schema from outside.
pub(super) fn batch(value: Value) -> Result<Batch, Vec<Detail>> {
    let mut fields = Fields::of(value, &["body".into()])?;
    let events = fields.list("events", BATCH);
    let client_id = fields.text("client_id", bounds::IDENTIFIER);
    fields.end()?;
    Ok(Batch { events, client_id })
}

/// The fields of an object, and what is wrong with those that were asked for. A field that is wrong reads as its
/// default, until [`Fields::end`].
struct Fields {
    given: Map<String, Value>,
    place: Vec<Value>,
    wrong: Vec<Detail>,
}

impl Fields {
    fn of(value: Value, place: &[Value]) -> Result<Self, Vec<Detail>> {
        match value {
            Value::Object(given) => Ok(Self { given, place: place.to_vec(), wrong: Vec::new() }),
            other => Err(vec![detail(
                place.to_vec(),
                "model_attributes_type",
                "Input should be a valid dictionary or object to extract fields from",
                other,
                json!({}),
            )]),
        }
    }

    fn end(self) -> Result<(), Vec<Detail>> {
        if self.wrong.is_empty() { Ok(()) } else { Err(self.wrong) }
    }

    fn wrong(&mut self, name: &str, kind: &'static str, msg: impl Into<String>, input: Value, ctx: Value) {
        let mut place = self.place.clone();
        place.push(name.into());
        self.wrong.push(detail(place, kind, msg, input, ctx));
    }

    /// Notes a problem of a field that is checked elsewhere.
    fn refuse(&mut self, problem: &Problem) {
        let mut detail = Detail::of_problem(problem);
        let inner = detail.loc.split_off(1.min(detail.loc.len()));
        detail.loc = self.place.iter().cloned().chain(inner).collect();
        self.wrong.push(detail);
    }

    fn missing(&mut self, name: &str) {
        let input = Value::Object(self.given.clone());
        self.wrong(name, "missing", "Field required", input, json!({}));
    }

    fn required_text(&mut self, name: &str, (least, most): (usize, usize)) -> String {
        let text = match self.given.get(name).cloned() {
            None => {
                self.missing(name);
                return String::new();
            }
            Some(Value::String(text)) => text,
            Some(other) => {
                self.wrong(name, "string_type", "Input should be a valid string", other, json!({}));
                return String::new();
            }
        };
        let length = text.chars().count();
        if length < least {
            let (msg, ctx) = (
                format!("String should have at least {}", counted(least, "character")),
                json!({ "min_length": least }),
            );
            self.wrong(name, "string_too_short", msg, text.clone().into(), ctx);
        } else if length > most {
            self.too_long(name, &text, most);
        }
        text
    }

    fn too_long(&mut self, name: &str, text: &str, most: usize) {
        let msg = format!("String should have at most {}", counted(most, "character"));
        self.wrong(name, "string_too_long", msg, text.into(), json!({ "max_length": most }));
    }

    /// A text or null. An empty one counts as not given. The bound is in bytes, as the stored one is.
    fn text(&mut self, name: &str, most: usize) -> Option<String> {
        match self.given.get(name).cloned() {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => {
                if text.len() > most {
                    self.too_long(name, &text, most);
                }
                Some(text).filter(|text| !text.is_empty())
            }
            Some(other) => {
                self.wrong(name, "string_type", "Input should be a valid string", other, json!({}));
                None
            }
        }
    }

    fn one_of(&mut self, name: &str, values: &[&'static str], default: &'static str) -> String {
        let Some(given) = self.given.get(name).cloned() else { return default.to_owned() };
        if let Some(value) = values.iter().find(|value| given == **value) {
            return (*value).to_owned();
        }
        let quoted: Vec<_> = values.iter().map(|value| format!("'{value}'")).collect();
        let expected = match quoted.split_last() {
            Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
            None => String::new(),
        };
        self.wrong(
            name,
            "enum",
            format!("Input should be {expected}"),
            given,
            json!({ "expected": expected }),
        );
        default.to_owned()
    }

    fn object(&mut self, name: &str) -> Map<String, Value> {
        match self.given.get(name).cloned() {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(object)) => object,
            Some(other) => {
                self.wrong(name, "dict_type", "Input should be a valid dictionary", other, json!({}));
                Map::new()
            }
        }
    }

    fn list(&mut self, name: &str, (least, most): (usize, usize)) -> Vec<Value> {
        let items = match self.given.remove(name) {
            None => {
                self.missing(name);
                return Vec::new();
            }
            Some(Value::Array(items)) => items,
            Some(other) => {
                self.wrong(name, "list_type", "Input should be a valid list", other, json!({}));
                return Vec::new();
            }
        };
        let length = items.len();
        // The items are not sent back: they may be many.
        if length < least {
            let msg = format!(
                "List should have at least {} after validation, not {length}",
                counted(least, "item")
            );
            let ctx = json!({ "field_type": "List", "min_length": least, "actual_length": length });
            self.wrong(name, "too_short", msg, json!([]), ctx);
        } else if length > most {
            let msg =
                format!("List should have at most {} after validation, not {length}", counted(most, "item"));
            let ctx = json!({ "field_type": "List", "max_length": most, "actual_length": length });
            self.wrong(name, "too_long", msg, Value::Null, ctx);
        }
        items
    }

    /// An instant in milliseconds, `now` when none is given: what pydantic takes for a datetime. Without a zone it is UTC.
    fn instant(&mut self, name: &str, now: i64) -> i64 {
        let Some(given) = self.given.get(name).cloned().filter(|given| !given.is_null()) else { return now };
        let millis = match &given {
            Value::String(text) => instant_of_text(text),
            Value::Number(number) => number.as_f64().map(instant_of_number),
            _ => {
                self.wrong(name, "datetime_type", "Input should be a valid datetime", given, json!({}));
                return now;
            }
        };
        let Some(millis) = millis else {
            const ERROR: &str = "expected RFC 3339, or seconds or milliseconds since 1970";
            let msg = format!("Input should be a valid datetime, {ERROR}");
            self.wrong(name, "datetime_parsing", msg, given, json!({ "error": ERROR }));
            return now;
        };
        timestamp(Some(millis.into()), now).unwrap_or_else(|problem| {
            self.refuse(&problem);
            now
        })
    }
}

fn instant_of_text(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.timestamp_millis());
    }
    let naive = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
        .or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0));
    match naive {
        Some(naive) => Some(naive.and_utc().timestamp_millis()),
        None => text.parse().ok().filter(|number: &f64| number.is_finite()).map(instant_of_number),
    }
}

/// What is beyond the numbers of milliseconds becomes the last one, and is refused as such.
fn instant_of_number(number: f64) -> i64 {
    if number.abs() > SECONDS { number as i64 } else { (number * 1000.0).round() as i64 }
}

fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

fn detail(loc: Vec<Value>, kind: &'static str, msg: impl Into<String>, input: Value, ctx: Value) -> Detail {
    let ctx = match ctx {
        Value::Object(ctx) => ctx,
        _ => Map::new(),
    };
    Detail { loc, msg: msg.into(), r#type: kind, input, ctx }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_read_in_every_form_that_fastapi_takes() {
        const NOON: i64 = 1_772_452_800_000;
        for text in [
            "2026-03-02T12:00:00Z",
            "2026-03-02T14:00:00+02:00",
            "2026-03-02T12:00:00",
            "2026-03-02 12:00:00.000",
            "2026-03-02T12:00",
            "1772452800",
            "1772452800000",
        ] {
            assert_eq!(instant_of_text(text), Some(NOON), "{text}");
        }
        assert_eq!(instant_of_text("2026-03-02"), Some(NOON - 12 * 3_600_000));
        assert_eq!((instant_of_number(1_772_452_800.0), instant_of_number(1_772_452_800e3)), (NOON, NOON));
        for text in ["", "yesterday", "2026-13-02T12:00:00Z", "NaN", "inf"] {
            assert_eq!(instant_of_text(text), None, "{text}");
        }
    }
}
