//! Logs: sentences with fields, as text for people or as JSON for machines. Never with addresses or keys.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use crate::config::{self, ConfigError};

/// Starts logging to standard error as `FOOTFALL_LOG` says: a level or a filter as tracing's `EnvFilter` reads it
/// (`info`, `debug`, `ingest=debug,info`), with `json` among its words for JSON lines. The default is `info`.
pub fn init() -> Result<(), ConfigError> {
    const NAME: &str = "FOOTFALL_LOG";
    let setting = config::read::<String>(NAME)?.unwrap_or_else(|| "info".to_owned());
    let (json, words): (Vec<_>, Vec<_>) =
        setting.split(',').map(str::trim).filter(|word| !word.is_empty()).partition(|word| *word == "json");
    let words = if words.is_empty() { "info".to_owned() } else { words.join(",") };
    // The journal's store tells of every table that it writes; its warnings are enough, unless it is asked for.
    let words = format!("fjall=warn,lsm_tree=warn,{words}");
    let filter = EnvFilter::try_new(words).map_err(|_| ConfigError {
        name: NAME,
        reason: "expected a level like info, or a filter".to_owned(),
    })?;
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(BoxMakeWriter::new(std::io::stderr))
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    // A second start in one process (tests) keeps the first one's settings.
    let _ = if json.is_empty() { logs.try_init() } else { logs.json().flatten_event(true).try_init() };
    Ok(())
}
