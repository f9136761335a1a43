//! The engine as its owner sees it: start, stop, where it listens, how it is.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use tokio::sync::{oneshot, watch};

use crate::{
    EngineError, EngineOptions,
    child::ChildArgs,
    library,
    process::Plan,
    supervisor::{start, supervise},
};

/// How the engine is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It serves.
    Running,
    /// It died and is being started again, on the same ports.
    Restarting,
    /// It died too often and is not started again; the text says how it died last.
    Failed(String),
}

/// A running ClickHouse server. It restarts by itself when it dies.
///
/// Dropping it stops the server too, in order but unobserved; [`Engine::stop`] waits.
#[derive(Debug)]
pub struct Engine {
    http_port: u16,
    tcp_port: u16,
    pid: Arc<AtomicU32>,
    health: watch::Receiver<Health>,
    stop: oneshot::Sender<()>,
    done: oneshot::Receiver<Result<(), EngineError>>,
}

impl Engine {
    /// Starts the engine and waits until it answers. A folder that another engine owns is refused within about a second,
    /// but one whose owner was just killed is waited for, up to 17 s. Dropping the future stops what it has started.
    ///
    /// The supervisor has a thread and a runtime of its own, so the engine may outlive the runtime that started it.
    pub async fn start(options: EngineOptions) -> Result<Engine, EngineError> {
        let plan = plan(options)?;
        let (stop, stopped) = oneshot::channel();
        let (report, started) = oneshot::channel();
        let (finish, done) = oneshot::channel();
        let (set_health, health) = watch::channel(Health::Running);
        let pid = Arc::new(AtomicU32::new(0));

        let for_thread = Arc::clone(&pid);
        let supervisor = move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(source) => {
                    let _ = report.send(Err(EngineError::system("the supervisor cannot run", source)));
                    return;
                }
            };
            runtime.block_on(run(plan, stopped, report, finish, set_health, for_thread));
        };
        thread::Builder::new()
            .name("engine-supervisor".to_owned())
            .spawn(supervisor)
            .map_err(|source| EngineError::system("the supervisor's thread cannot be started", source))?;

        let (http_port, tcp_port) = started
            .await
            .unwrap_or_else(|_| Err(EngineError::Setup("the engine's supervisor ended".to_owned())))?;
        Ok(Engine { http_port, tcp_port, pid, health, stop, done })
    }

    /// The HTTP interface: `http://127.0.0.1:PORT`.
    pub fn http_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.http_port)
    }

    /// The port of the native protocol on 127.0.0.1.
    pub fn tcp_port(&self) -> u16 {
        self.tcp_port
    }

    /// The process id of the child; `None` while it is being started again.
    pub fn pid(&self) -> Option<u32> {
        Some(self.pid.load(Ordering::Acquire)).filter(|pid| *pid != 0)
    }

    /// How the engine is at this moment.
    pub fn health(&self) -> Health {
        self.health.borrow().clone()
    }

    /// How the engine is, as a stream of changes.
    pub fn watch_health(&self) -> watch::Receiver<Health> {
        self.health.clone()
    }

    /// Stops the engine in order and waits for its end: at most 20 s, after which it is killed, and says so.
    ///
    /// ClickHouse gives open connections 5 s, also idle ones; so whoever drops their clients first stops at once.
    pub async fn stop(self) -> Result<(), EngineError> {
        let Engine { stop, done, .. } = self;
        // Either way the supervisor hears of it.
        let _ = stop.send(());
        done.await.unwrap_or(Ok(()))
    }
}

async fn run(
    plan: Plan,
    mut stopped: oneshot::Receiver<()>,
    report: oneshot::Sender<Result<(u16, u16), EngineError>>,
    finish: oneshot::Sender<Result<(), EngineError>>,
    health: watch::Sender<Health>,
    pid: Arc<AtomicU32>,
) {
    let outcome = tokio::select! {
        // Nobody waits for the engine any more. The child, if there is one, loses its stdin with the future.
        _ = &mut stopped => return,
        outcome = start(plan) => outcome,
    };
    match outcome {
        Ok((plan, child)) => {
            pid.store(child.id().unwrap_or_default(), Ordering::Release);
            let _ = report.send(Ok((plan.args.http_port, plan.args.tcp_port)));
            let outcome = supervise(plan, child, stopped, &health, &pid).await;
            if let Err(error) = &outcome {
                tracing::error!(%error, "The engine did not stop in order.");
            }
            let _ = finish.send(outcome);
        }
        Err(error) => {
            let _ = report.send(Err(error));
        }
    }
}

fn plan(options: EngineOptions) -> Result<Plan, EngineError> {
    let data = std::path::absolute(&options.data)
        .map_err(|source| EngineError::system(format!("{} is no folder", options.data.display()), source))?;
    Ok(Plan {
        command: options.child,
        args: ChildArgs {
            data,
            library: library::find(options.library)?,
            http_port: options.http_port.unwrap_or(0),
            tcp_port: options.tcp_port.unwrap_or(0),
            query_log: options.query_log,
            fsync: options.fsync,
            clusters: options.clusters,
            remove_data: options.remove_data,
            memory_limit: options.memory_limit,
        },
    })
}
