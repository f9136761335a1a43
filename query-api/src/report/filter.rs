//! Filters: a tree of tests of properties, raised once to static SQL and the values that travel beside it.
//!
//! **What a filter means.** It is a condition on rows. An event is in the scope when its row passes. A session is in the
//! scope when its stamped facts pass; where the filter names a property that differs within a session (its page), when
//! one of the session's page views passes. So a narrower filter never finds more of anything, and "not this page"
//! finds the sessions that viewed another one.

use clickhouse::query::Query;
use thiserror::Error;

use crate::report::cache::text_bytes;

/// What can be tested: one closed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Property {
    /// The event's page.
    Page,
    /// The content group of the event's page; empty when it has none.
    ContentGroup,
    /// The name of a custom event. Sessions are never found by it: page views have none.
    EventName,
    /// How the session was found.
    Channel,
    /// The session's referring domain; empty when there was none.
    Referrer,
    /// The session's `utm_source`.
    UtmSource,
    /// The session's `utm_medium`.
    UtmMedium,
    /// The session's `utm_campaign`.
    UtmCampaign,
    /// The session's `utm_term`.
    UtmTerm,
    /// The session's `utm_content`.
    UtmContent,
    /// The session's type of device.
    DeviceType,
    /// The session's browser.
    Browser,
    /// The session's operating system.
    Os,
    /// The bucket of the session's width of screen.
    Screen,
    /// The session's country: ISO 3166-1 alpha-2, empty when unknown.
    Country,
    /// The session's region.
    Region,
    /// The session's city.
    City,
}

impl Property {
    fn column(self) -> &'static str {
        match self {
            Self::Page => "path",
            Self::ContentGroup => "content_group",
            Self::EventName => "event_name",
            Self::Channel => "channel",
            Self::Referrer => "referrer",
            Self::UtmSource => "utm_source",
            Self::UtmMedium => "utm_medium",
            Self::UtmCampaign => "utm_campaign",
            Self::UtmTerm => "utm_term",
            Self::UtmContent => "utm_content",
            Self::DeviceType => "device_type",
            Self::Browser => "browser",
            Self::Os => "os",
            Self::Screen => "screen",
            Self::Country => "country",
            Self::Region => "region",
            Self::City => "city",
        }
    }

    /// Whether it may differ from one event of a session to the next.
    pub fn is_of_events(self) -> bool {
        matches!(self, Self::Page | Self::ContentGroup | Self::EventName)
    }
}

/// How a property is tested. Texts are compared by their bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operator {
    /// It is this text.
    Is(String),
    /// It is any other text.
    IsNot(String),
    /// This text is a part of it.
    Contains(String),
    /// It begins with this text.
    StartsWith(String),
    /// It is one of these texts.
    In(Vec<String>),
}

/// A tree of tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// All of them hold; of none, always.
    All(Vec<Condition>),
    /// One of them holds; of none, never.
    Any(Vec<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
    /// A test.
    Test(Property, Operator),
}

/// How many tests a filter may have: as many as there are parameters.
pub const MOST_TESTS: usize = PARAMETERS.len();

/// How deep a filter may be. The tree is walked by recursion.
pub const DEEPEST: usize = 8;

/// A parameter's name, and how a query's text names it as a text and as a list.
struct Parameter {
    name: &'static str,
    text: &'static str,
    list: &'static str,
}

macro_rules! parameters {
    ($($number:literal)*) => {
        [$(Parameter {
            name: concat!("p", $number),
            text: concat!("{p", $number, ":String}"),
            list: concat!("{p", $number, ":Array(String)}"),
        }),*]
    };
}

const PARAMETERS: [Parameter; 32] =
    parameters!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);

/// Why a condition is no filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FilterError {
    /// It has more than [`MOST_TESTS`] tests.
    #[error("a filter has at most {MOST_TESTS} tests")]
    TooManyTests,
    /// It is deeper than [`DEEPEST`].
    #[error("a filter is at most {DEEPEST} levels deep")]
    TooDeep,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Value {
    Text(String),
    List(Vec<String>),
}

/// A condition that can be asked: static SQL and, beside it, the caller's texts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Filter {
    text: Vec<&'static str>,
    values: Vec<Value>,
    properties: Vec<Property>,
}

impl Filter {
    /// Raises a condition.
    pub fn new(condition: &Condition) -> Result<Self, FilterError> {
        let mut filter = Self { text: Vec::new(), values: Vec::new(), properties: Vec::new() };
        filter.push(condition, DEEPEST)?;
        Ok(filter)
    }

    /// The properties that it tests.
    pub fn properties(&self) -> &[Property] {
        &self.properties
    }

