//! The real program, as a shell starts it: a folder of its own, an environment without surprises, and nothing left
//! behind, also when a test panics.

use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Semaphore, SemaphorePermit};
use uuid::Uuid;

/// Longer than anything takes that works.
pub const PATIENCE: Duration = Duration::from_secs(100);

/// A key that a test gives to the first admin.
pub const ADMIN_KEY: &str = "the-admins-key-of-the-tests-0123456789";

/// The variable that names another ClickHouse than the embedded one.
const STORE: &str = "FOOTFALL_CLICKHOUSE_URL";

/// Every house has an engine of a quarter of a gigabyte.
static TURNS: Semaphore = Semaphore::const_new(3);

/// What a command said, and whether it succeeded.
#[derive(Debug)]
pub struct Said {
    pub ok: bool,
    pub out: String,
    pub err: String,
}

impl Said {
    fn from(output: std::process::Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { ok: output.status.success(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// It failed, and its last line is a sentence of ours that holds all of these.
    #[track_caller]
    pub fn assert_failed_with(&self, phrases: &[&str]) {
        assert!(!self.ok, "it did not fail: {self:?}");
        let sentence = self.err.lines().last().unwrap_or_default();
        assert!(sentence.starts_with("footfall: "), "{self:?}");
        for phrase in phrases {
            assert!(sentence.contains(phrase), "`{phrase}` is not in: {sentence}");
        }
        assert!(!self.err.contains("panicked"), "{self:?}");
    }

    /// It succeeded; what it printed.
    #[track_caller]
    pub fn succeeded(self) -> String {
        assert!(self.ok, "it failed: {self:?}");
        self.out
    }
}

/// A data folder, and the turn to run a house on it.
pub struct Folder {
    place: TempDir,
    store: Option<String>,
    _turn: SemaphorePermit<'static>,
}

impl Folder {
    pub async fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let turn = TURNS.acquire().await.unwrap();
        let store =
            std::env::var(STORE).ok().filter(|url| !url.is_empty()).map(|url| database_of_its_own(&url));
        if store.is_none() && !sandbox::library_path().unwrap().is_file() {
            // It fetches the library, which the program itself never does.
            sandbox::testing::engine().await;
        }
        Self { place: TempDir::with_prefix("footfall-cli-").unwrap(), store, _turn: turn }
    }

    /// A folder whose house has no engine of its own but a database on the engine of the tests, where other programs
    /// of the test reach it too.
    pub async fn on_shared_store() -> Self {
        let mut folder = Self::new().await;
        if folder.store.is_none() {
            folder.store = Some(database_of_its_own(&sandbox::testing::engine().await.store_url));
        }
        folder
    }

    /// Where the house stores. An embedded engine must be running: its port is another one after each start.
    pub fn store_url(&self) -> String {
        self.store.clone().unwrap_or_else(|| {
            let port = self.engines().into_iter().find_map(|pid| argument(pid, "--http-port"));
            format!("http://127.0.0.1:{}", port.expect("an engine runs on this folder"))
        })
    }

    /// Where `serve` keeps everything.
    pub fn data(&self) -> PathBuf {
        self.place.path().join("data")
    }

    /// A new file beside the data.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.place.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Whether the house brings its own engine.
    pub fn is_embedded(&self) -> bool {
        self.store.is_none()
    }

    /// A command line of the program, with none of the settings that the tests themselves were started with.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_footfall"));
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("FOOTFALL_") && text != "FOOTFALL_ENGINE_LIB" {
                command.env_remove(&name);
            }
        }
        if let Some(store) = &self.store {
            command.env(STORE, store);
        }
        command.args(args).env("FOOTFALL_DATA", self.data()).stdin(Stdio::null());
        command
    }

    /// Runs a command line to its end.
    pub fn run(&self, args: &[&str], settings: &[(&str, &str)]) -> Said {
        Running::start(self.command(args).envs(settings.iter().copied())).ended()
    }

    /// `footfall serve` on a free port.
    pub fn serve(&self, settings: &[(&str, &str)]) -> Server {
        let mut command = self.command(&["serve", "--port", "0"]);
        Server::start(command.envs(settings.iter().copied()))
    }

