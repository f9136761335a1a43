//! For tests: one engine per test process, started by the first test that asks and gone with the process.
//!
//! Nothing here needs cleaning up. The child stops when the process's end closes its stdin, and removes its data folder.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::SystemTime,
};

use tokio::sync::OnceCell;
use url::Url;

use crate::{ChildCommand, Engine, EngineOptions, library_path};

/// Names the server that tests use instead of an engine of their own, as a URL with the login in it.
const URL_VAR: &str = "FOOTFALL_CLICKHOUSE_URL";
const CHILD: &str = "footfall-engine";

/// The ClickHouse that this test process uses.
#[derive(Debug)]
pub struct TestEngine {
    /// The HTTP interface, without a login.
    pub url: String,
    /// The HTTP interface with the login in it, as `FOOTFALL_CLICKHOUSE_URL` names a store; for tests that read it so.
    pub store_url: String,
    /// The user to log in as; `None`: the server's default.
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<String>,
    /// The native protocol's port on 127.0.0.1; `None` for a server of someone else's.
    pub tcp_port: Option<u16>,
    /// Never dropped, as nothing in a static is: the end of the process stops it.
    _engine: Option<Engine>,
}

/// The engine of this test process: the server at `FOOTFALL_CLICKHOUSE_URL`, where that is set, else an engine on an
/// empty folder, with the query log on. The library is fetched and the child program built when they are missing, which
/// may take a minute the first time.
///
/// # Panics
/// Panics with a sentence when there is no engine to be had.
pub async fn engine() -> &'static TestEngine {
    static ENGINE: OnceCell<Result<TestEngine, String>> = OnceCell::const_new();
    match ENGINE.get_or_init(provide).await {
        Ok(engine) => engine,
        Err(sentence) => panic!("there is no engine for the tests: {sentence}"),
    }
}

/// How this test process starts the engine's child: `FOOTFALL_ENGINE_BIN`, else `footfall-engine` beside the test's own
/// program, built first when it is missing or older than its source. The error is a sentence.
pub async fn child_command() -> Result<ChildCommand, String> {
    match env::var_os("FOOTFALL_ENGINE_BIN") {
        Some(program) => Ok(ChildCommand::new(program, [""; 0])),
        None => Ok(ChildCommand::new(blocking(built_child).await?, [""; 0])),
    }
}

async fn provide() -> Result<TestEngine, String> {
    if let Some(url) = env::var_os(URL_VAR).filter(|url| !url.is_empty()) {
        return from_url(&url.to_string_lossy());
    }
    blocking(fetch_library).await?;
    let child = child_command().await?;
    let folder = tempfile::Builder::new()
        .prefix("footfall-test-")
        .tempdir()
        .map_err(|error| format!("no temporary folder can be made: {error}"))?;
    let options = EngineOptions {
        query_log: true,
        fsync: false,
        remove_data: true,
        ..EngineOptions::new(folder.path(), child)
    };
    let engine = Engine::start(options).await.map_err(|error| error.to_string())?;
    // From here on the folder is the child's to remove.
    let _ = folder.keep();
    Ok(TestEngine {
        url: engine.http_url(),
        store_url: engine.http_url(),
        user: None,
        password: None,
        tcp_port: Some(engine.tcp_port()),
        _engine: Some(engine),
    })
}

/// Blocking work, off the test's only thread, so that a test that waits with a timeout still can.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(format!("it was cut short: {error}")))
}

fn from_url(text: &str) -> Result<TestEngine, String> {
    let mut url = Url::parse(text).map_err(|error| format!("{URL_VAR} is no URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(format!("{URL_VAR} is no URL of an HTTP interface"));
    }
    let decoded = |text: &str| {
        // The form's decoder would read a plus as a space; in a login it is a plus.
        let pair = format!("x={}", text.replace('+', "%2B"));
        url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned())
    };
    let user = Some(url.username()).filter(|user| !user.is_empty()).and_then(decoded);
    let password = url.password().and_then(decoded);
    let (Ok(()), Ok(())) = (url.set_username(""), url.set_password(None)) else {
        return Err(format!("{URL_VAR} cannot hold a login"));
    };
    let url = url.as_str().trim_end_matches('/').to_owned();
    Ok(TestEngine {
        url,
        store_url: text.trim_end_matches('/').to_owned(),
        user,
        password,
        tcp_port: None,
        _engine: None,
    })
}

