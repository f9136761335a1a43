//! The child's side: a process that is ClickHouse for one data folder, for as long as its stdin stays open.

mod args;
mod chdb;
mod lock;
mod settings;

use std::{
    ffi::{CString, OsString},
    fs, io,
    io::Read,
    os::{
        fd::AsRawFd,
        unix::{ffi::OsStrExt, fs::DirBuilderExt},
    },
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

pub(crate) use args::ChildArgs;
pub(crate) use lock::owner;
use lock::{FolderLock, Refusal};

/// What the child prints to stdout once both listeners are open.
pub(crate) const READY: &str = "ready";
/// The exit code of a child whose data folder belongs to another.
pub(crate) const EXIT_IN_USE: u8 = 71;
/// The exit code of a child that could not run, having said why.
const EXIT_FAILED: u8 = 72;
/// The exit code of a child whose server did not stop in order.
const EXIT_STUCK: u8 = 73;
/// How long the server may take to stop in order.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// The server's own log within the data folder.
pub(crate) fn log_path(data: &Path) -> PathBuf {
    data.join("log/server.log")
}

/// Runs the engine's child process with the arguments that follow the subcommand, until its stdin closes. Only
/// [`Engine`](crate::Engine) writes these arguments. What fails is said on stderr.
pub fn engine_child_main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let outcome = ChildArgs::parse(args).map_err(Ending::Failed).and_then(|args| run(&args));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(ending) => {
            let (sentence, code) = match ending {
                Ending::InUse(sentence) => (sentence, EXIT_IN_USE),
                Ending::Failed(sentence) => (sentence, EXIT_FAILED),
            };
            eprintln!("footfall-engine: {sentence}");
            ExitCode::from(code)
        }
    }
}

enum Ending {
    InUse(String),
    Failed(String),
}

/// The parent's wish that the server stop, and the lock that tells newcomers about it.
#[derive(Default)]
struct Stop {
    asked: AtomicBool,
    lock: OnceLock<FolderLock>,
}

fn run(args: &ChildArgs) -> Result<(), Ending> {
    chdb::ignore_stop_signals();
    let stop = Arc::new(Stop::default());
    let hold = watch_parent(&stop).map_err(|error| failed("the parent cannot be watched", &error))?;

    create_private(&args.data).map_err(|error| failed("the data folder cannot be created", &error))?;
    let lock = FolderLock::take(&args.data, || stop.asked.load(Ordering::Acquire));
    match lock {
        Ok(lock) => drop(stop.lock.set(lock)),
        Err(Refusal::InUse(sentence)) => return Err(Ending::InUse(sentence)),
        Err(Refusal::Stopped) => return Ok(()),
        Err(Refusal::System(error)) => return Err(failed("the data folder cannot be locked", &error)),
    }

    settings::write(args).map_err(|error| failed("the server's settings cannot be written", &error))?;
    let argv = server_args(args, hold.as_raw_fd()).map_err(Ending::Failed)?;
    chdb::serve(&args.library, &argv).map_err(Ending::Failed)?;
    drop(hold);

    if !stop.asked.load(Ordering::Acquire) {
        return Err(Ending::Failed("the server ended by itself".to_owned()));
    }
    if args.remove_data {
        fs::remove_dir_all(&args.data)
            .map_err(|error| failed("the data folder cannot be removed", &error))?;
    }
    Ok(())
}

fn failed(what: &str, error: &io::Error) -> Ending {
    Ending::Failed(format!("{what}: {error}"))
}

/// Waits, on a thread of its own, for the end of stdin: the parent stopped us, or is gone however it went. Then the pipe
/// that the server reads from ends too, which stops it in order, or, when it takes too long, the process does.
///
/// `PR_SET_PDEATHSIG` would not do: it follows the thread that spawned us rather than its process, and leaves no time for
/// an orderly end.
fn watch_parent(stop: &Arc<Stop>) -> io::Result<io::PipeReader> {
    let (reader, writer) = io::pipe()?;
    let stop = Arc::clone(stop);
    thread::Builder::new().name("parent-watch".to_owned()).spawn(move || {
        let mut ignored = [0; 64];
        let mut stdin = io::stdin().lock();
        loop {
            match stdin.read(&mut ignored) {
                Ok(0) => break,
                Err(error) if error.kind() != io::ErrorKind::Interrupted => break,
                _ => {}
            }
        }
        stop.asked.store(true, Ordering::Release);
        if let Some(lock) = stop.lock.get() {
            lock.say_stopping();
        }
        drop(writer);
        thread::sleep(STOP_LIMIT);
        eprintln!("footfall-engine: the server did not stop within {} s", STOP_LIMIT.as_secs());
        chdb::exit_at_once(EXIT_STUCK)
    })?;
    Ok(reader)
}

/// Creates a folder, with its parents, that nobody but its owner may enter.
fn create_private(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// The command line of `clickhouse local` that makes it a server: it opens its listeners, says so, and then counts the
/// lines of a pipe that carries none and ends when the server shall.
fn server_args(args: &ChildArgs, hold: i32) -> Result<Vec<CString>, String> {
    let query = format!(
        "SYSTEM START LISTEN HTTP; SYSTEM START LISTEN TCP; \
         SELECT '{READY}' INTO OUTFILE '/dev/stdout' APPEND FORMAT TSVRaw; \
         SELECT count() FROM file('/dev/fd/{hold}', LineAsString)"
    );
    let store = args.data.join("store");
    let settings = settings::path(&args.data);
    let (http_port, tcp_port) = (args.http_port.to_string(), args.tcp_port.to_string());
    let words: [&[u8]; 15] = [
        b"clickhouse-local",
        b"--path",
        store.as_os_str().as_bytes(),
        b"--config-file",
        settings.as_os_str().as_bytes(),
        b"--log-level",
        b"information",
        b"--listen_host",
        b"127.0.0.1",
        b"--http_port",
        http_port.as_bytes(),
        b"--tcp_port",
        tcp_port.as_bytes(),
        b"--query",
        query.as_bytes(),
    ];
    words
        .into_iter()
        .map(|word| CString::new(word).map_err(|_| "the data folder's path holds a zero byte".to_owned()))
        .collect()
}
