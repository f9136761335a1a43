//! One run of the child process, from the parent's side.

use std::{
    io,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::{ChildStdin, Command},
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::{
    ChildCommand, EngineError,
    child::{self, ChildArgs},
    tail::{self, Tail},
};

/// How long a start may take: a long wait for the folder's lock, and the loading of many tables.
const START_LIMIT: Duration = Duration::from_secs(100);
/// How long the orderly end may take. The child ends itself a little earlier.
const STOP_LIMIT: Duration = Duration::from_secs(20);
const PING_PAUSE: Duration = Duration::from_millis(20);

/// What every start of the child has in common.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) command: ChildCommand,
    pub(crate) args: ChildArgs,
}

/// A child that is ready to serve. Dropping it closes its stdin, which stops it in order, unobserved.
pub(crate) struct Child {
    process: tokio::process::Child,
    hold: Option<ChildStdin>,
    stderr: Option<JoinHandle<()>>,
    tail: Arc<Tail>,
    data: PathBuf,
    started: Instant,
}

impl Child {
    /// Starts the child and waits until it answers.
    pub(crate) async fn start(plan: &Plan) -> Result<Child, EngineError> {
        let mut command = Command::new(&plan.command.program);
        command
            .args(&plan.command.args)
            .args(plan.args.to_args())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C at a terminal is for the parent, which stops the child when it is done with it.
            .process_group(0);
        let mut process = command.spawn().map_err(|source| {
            EngineError::system(format!("{} cannot be started", plan.command.program.display()), source)
        })?;
        let tail = Arc::new(Tail::default());
        let mut child = Child {
            hold: process.stdin.take(),
            stderr: process.stderr.take().map(|stderr| tokio::spawn(keep_tail(stderr, Arc::clone(&tail)))),
            tail,
            data: plan.args.data.clone(),
            started: Instant::now(),
            process,
        };
        match timeout(START_LIMIT, child.ready(plan.args.http_port)).await {
            Ok(Ok(())) => Ok(child),
            Ok(Err(status)) => Err(child.why_it_ended(status, plan).await),
            Err(_) => {
                child.kill().await;
                Err(EngineError::Slow { waited: START_LIMIT, log: child.last_words().await })
            }
        }
    }

    /// Waits until the child says that its listeners are open, and then until it answers. The word comes first because
    /// an answer alone could be another program's, on a port that was taken under our hands.
    async fn ready(&mut self, http_port: u16) -> Result<(), io::Result<ExitStatus>> {
        let Some(stdout) = self.process.stdout.take() else { return Err(self.process.wait().await) };
        let mut lines = BufReader::new(stdout).split(b'\n');
        while let Ok(Some(line)) = lines.next_segment().await {
            if line == child::READY.as_bytes() {
                // Whatever else it prints must find a reader.
                tokio::spawn(async move { while let Ok(Some(_)) = lines.next_segment().await {} });
                return tokio::select! {
                    status = self.process.wait() => Err(status),
                    () = answer(http_port) => Ok(()),
                };
            }
        }
        Err(self.process.wait().await)
    }

    async fn why_it_ended(&mut self, status: io::Result<ExitStatus>, plan: &Plan) -> EngineError {
        let code = status.as_ref().ok().and_then(ExitStatus::code);
        if code == Some(i32::from(child::EXIT_IN_USE)) {
            let folder = self.data.clone();
            return EngineError::InUse { owner: child::owner(&folder), folder };
        }
        let log = self.last_words().await;
        let taken = |port: u16| {
            log.iter().any(|line| line.contains("already in use") && line.contains(&format!(":{port}")))
        };
        match [plan.args.http_port, plan.args.tcp_port].into_iter().find(|port| taken(*port)) {
            Some(port) => EngineError::PortTaken(port),
            None => EngineError::Died { status: in_words(status), log },
        }
    }

    /// The child's process id, while it runs.
    pub(crate) fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// How long ago it was started.
    pub(crate) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Waits for the child's unasked end and tells of it in the system's words. Safe to drop and ask again.
    pub(crate) async fn ended(&mut self) -> String {
        in_words(self.process.wait().await)
    }

    /// The last lines that it wrote, without any query's text. To be asked when it has ended.
    pub(crate) async fn last_words(&mut self) -> Vec<String> {
        if let Some(stderr) = self.stderr.take() {
            // The pipe may outlive the child in a process that inherited it; what was said is said.
            let _ = timeout(Duration::from_secs(1), stderr).await;
        }
        let mut words = tail::last_complaints(&child::log_path(&self.data));
        words.extend(self.tail.lines());
        words
    }

    /// Stops the child in order, or, when that takes too long, kills it.
    pub(crate) async fn stop(mut self) -> Result<(), EngineError> {
        drop(self.hold.take());
        match timeout(STOP_LIMIT, self.process.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(status) => {
                let status = in_words(status);
                let last_words = self.last_words().await;
                tracing::warn!(status, ?last_words, "The engine stopped, though not in order.");
                Ok(())
            }
            Err(_) => {
                self.kill().await;
                Err(EngineError::Killed(STOP_LIMIT))
            }
        }
    }

    async fn kill(&mut self) {
        // It fails only when the child has ended meanwhile, which is what was wanted.
        let _ = self.process.kill().await;
    }
}

fn in_words(status: io::Result<ExitStatus>) -> String {
    status.map_or_else(|error| format!("its end could not be observed: {error}"), |status| status.to_string())
}

async fn keep_tail(stderr: impl AsyncRead + Unpin, tail: Arc<Tail>) {
    let mut lines = BufReader::new(stderr).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        tail.push(&String::from_utf8_lossy(&line));
    }
}

/// Waits until the server on this port of loopback answers its health check.
async fn answer(port: u16) {
    while !matches!(ping(port).await, Ok(true)) {
        sleep(PING_PAUSE).await;
    }
}

async fn ping(port: u16) -> io::Result<bool> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(b"GET /ping HTTP/1.0\r\n\r\n").await?;
    let mut answer = Vec::new();
    stream.take(4096).read_to_end(&mut answer).await?;
    Ok(answer.ends_with(b"Ok.\n"))
}