    /// `footfall serve` for machines that send much: no limits, a known key, addresses from the test.
    pub fn serve_openly(&self) -> Server {
        self.serve_openly_with(&[])
    }

    /// The same, with more settings.
    pub fn serve_openly_with(&self, settings: &[(&str, &str)]) -> Server {
        let open = [
            ("FOOTFALL_COLLECT_LIMIT", "off"),
            ("FOOTFALL_BITCAIN_LIMIT", "off"),
            ("FOOTFALL_API_LIMIT", "off"),
            ("FOOTFALL_LOG", "info,ingest=debug"),
            ("FOOTFALL_TRUSTED_PROXIES", "127.0.0.1"),
            ("FOOTFALL_ADMIN_KEY", ADMIN_KEY),
        ];
        self.serve(&[&open, settings].concat())
    }

    /// The processes of engines on this folder.
    pub fn engines(&self) -> Vec<u32> {
        let folder = self.data().join("clickhouse");
        let folder = folder.to_str().unwrap();
        let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        processes
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|pid: &u32| {
                std::fs::read(format!("/proc/{pid}/cmdline"))
                    .is_ok_and(|line| line.split(|byte| *byte == 0).any(|word| word == folder.as_bytes()))
            })
            .collect()
    }
}

/// A new database on a server.
fn database_of_its_own(server: &str) -> String {
    let mut url = url::Url::parse(server).unwrap();
    url.set_path(&format!("test_cli_{}", Uuid::new_v4().simple()));
    url.to_string()
}

/// What a process was told by an argument.
fn argument(pid: u32, name: &str) -> Option<String> {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let mut words = line.split(|byte| *byte == 0).skip_while(|word| *word != name.as_bytes());
    String::from_utf8(words.nth(1)?.to_vec()).ok()
}

