//! What counts can be broken down by: one closed list, one line each.

use crate::report::filter::Property;
use crate::report::plan::Source;

/// A property of events or of their sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dimension {
    /// The page: a path. Its label is the path's content group, empty when it has none.
    Page,
    /// How the session was found: a channel's name.
    Channel,
    /// The session's referring domain; empty when there was none.
    Referrer,
    /// The session's campaign: `utm_source`, `utm_medium` and `utm_campaign`.
    Campaign,
    /// The session's type of device.
    DeviceType,
    /// The session's browser.
    Browser,
    /// The session's operating system.
    Os,
    /// The bucket of the session's width of screen.
    Screen,
    /// The session's country.
    Country,
    /// The name of a custom event.
    CustomEvent,
}

/// How a dimension is written in SQL.
pub(crate) struct Columns {
    /// What rows are grouped and ordered by.
    pub(crate) keys: &'static [&'static str],
    /// An aggregate that names the group further; the empty text when nothing does.
    pub(crate) label: &'static str,
    /// Which rows can belong to a group at all.
    pub(crate) rows: &'static str,
    /// Which groups have a name.
    pub(crate) named: &'static str,
}

impl Dimension {
    pub(crate) fn columns(self, source: Source) -> Columns {
        let plain = |keys, named| Columns { keys, label: "''", rows: "true", named };
        match self {
            // The groups may have been changed meanwhile: the newest day with a view says what the path belongs to.
            Self::Page => match source {
                Source::Pages | Source::PageFacts => Columns {
                    keys: &["path"],
                    label: "argMaxIf(content_group, (day, content_group), pageviews > 0)",
                    rows: "true",
                    named: "path != ''",
                },
                _ => Columns {
                    keys: &["path"],
                    label: "argMax(content_group, (day, content_group))",
                    rows: "event_type = 'page_view'",
                    named: "path != ''",
                },
            },
            Self::Channel => plain(&["channel"], "channel != ''"),
            Self::Referrer => plain(&["referrer"], "referrer != ''"),
            Self::Campaign => plain(
                &["utm_source", "utm_medium", "utm_campaign"],
                "(utm_source != '' OR utm_medium != '' OR utm_campaign != '')",
            ),
            Self::DeviceType => plain(&["device_type"], "device_type != ''"),
            Self::Browser => plain(&["browser"], "browser != ''"),
            Self::Os => plain(&["os"], "os != ''"),
            Self::Screen => plain(&["screen"], "screen != ''"),
            Self::Country => plain(&["country"], "country != ''"),
            Self::CustomEvent => Columns {
                keys: &["event_name"],
                label: "''",
                rows: "event_type = 'custom'",
                named: "event_name != ''",
            },
        }
    }

    /// The properties that it consists of.
    pub(crate) const fn properties(self) -> &'static [Property] {
        match self {
            Self::Page => &[Property::Page],
            Self::Channel => &[Property::Channel],
            Self::Referrer => &[Property::Referrer],
            Self::Campaign => &[Property::UtmSource, Property::UtmMedium, Property::UtmCampaign],
            Self::DeviceType => &[Property::DeviceType],
            Self::Browser => &[Property::Browser],
            Self::Os => &[Property::Os],
            Self::Screen => &[Property::Screen],
            Self::Country => &[Property::Country],
            Self::CustomEvent => &[Property::EventName],
        }
    }
}
