//! What counts can be broken down by: one closed list, one line each.

/// A property of events or of their sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dimension {
    /// The page: the path of a view. Its label is the path's content group, empty when it has none.
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
}

/// How a dimension is written in SQL.
pub(crate) struct Columns {
    /// What rows are grouped and ordered by.
    pub(crate) keys: &'static str,
    /// An aggregate that names the group further; the empty text when nothing does.
    pub(crate) label: &'static str,
    /// Which rows can belong to a group at all.
    pub(crate) rows: &'static str,
}

impl Dimension {
    pub(crate) fn columns(self) -> Columns {
        let plain = |keys| Columns { keys, label: "''", rows: "true" };
        match self {
            // The groups may have been changed meanwhile: the newest view says what the path belongs to.
            Self::Page => Columns {
                keys: "path",
                label: "argMax(content_group, time)",
                rows: "event_type = 'page_view'",
            },
            Self::Channel => plain("channel"),
            Self::Referrer => plain("referrer"),
            Self::Campaign => plain("utm_source, utm_medium, utm_campaign"),
            Self::DeviceType => plain("device_type"),
            Self::Browser => plain("browser"),
            Self::Os => plain("os"),
            Self::Screen => plain("screen"),
        }
    }
}
