//! What can go wrong with the engine, as sentences for whoever runs it.

use std::{io, path::PathBuf, time::Duration};

/// Why the engine did not start, or did not stop in order.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// libchdb is not where it was looked for.
    #[error("the ClickHouse library is not at {}: run scripts/fetch-engine", .0.display())]
    NoLibrary(PathBuf),
    /// The platform, the environment or the options leave no way to run an engine.
    #[error("{0}")]
    Setup(String),
    /// Another live engine owns the data folder.
    #[error("the data folder {} is in use by another Footfall{}", folder.display(), of_pid(*owner))]
    InUse {
        /// The data folder that was asked for.
        folder: PathBuf,
        /// The process id of the Footfall that owns it, where that is known.
        owner: Option<u32>,
    },
    /// A port that the caller fixed is taken by another program.
    #[error("port {0} of 127.0.0.1 is in use by another program")]
    PortTaken(u16),
    /// No free port was to be had, although several were tried.
    #[error("no free port was found for the engine after {0} attempts")]
    NoPort(u32),
    /// The child ended before it was ready.
    #[error("the engine ended while it started ({status}){}", of_log(log))]
    Died {
        /// How it ended, in the system's words.
        status: String,
        /// The last lines of its log, without any query's text.
        log: Vec<String>,
    },
    /// The child neither became ready nor ended in time.
    #[error("the engine was not ready after {} s{}", waited.as_secs(), of_log(log))]
    Slow {
        /// How long it was waited for.
        waited: Duration,
        /// The last lines of its log, without any query's text.
        log: Vec<String>,
    },
    /// The child did not stop in order and was killed. Its data is as after a crash: sound.
    #[error("the engine did not stop within {} s and was killed", .0.as_secs())]
    Killed(Duration),
    /// The system refused something that starting needs.
    #[error("{what}")]
    System {
        /// What was attempted, as a sentence.
        what: String,
        /// The system's refusal.
        #[source]
        source: io::Error,
    },
}

impl EngineError {
    pub(crate) fn system(what: impl Into<String>, source: io::Error) -> EngineError {
        let what = format!("{}: {source}", what.into());
        EngineError::System { what, source }
    }
}

fn of_pid(owner: Option<u32>) -> String {
    owner.map(|pid| format!(" (pid {pid})")).unwrap_or_default()
}

fn of_log(log: &[String]) -> String {
    if log.is_empty() { String::new() } else { format!("; its last words were:\n  {}", log.join("\n  ")) }
}
