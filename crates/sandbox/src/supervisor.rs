//! Starts the child, and starts it again, on the same ports and folder, whenever it dies.

use std::{
    io,
    net::TcpListener,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use tokio::{
    sync::{oneshot, watch},
    time::sleep,
};

use crate::{
    EngineError, Health,
    process::{Child, Plan},
};

/// How often free ports are chosen anew when another program was faster.
const PORT_ATTEMPTS: u32 = 5;
/// A child that lived this long was well, and its death starts a new count.
const WELL: Duration = Duration::from_secs(50);
/// Deaths in quick succession after which there is no hope.
const HOPELESS: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The first start. `plan`'s ports are the caller's, or 0 for free ones; the plan that comes back has both.
pub(crate) async fn start(mut plan: Plan) -> Result<(Plan, Child), EngineError> {
    let wanted = (plan.args.http_port, plan.args.tcp_port);
    for _ in 0..PORT_ATTEMPTS {
        let no_port = |source| EngineError::system("no free port can be had", source);
        (plan.args.http_port, plan.args.tcp_port) = choose_ports(wanted).map_err(no_port)?;
        match Child::start(&plan).await {
            Ok(child) => return Ok((plan, child)),
            Err(EngineError::PortTaken(port)) if port != wanted.0 && port != wanted.1 => {
                tracing::info!(port, "Another program took the chosen port first; others are tried.");
            }
            Err(error) => return Err(error),
        }
    }
    Err(EngineError::NoPort(PORT_ATTEMPTS))
}

/// Both ports are bound at once, so that they differ, and released for the child to bind.
fn choose_ports(wanted: (u16, u16)) -> io::Result<(u16, u16)> {
    let free = || TcpListener::bind(("127.0.0.1", 0));
    let (http, tcp) = (free()?, free()?);
    let chosen = |wanted, free: &TcpListener| match wanted {
        0 => free.local_addr().map(|address| address.port()),
        port => Ok(port),
    };
    Ok((chosen(wanted.0, &http)?, chosen(wanted.1, &tcp)?))
}

/// Watches the child until `stop` is told or dropped, or until there is no hope.
pub(crate) async fn supervise(
    plan: Plan,
    first: Child,
    mut stop: oneshot::Receiver<()>,
    health: &watch::Sender<Health>,
    pid: &AtomicU32,
) -> Result<(), EngineError> {
    let mut backoff = Backoff::default();
    let mut current = Some(first);
    loop {
        let (age, reason) = match current.take() {
            Some(mut child) => {
                pid.store(child.id().unwrap_or_default(), Ordering::Release);
                health.send_replace(Health::Running);
                let status = tokio::select! {
                    _ = &mut stop => return child.stop().await,
                    status = child.ended() => status,
                };
                pid.store(0, Ordering::Release);
                let last_words = child.last_words().await;
                tracing::error!(status, ?last_words, "The engine died.");
                (child.age(), format!("the engine died ({status})"))
            }
            None => {
                let outcome = tokio::select! {
                    _ = &mut stop => return Ok(()),
                    outcome = Child::start(&plan) => outcome,
                };
                match outcome {
                    Ok(child) => {
                        tracing::info!("The engine runs again.");
                        current = Some(child);
                        continue;
                    }
                    Err(error) => {
                        tracing::error!(%error, "The engine could not be started again.");
                        (Duration::ZERO, error.to_string())
                    }
                }
            }
        };
        let Some(pause) = backoff.after(age) else {
            tracing::error!(deaths = HOPELESS, "The engine died too often; it is not started again.");
            health.send_replace(Health::Failed(reason));
            return Ok(());
        };
        health.send_replace(Health::Restarting);
        tokio::select! {
            _ = &mut stop => return Ok(()),
            () = sleep(pause) => {}
        }
    }
}

/// How long to wait before the next start: longer with every quick death.
#[derive(Debug, Default)]
struct Backoff {
    deaths: u32,
}

impl Backoff {
    /// The pause after a child that lived for `age`; `None` when there is no hope.
    fn after(&mut self, age: Duration) -> Option<Duration> {
        self.deaths = if age >= WELL { 1 } else { self.deaths + 1 };
        (self.deaths < HOPELESS).then(|| LONGEST_PAUSE.min(FIRST_PAUSE * 2_u32.pow(self.deaths - 1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quick_deaths_wait_longer_each_time_and_then_end() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> =
            (0..HOPELESS).map(|_| backoff.after(Duration::ZERO).map(|p| p.as_millis())).collect();
        assert_eq!(pauses, [Some(100), Some(200), Some(400), Some(800), Some(1600), None]);
    }

    #[test]
    fn a_long_life_starts_the_count_anew() {
        let mut backoff = Backoff::default();
        backoff.after(Duration::ZERO);
        backoff.after(Duration::ZERO);
        assert_eq!(backoff.after(WELL), Some(FIRST_PAUSE));
    }

    #[test]
    fn chosen_ports_differ_and_wanted_ones_stay() {
        let (http, tcp) = choose_ports((0, 0)).expect("ports");
        assert!(http != 0 && tcp != 0 && http != tcp);
        assert_eq!(choose_ports((4, 5)).expect("ports"), (4, 5));
    }
}
