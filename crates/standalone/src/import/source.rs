//! The file: lines with their numbers, un-gzipped where needed, as events with ids of their own.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use flate2::read::MultiGzDecoder;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::combined;

/// The longest line that is read; the server refuses longer ones anyway.
const LINE_LIMIT: u64 = 1024 * 1024;

/// What the file's lines are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// An access log in the combined format of Apache and nginx.
    Combined,
    /// One JSON event per line: the fields of the collect endpoint, with `timestamp`, `ip`, `user_agent`,
    /// `event_name`, `user_id` and `event_id`.
    Ndjson,
}

/// What a line became.
#[derive(Debug)]
pub enum Item {
    /// An event to send.
    Event(Event),
    /// Not an event; counted under the reason.
    Skipped(u64, &'static str),
    /// Not readable; counted under the reason, with its number.
    Refused(u64, &'static str),
}

/// A line to send.
#[derive(Debug)]
pub struct Event {
    /// When it happened, milliseconds since 1970-01-01 UTC; `None` when the line does not say or not readably.
    pub time: Option<i64>,
    /// The line's number, from 1.
    pub line: u64,
    /// The line to send.
    pub body: Vec<u8>,
}

/// Reads a file line by line.
pub struct Source {
    reader: Box<dyn BufRead + Send>,
    read: Arc<AtomicU64>,
    size: u64,
    format: Format,
    domain: String,
    line: u64,
    /// Hash of the first line: the same for a file that has grown since.
    fingerprint: Option<[u8; 32]>,
}

impl Source {
    /// Opens a file, gzipped or not, whatever it is called.
    pub fn open(path: &Path, format: Format, domain: &str) -> anyhow::Result<Self> {
        let unreadable = || format!("{} cannot be read", path.display());
        let file = File::open(path).with_context(unreadable)?;
        let size = file.metadata().with_context(unreadable)?.len();
        let read = Arc::new(AtomicU64::new(0));
        let mut raw = BufReader::new(Counted { file, read: Arc::clone(&read) });
        let gzipped = raw.fill_buf().with_context(unreadable)?.starts_with(&[0x1f, 0x8b]);
        let reader: Box<dyn BufRead + Send> =
            if gzipped { Box::new(BufReader::new(MultiGzDecoder::new(raw))) } else { Box::new(raw) };
        Ok(Self { reader, read, size, format, domain: domain.to_owned(), line: 0, fingerprint: None })
    }

    /// Size of the file in bytes, as it lies on the disk.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// How many of those bytes were read.
    pub fn position(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// How many lines were read, also empty ones.
    pub fn lines(&self) -> u64 {
        self.line
    }

    /// The next line that is not empty.
    pub fn next(&mut self) -> std::io::Result<Option<Item>> {
        loop {
            let line = match self.next_line()? {
                Next::End => return Ok(None),
                Next::TooLong => {
                    self.line += 1;
                    return Ok(Some(Item::Refused(self.line, "line is too long")));
                }
                Next::Line(line) => line,
            };
            self.line += 1;
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let id = self.event_id(&line);
            let Ok(text) = std::str::from_utf8(&line) else {
                // Logs of old carry bytes of any encoding; an event is text.
                return Ok(Some(match self.format {
                    Format::Combined => self.combined(&String::from_utf8_lossy(&line), &id),
                    Format::Ndjson => Item::Refused(self.line, "not UTF-8"),
                }));
            };
            return Ok(Some(match self.format {
                Format::Combined => self.combined(text, &id),
                Format::Ndjson => self.ndjson(text, id),
            }));
        }
    }

    /// The bytes of the next line; one that is too long is passed over.
    fn next_line(&mut self) -> std::io::Result<Next> {
        let mut line = Vec::new();
        let read = (&mut self.reader).take(LINE_LIMIT).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(Next::End);
        }
        if line.last() == Some(&b'\n') {
            line.pop();
            if line.last() == Some(&b'\r') {
                line.pop();
            }
        } else if read as u64 == LINE_LIMIT {
            self.reader.skip_until(b'\n')?;
            return Ok(Next::TooLong);
        }
        Ok(Next::Line(line))
    }

    /// The id of a line's event: the same whenever the same file is imported again, also when it has grown since; so a
    /// repeated import counts every event once.
    fn event_id(&mut self, line: &[u8]) -> String {
        let fingerprint = *self.fingerprint.get_or_insert_with(|| Sha256::digest(line).into());
        let mut hash = Sha256::new();
        hash.update(fingerprint);
        hash.update(self.line.to_be_bytes());
        hash.update(line);
        let hash = hash.finalize();
        hash.iter().take(16).fold(String::with_capacity(32), |mut id, byte| {
            use std::fmt::Write as _;
            let _ = write!(id, "{byte:02x}");
            id
        })
    }

    fn combined(&self, text: &str, id: &str) -> Item {
        match combined::read(text, &self.domain) {
            combined::Line::PageView(time, mut event) => {
                event["event_id"] = Value::String(id.to_owned());
                Item::Event(Event { time: Some(time), line: self.line, body: event.to_string().into_bytes() })
            }
            combined::Line::Skipped(reason) => Item::Skipped(self.line, reason),
            combined::Line::Refused(reason) => Item::Refused(self.line, reason),
        }
    }

    fn ndjson(&self, text: &str, id: String) -> Item {
        let Ok(Value::Object(mut event)) = serde_json::from_str::<Value>(text) else {
            return Item::Refused(self.line, "malformed JSON");
        };
        let time = match event.get("timestamp") {
            Some(Value::String(text)) => {
                chrono::DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp_millis())
            }
            Some(Value::Number(millis)) => millis.as_i64(),
            _ => None,
        };
        event.entry("event_id").or_insert(Value::String(id));
        Item::Event(Event { time, line: self.line, body: Value::Object(event).to_string().into_bytes() })
    }
}

/// What is next in a file.
enum Next {
    Line(Vec<u8>),
    TooLong,
    End,
}

/// Counts what is read of a file.
struct Counted {
    file: File,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