    /// The condition over a row of `events`, or of any table with the columns of the filter's properties.
    pub(crate) fn text(&self) -> &[&'static str] {
        &self.text
    }

    /// Gives the query the filter's values.
    pub(crate) fn bind(&self, query: Query) -> Query {
        self.values.iter().zip(&PARAMETERS).fold(query, |query, (value, parameter)| match value {
            Value::Text(text) => query.param(parameter.name, text),
            Value::List(list) => query.param(parameter.name, list),
        })
    }

    /// The bytes that it takes beside its fixed size.
    pub(crate) fn bytes(&self) -> u64 {
        let value = |value: &Value| match value {
            Value::Text(text) => text_bytes(text),
            Value::List(list) => list.iter().map(|text| text_bytes(text)).sum(),
        };
        let parts = self.text.len() * size_of::<&str>() + self.properties.len() * size_of::<Property>();
        parts as u64 + self.values.iter().map(value).sum::<u64>()
    }

    fn push(&mut self, condition: &Condition, depth: usize) -> Result<(), FilterError> {
        let below = depth.checked_sub(1).ok_or(FilterError::TooDeep)?;
        match condition {
            Condition::All(conditions) => self.join("true", " AND ", conditions, below),
            Condition::Any(conditions) => self.join("false", " OR ", conditions, below),
            Condition::Not(condition) => {
                self.text.push("NOT (");
                self.push(condition, below)?;
                self.text.push(")");
                Ok(())
            }
            Condition::Test(property, operator) => self.test(*property, operator),
        }
    }

    fn join(
        &mut self,
        of_none: &'static str,
        between: &'static str,
        conditions: &[Condition],
        depth: usize,
    ) -> Result<(), FilterError> {
        self.text.push("(");
        self.text.push(of_none);
        // "true AND a AND b": the first word is also what an empty list means.
        for condition in conditions {
            self.text.push(between);
            self.push(condition, depth)?;
        }
        self.text.push(")");
        Ok(())
    }

    fn test(&mut self, property: Property, operator: &Operator) -> Result<(), FilterError> {
        let parameter = PARAMETERS.get(self.values.len()).ok_or(FilterError::TooManyTests)?;
        let column = property.column();
        let (text, value) = match operator {
            Operator::Is(value) => ([column, " = ", parameter.text, ""], Value::Text(value.clone())),
            Operator::IsNot(value) => ([column, " != ", parameter.text, ""], Value::Text(value.clone())),
            Operator::Contains(value) => {
                self.text.push("position(");
                ([column, ", ", parameter.text, ") > 0"], Value::Text(value.clone()))
            }
            Operator::StartsWith(value) => {
                self.text.push("startsWith(");
                ([column, ", ", parameter.text, ")"], Value::Text(value.clone()))
            }
            Operator::In(values) => ([column, " IN (", parameter.list, ")"], Value::List(values.clone())),
        };
        self.text.extend(text);
        self.values.push(value);
        self.properties.push(property);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(property: Property, value: &str) -> Condition {
        Condition::Test(property, Operator::Is(value.to_owned()))
    }

    #[test]
    fn a_tree_becomes_static_text_with_numbered_parameters() {
        let filter = Filter::new(&Condition::All(vec![
            is(Property::Channel, "'; DROP TABLE events --"),
            Condition::Not(Box::new(Condition::Any(vec![
                Condition::Test(Property::Page, Operator::StartsWith("/blog".into())),
                Condition::Test(Property::Browser, Operator::In(vec!["A".into(), "B".into()])),
            ]))),
        ]))
        .unwrap();
        assert_eq!(
            filter.text().concat(),
            "(true AND channel = {p0:String} AND NOT ((false OR startsWith(path, {p1:String}) OR browser IN ({p2:Array(String)}))))"
        );
        assert_eq!(filter.properties(), [Property::Channel, Property::Page, Property::Browser]);
    }

    #[test]
    fn a_filter_has_its_bounds() {
        let tests = |count| Condition::All(vec![is(Property::Os, "x"); count]);
        assert!(Filter::new(&tests(MOST_TESTS)).is_ok());
        assert_eq!(Filter::new(&tests(MOST_TESTS + 1)), Err(FilterError::TooManyTests));
        let nested = |depth| {
            (1..depth).fold(is(Property::Os, "x"), |condition, _| Condition::Not(Box::new(condition)))
        };
        assert!(Filter::new(&nested(DEEPEST)).is_ok());
        assert_eq!(Filter::new(&nested(DEEPEST + 1)), Err(FilterError::TooDeep));
    }
}
