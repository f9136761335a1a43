//! `footfall import`: a file's lines, in the order of their times, in requests of bounded size, until all are loaded.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Args;
use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Deserialize;

use crate::remote::{Remote, RemoteArgs, RemoteError};

mod combined;
mod order;
mod source;

pub use source::Format;

use order::Window;
use source::{Event, Item, Source};

/// Lines of one request: enough to share a disk write, few enough to repeat.
const REQUEST_LINES: usize = 5_000;

/// Bytes of one request, well under the server's bound.
const REQUEST_BYTES: usize = 8 * 1024 * 1024;

/// How often a request is repeated while the server says that it cannot take it now.
const TRIES: u32 = 60;

/// How many line numbers the tally shows per reason.
const SHOWN_LINES: usize = 10;

/// What to import, and where to.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The file; `.gz` is recognised.
    pub file: PathBuf,
    /// The website's domain, or its id.
    #[arg(long)]
    pub website: String,
    /// What the lines are.
    #[arg(long, value_enum)]
    pub format: Format,
    /// The server.
    #[command(flatten)]
    pub remote: RemoteArgs,
}

/// The server's answer to a request.
#[derive(Debug, Deserialize)]
struct Answer {
    stored: u64,
    bots: u64,
    excluded: u64,
    refused: BTreeMap<String, u64>,
    refusals: Vec<Refused>,
    #[serde(default)]
    loaded: bool,
}

#[derive(Debug, Deserialize)]
struct Refused {
    line: u64,
    reason: String,
}

/// What became of the file.
#[derive(Debug, Default)]
struct Tally {
    read: u64,
    stored: u64,
    bots: u64,
    excluded: u64,
    skipped: BTreeMap<String, Reason>,
    refused: BTreeMap<String, Reason>,
}

#[derive(Debug, Default)]
struct Reason {
    count: u64,
    lines: Vec<u64>,
}

impl Reason {
    fn add(&mut self, line: u64) {
        self.count += 1;
        self.show(line);
    }

    fn show(&mut self, line: u64) {
        if self.lines.len() < SHOWN_LINES {
            self.lines.push(line);
        }
    }
}

/// Imports the file. Success means that every line that could be stored is stored and visible in reports.
pub async fn run(args: ImportArgs) -> anyhow::Result<ExitCode> {
    let remote = Remote::new(&args.remote)?;
    let website = remote.website(&args.website).await?;
    let mut source = Source::open(&args.file, args.format, &website.domain)?;
    let path = format!("/api/v1/import?website_id={}", website.id);
    let bar = progress(source.size());
    let began = Instant::now();
    let mut sender = Sender { remote, path, tally: Tally::default(), lines: Vec::new(), body: Vec::new() };
    let mut window = Window::default();
    let unreadable = || format!("{} cannot be read to its end", args.file.display());
    while let Some(item) = source.next().with_context(unreadable)? {
        sender.tally.read += 1;
        let event = match item {
            Item::Event(event) => window.push(event),
            Item::Skipped(line, reason) => {
                sender.tally.skipped.entry(reason.to_owned()).or_default().add(line);
                None
            }
            Item::Refused(line, reason) => {
                sender.tally.refused.entry(reason.to_owned()).or_default().add(line);
                None
            }
        };
        if let Some(event) = event {
            sender.push(event).await?;
        }
        if source.lines().is_multiple_of(1000) {
            bar.set_position(source.position());
            bar.set_message(rate(source.lines(), began));
        }
    }
    while let Some(event) = window.pop() {
        sender.push(event).await?;
    }
    sender.flush().await?;
    bar.set_position(source.size());
    bar.set_message("waiting until everything is loaded");
    sender.wait_until_loaded().await?;
    bar.finish_and_clear();
    print!("{}", sender.tally.report(&website.domain, began.elapsed()));
    Ok(ExitCode::SUCCESS)
}

/// Gathers lines and sends them, in order, one request after the other.
struct Sender {
    remote: Remote,
    path: String,
    tally: Tally,
    /// The file's line numbers of the lines that are gathered.
    lines: Vec<u64>,
    body: Vec<u8>,
}

