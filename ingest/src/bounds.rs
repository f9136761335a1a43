//! Every bound of the way in, with the reason for its size.

use std::time::Duration;

/// A single event's body: the longest URL, path, referrer and properties together, with room for the rest.
pub const COLLECT_BODY: usize = 64 * 1024;

/// A batch's body: a hundred events of a common size, and some with large properties.
pub const BATCH_BODY: usize = 2 * 1024 * 1024;

/// A line of an import: as a collect body, since it becomes the same hit.
pub const IMPORT_LINE: usize = COLLECT_BODY;

/// One import request's body. A file is sent in many; this bounds what a dropped connection costs.
pub const IMPORT_BODY: usize = 64 * 1024 * 1024;

/// How long an import waits for the next piece of its body: the caller may be reading a disk or sorting lines.
pub const IMPORT_STALL: Duration = Duration::from_mins(2);

/// Lines that an import appends to the stream at once: large enough to share a disk write, small in memory.
pub const IMPORT_CHUNK: usize = 2_000;

/// Bytes of lines that an import appends at once: long lines come in smaller chunks, well under what the stream queues.
pub const IMPORT_CHUNK_BYTES: usize = 4 * 1024 * 1024;

/// Refused lines that an import's answer lists by number; the others are counted.
pub const IMPORT_REFUSALS: usize = 1_000;

/// A page's URL. Browsers and proxies cut around 8 kB.
pub const URL: usize = 8_192;

/// A page's path; longer ones are attacks or mistakes, and would be report rows.
pub const PATH: usize = 4_096;

/// An event type or a custom event's name: a label, not a text.
pub const NAME: usize = 200;

/// A UTM value: a label that people type into links.
pub const UTM: usize = 500;

/// A user agent; longer ones are cut, which keeps one agent one agent.
pub const USER_AGENT: usize = 1_024;

/// The caller's properties as JSON text.
pub const PROPERTIES: usize = 16 * 1024;

/// How deep properties may be nested, above what any form of analytics data needs.
pub const PROPERTIES_DEPTH: usize = 16;

/// A user's id, an event's id: identifiers of the caller's own system.
pub const IDENTIFIER: usize = 500;

/// How far ahead of the collector's clock a given timestamp may lie: clocks differ, and time zones are confused.
pub const FUTURE_MS: i64 = 24 * 3600 * 1000;