fn fetch_library() -> Result<(), String> {
    let path = library_path().map_err(|error| error.to_string())?;
    if path.is_file() {
        return Ok(());
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/fetch-engine");
    if env::var_os("FOOTFALL_ENGINE_LIB").is_some() || !script.is_file() {
        return Err(format!("the ClickHouse library is not at {}: run scripts/fetch-engine", path.display()));
    }
    let fetched = Command::new(&script).stdin(Stdio::null()).stdout(Stdio::null()).status();
    match fetched {
        Ok(status) if status.success() && path.is_file() => Ok(()),
        Ok(status) => Err(format!("scripts/fetch-engine failed ({status}); run it by hand to see why")),
        Err(error) => Err(format!("scripts/fetch-engine cannot be run: {error}")),
    }
}

/// The child program beside this test's own, which lies in the profile's folder or in `deps` or `examples` below it.
fn built_child() -> Result<PathBuf, String> {
    let own = env::current_exe().map_err(|error| format!("the running program is unknown: {error}"))?;
    let above = || own.ancestors().skip(1).take(3);
    if let Some(child) = above().map(|folder| folder.join(CHILD)).find(|child| is_fresh(child)) {
        return Ok(child);
    }
    let profile = above()
        .find(|folder| ["debug", "release"].iter().any(|name| folder.ends_with(name)))
        .ok_or_else(|| format!("{CHILD} is not beside {}; set FOOTFALL_ENGINE_BIN", own.display()))?;
    let mut build = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build
        .args(["build", "--quiet", "--package", "sandbox", "--bin", CHILD])
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    if let Some(target) = profile.parent() {
        build.arg("--target-dir").arg(target);
    }
    if profile.ends_with("release") {
        build.arg("--release");
    }
    match build.stdin(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(profile.join(CHILD)),
        Ok(status) => Err(format!("cargo build -p sandbox --bin {CHILD} failed ({status})")),
        Err(error) => Err(format!("cargo build -p sandbox --bin {CHILD} cannot be run: {error}")),
    }
}

/// Whether the program is there and no older than this crate's source: a test of another package does not rebuild it.
fn is_fresh(program: &Path) -> bool {
    let Some(built) = modified(program) else { return false };
    newest(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).is_none_or(|changed| changed <= built)
}

fn newest(folder: &Path) -> Option<SystemTime> {
    let entries = fs::read_dir(folder).ok()?.filter_map(Result::ok).map(|entry| entry.path());
    entries.filter_map(|path| if path.is_dir() { newest(&path) } else { modified(&path) }).max()
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_server_is_used_with_the_login_in_its_url() {
        let engine = from_url("http://ann:a%40b+c@db.example:8123/").expect("a server");
        assert_eq!(engine.url, "http://db.example:8123");
        assert_eq!(engine.user.as_deref(), Some("ann"));
        assert_eq!(engine.password.as_deref(), Some("a@b+c"));
        assert_eq!(engine.tcp_port, None);
    }

    #[test]
    fn a_given_server_may_need_no_login() {
        let engine = from_url("https://db.example").expect("a server");
        assert_eq!((engine.url.as_str(), engine.user, engine.password), ("https://db.example", None, None));
    }

    #[test]
    fn what_is_no_servers_url_is_refused_by_the_variables_name() {
        for text in ["", "db.example", "tcp://db.example:9000"] {
            assert!(from_url(text).expect_err("refused").contains(URL_VAR), "{text}");
        }
    }
}