impl Sender {
    async fn push(&mut self, event: Event) -> anyhow::Result<()> {
        self.lines.push(event.line);
        self.body.extend_from_slice(&event.body);
        self.body.push(b'\n');
        if self.lines.len() >= REQUEST_LINES || self.body.len() >= REQUEST_BYTES {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> anyhow::Result<()> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let lines = std::mem::take(&mut self.lines);
        let body = std::mem::take(&mut self.body);
        let answer = self.send(&self.path, body).await?;
        self.tally.add(&answer, &lines);
        Ok(())
    }

    /// Sends a request, again while the server cannot take it: the lines have ids, so a repeat counts once.
    async fn send(&self, path: &str, body: Vec<u8>) -> anyhow::Result<Answer> {
        for _ in 0..TRIES {
            match self.remote.send_lines::<Answer>(path, body.clone()).await.map_err(broke_off)? {
                Ok(answer) => return Ok(answer),
                Err(wait) => tokio::time::sleep(wait.min(Duration::from_secs(30))).await,
            }
        }
        bail!("the server could not take more for too long; run the same import again later, it counts once");
    }

    async fn wait_until_loaded(&self) -> anyhow::Result<()> {
        let path = format!("{}&wait=true", self.path);
        while !self.send(&path, Vec::new()).await?.loaded {}
        Ok(())
    }
}

/// What a person can do about it, where that is something else than for other commands.
fn broke_off(error: RemoteError) -> anyhow::Error {
    if error.may_pass() {
        anyhow::Error::new(error)
            .context("the import broke off; run the same import again later, every event counts once")
    } else {
        error.into()
    }
}

impl Tally {
    fn add(&mut self, answer: &Answer, lines: &[u64]) {
        self.stored += answer.stored;
        self.bots += answer.bots;
        self.excluded += answer.excluded;
        for (reason, count) in &answer.refused {
            self.refused.entry(reason.clone()).or_default().count += count;
        }
        for refused in &answer.refusals {
            let at = usize::try_from(refused.line).unwrap_or_default().wrapping_sub(1);
            if let (Some(line), Some(reason)) = (lines.get(at), self.refused.get_mut(&refused.reason)) {
                reason.show(*line);
            }
        }
    }

    fn report(&self, domain: &str, took: Duration) -> String {
        use std::fmt::Write as _;
        let mut text = String::new();
        let mut line = |name: &str, count: u64, note: &str| {
            let _ = writeln!(text, "  {name:<10} {:>12}{note}", HumanCount(count).to_string());
        };
        line("read", self.read, " lines");
        line("stored", self.stored, " events");
        line("bots", self.bots, " of those, counted only where bots are asked for");
        line("excluded", self.excluded, " of those, never counted");
        for (name, reasons) in [("skipped", &self.skipped), ("refused", &self.refused)] {
            line(name, reasons.values().map(|reason| reason.count).sum(), " lines");
            for (reason, Reason { count, lines }) in reasons {
                let mut shown = String::new();
                if name == "refused" {
                    let numbers: Vec<_> = lines.iter().map(u64::to_string).collect();
                    let more = if *count > lines.len() as u64 { ", …" } else { "" };
                    shown = format!(" (line {}{more})", numbers.join(", "));
                }
                line("", *count, &format!(" {reason}{shown}"));
            }
        }
        format!("Imported into {domain} in {:.1} s; reports show it.\n{text}", took.as_secs_f64())
    }
}

fn rate(lines: u64, began: Instant) -> String {
    let seconds = began.elapsed().as_secs_f64().max(0.001);
    format!("{} lines, {}/s", HumanCount(lines), HumanCount((lines as f64 / seconds) as u64))
}

/// A bar on a terminal; nothing elsewhere, where the tally says it all.
fn progress(size: u64) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(Some(size), target);
    if let Ok(style) = ProgressStyle::with_template("{bar:32} {percent:>3} %  {msg}  ETA {eta}") {
        bar.set_style(style);
    }
    bar
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_server_that_hangs_ends_an_import_with_the_advice_to_run_it_again() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        for beginning in ["", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let server = format!("http://{}", listener.local_addr().unwrap());
            let hanging = tokio::spawn(async move {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut request = [0; 1024];
                let _ = socket.read(&mut request).await.unwrap();
                socket.write_all(beginning.as_bytes()).await.unwrap();
                std::future::pending::<()>().await;
            });
            let args = RemoteArgs { server: server.clone(), key: Some("tt_key".to_owned()) };
            let remote = Remote::patient(&args, Duration::from_secs(1)).unwrap();
            let (lines, body) = (vec![1], b"{}\n".to_vec());
            let mut sender = Sender { remote, path: "/".to_owned(), tally: Tally::default(), lines, body };
            let error = format!("{:#}", sender.flush().await.unwrap_err());
            for phrase in ["run the same import again later", &server, "has not answered for 1 s"] {
                assert!(error.contains(phrase), "`{phrase}` is not in: {error}");
            }
            hanging.abort();
        }
    }
}