impl Drop for Folder {
    /// An engine whose parent was killed ends by itself; one that does not is killed.
    fn drop(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.engines().is_empty() {
            if Instant::now() > deadline {
                self.engines().into_iter().for_each(|pid| signal("KILL", pid));
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Sends a signal to a process that the test started.
pub fn signal(name: &str, pid: u32) {
    let _ = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).stderr(Stdio::null()).status();
}

/// A command that runs. Dropped, it is killed and reaped.
pub struct Running(Option<Child>);

impl Running {
    pub fn start(command: &mut Command) -> Self {
        Self(Some(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()))
    }

    /// Waits for its end. What it says must fit into a pipe.
    pub fn ended(mut self) -> Said {
        Said::from(self.0.take().unwrap().wait_with_output().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(process) = &mut self.0 {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// A running house. Dropped, it is killed and reaped.
pub struct Server {
    process: Child,
    out: Arc<Mutex<String>>,
    log: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
    /// What it printed when it was open.
    pub welcome: String,
}

impl Server {
    fn start(command: &mut Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (out, reads_out) = gather(process.stdout.take().unwrap());
        let (log, reads_log) = gather(process.stderr.take().unwrap());
        let readers = vec![reads_out, reads_log];
        let mut server = Self { process, out, log, readers, welcome: String::new() };
        let deadline = Instant::now() + PATIENCE;
        // The last line of what it says.
        while !server.out.lock().unwrap().contains("/api/v1/reports/pages?") {
            let ended = server.process.try_wait().unwrap();
            let overdue = Instant::now() > deadline;
            assert!(ended.is_none() && !overdue, "it did not start ({ended:?}): {}", server.log());
            std::thread::sleep(Duration::from_millis(10));
        }
        server.welcome.clone_from(&server.out.lock().unwrap());
        server
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Where it answers, as it printed it.
    pub fn url(&self) -> String {
        word_after(&self.welcome, "URL ")
    }

    /// The key that it printed.
    pub fn key(&self) -> String {
        word_after(&self.welcome, "Admin key ")
    }

    /// The id of the website whose snippet it printed.
    pub fn website(&self) -> String {
        let id = self.welcome.split("data-id=\"").nth(1).and_then(|rest| rest.split('"').next());
        id.expect("it prints a snippet").to_owned()
    }

    /// The command lines that it printed to be pasted.
    pub fn curl_lines(&self) -> Vec<&str> {
        self.welcome.lines().map(str::trim).filter(|line| line.starts_with("curl ")).collect()
    }

    /// Everything that it has logged.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until it logs this again; awake at once, since what comes next is a matter of a millisecond.
    pub fn wait_until_it_logs(&self, sentence: &str) {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = self.log.lock().unwrap().len();
        loop {
            {
                let log = self.log.lock().unwrap();
                if log[seen..].contains(sentence) {
                    return;
                }
                seen = log.len();
            }
            assert!(Instant::now() < deadline, "it does not say `{sentence}`: {}", self.log());
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    /// A request with a key.
    pub async fn ask(
        &self,
        key: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let mut request =
            Client::new().request(method, format!("{}{path}", self.url())).header("x-api-key", key);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    }

    /// A new website.
    pub async fn add_website(&self, key: &str, domain: &str, timezone: &str) -> String {
        let body = json!({ "domain": domain, "timezone": timezone });
        let (status, answer) = self.ask(key, Method::POST, "/api/v1/websites", Some(body)).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        answer["data"]["id"].as_str().unwrap().to_owned()
    }

    /// A report's data; `query` is what follows `/reports/`, up to the website.
    pub async fn report(&self, key: &str, website: &str, query: &str) -> Value {
        let path = format!("/api/v1/reports/{query}&website_id={website}");
        let (status, answer) = self.ask(key, Method::GET, &path, None).await;
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        answer["data"].clone()
    }

    /// A value of the summary.
    pub async fn summary(&self, key: &str, website: &str, period: &str, metric: &str) -> f64 {
        let data = self.report(key, website, &format!("summary?{period}")).await;
        data["metrics"][metric]["value"].as_f64().unwrap()
    }

    /// Waits until everything that is in the stream is in the store.
    pub async fn settle(&self, key: &str, website: &str) {
        let deadline = Instant::now() + PATIENCE;
        let path = format!("/api/v1/import?website_id={website}&wait=true");
        loop {
            let (status, answer) = self.ask(key, Method::POST, &path, None).await;
            assert_eq!(status, StatusCode::OK, "{answer}");
            if answer["data"]["loaded"] == json!(true) {
                return;
            }
            assert!(Instant::now() < deadline, "the stream is never loaded: {}", self.log());
        }
    }

    /// SIGKILL: it has no moment to put anything in order.
    pub fn kill(mut self) {
        self.process.kill().unwrap();
        assert_eq!(self.process.wait().unwrap().signal(), Some(9), "it was alive until now: {}", self.log());
    }

    /// Waits until it ends by itself, by the failpoint that it was started with. All that it logged.
    pub fn wait_until_it_dies(mut self) -> String {
        let deadline = Instant::now() + PATIENCE;
        while self.process.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "it does not come to its failpoint: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        let status = self.process.wait().unwrap();
        assert_eq!(status.signal(), Some(6), "it ended otherwise ({status}): {}", self.log());
        self.log()
    }

    /// SIGTERM; how it ended, and all that it logged.
    pub fn terminate(mut self, patience: Duration) -> (ExitStatus, String) {
        signal("TERM", self.pid());
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                for reader in self.readers.drain(..) {
                    reader.join().unwrap();
                }
                return (status, self.log());
            }
            assert!(Instant::now() < deadline, "it did not end within {patience:?}: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Reads to the end, on a thread of its own.
pub fn gather(pipe: impl Read + Send + 'static) -> (Arc<Mutex<String>>, JoinHandle<()>) {
    let text = Arc::new(Mutex::new(String::new()));
    let gathered = Arc::clone(&text);
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let mut text = gathered.lock().unwrap();
            text.push_str(&line);
            text.push('\n');
        }
    });
    (text, reader)
}

fn word_after(text: &str, label: &str) -> String {
    let rest = text.lines().find_map(|line| line.trim().strip_prefix(label)).unwrap_or_default();
    rest.split_whitespace().next().unwrap_or_default().to_owned()
}
