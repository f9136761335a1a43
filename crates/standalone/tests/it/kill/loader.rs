//! `ingest load`: a second loader, as a process of its own on the same brokers and the same store.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use crate::cli::process::{PATIENCE, gather, signal};

/// What it logs when a batch is in the store.
pub const STORED: &str = "A batch was stored.";

/// What it logs when it finds the plan of one that died.
pub const MADE_AGAIN: &str = "A planned batch is made again.";

/// A loader that runs. Dropped, it is killed and reaped.
pub struct Loader {
    process: Child,
    log: Arc<Mutex<String>>,
}

impl Loader {
    /// Starts one; `stream`: the settings of the brokers.
    pub fn start(store: &str, stream: &[(&str, &str)]) -> Self {
        let mut command = Command::new(program());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("FOOTFALL_") {
                command.env_remove(&name);
            }
        }
        command.arg("load").envs(stream.iter().copied());
        command.env("FOOTFALL_CLICKHOUSE_URL", store).env("FOOTFALL_LOG", "info,ingest=debug");
        let mut process =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let (log, _) = gather(process.stderr.take().unwrap());
        Self { process, log }
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// How often a planned batch was made again.
    pub fn made_again(&self) -> usize {
        self.log().matches(MADE_AGAIN).count()
    }

    /// Waits until it has said this.
    pub async fn has_logged(&self, sentence: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.log.lock().unwrap().contains(sentence) {
            assert!(Instant::now() < deadline, "it does not say `{sentence}`: {}", self.log());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        let ended = self.process.try_wait().unwrap();
        assert!(ended.is_none(), "it was gone already ({ended:?}): {}", self.log());
        // The drop does it.
    }

    /// SIGTERM, and its end in order.
    pub async fn terminate(mut self) {
        signal("TERM", self.process.id());
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                assert!(status.success(), "{status}: {}", self.log());
                return;
            }
            assert!(Instant::now() < deadline, "it does not end: {}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The program beside `footfall`; built when it is missing or older than its source, once per test process.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let folder = Path::new(env!("CARGO_BIN_EXE_footfall")).parent().unwrap();
        let program = folder.join("ingest");
        if !is_fresh(&program) {
            let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
            // With this package, so that what they share is built with the same features and is there already.
            build.args(["build", "--quiet", "-p", "standalone", "-p", "ingest", "--bin", "ingest"]);
            build.arg("--target-dir").arg(folder.parent().unwrap());
            if folder.ends_with("release") {
                build.arg("--release");
            }
            let built = build.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null()).status().unwrap();
            assert!(built.success(), "ingest could not be built");
        }
        program
    })
}

fn is_fresh(program: &Path) -> bool {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let sources = ["ingest/src", "schema", "dictionaries", "crates/service/src", "crates/directory/src"];
    let newest = sources.iter().filter_map(|folder| newest(&root.join(folder))).max();
    modified(program).is_some_and(|built| newest.is_none_or(|changed| changed <= built))
}

fn newest(folder: &Path) -> Option<SystemTime> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let times = entries
        .map(|entry| entry.path())
        .filter_map(|path| if path.is_dir() { newest(&path) } else { modified(&path) });
    times.max()
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}
