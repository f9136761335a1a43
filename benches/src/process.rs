//! Programs that are measured: each in a process of its own, on a processor of its own.

use std::ffi::OsStr;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

/// How long a program may take until it listens: migrations, a broker's start.
const PATIENCE: Duration = Duration::from_mins(2);

/// Which processors the measured program and everything else run on.
#[derive(Debug, Clone, Copy)]
pub struct Places {
    measured: usize,
    others: usize,
}

impl Places {
    /// The first two processors that this process may use; with one there is no choice.
    pub fn find() -> anyhow::Result<Self> {
        let status = std::fs::read_to_string("/proc/self/status").context("/proc cannot be read")?;
        let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        let mut allowed = list.unwrap_or("0").trim().split(',').flat_map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            first.parse::<usize>().unwrap_or(0)..=last.parse::<usize>().unwrap_or(0)
        });
        let measured = allowed.next().unwrap_or(0);
        Ok(Self { measured, others: allowed.next().unwrap_or(measured) })
    }

    /// Moves this process, and whatever it starts from here on, to the second processor.
    pub fn take_mine(self) -> anyhow::Result<()> {
        let own = std::process::id().to_string();
        let moved = Command::new("taskset")
            .args(["-apc", &self.others.to_string(), &own])
            .stdout(Stdio::null())
            .status()
            .context("taskset, of util-linux, cannot be run")?;
        anyhow::ensure!(moved.success(), "this process could not be moved to processor {}", self.others);
        Ok(())
    }

    /// Where things run, in words.
    pub fn told(self) -> &'static str {
        if self.measured == self.others {
            "everything on the one processor that there is"
        } else {
            "the measured process on one processor, everything else (load, store, broker) on another"
        }
    }
}

/// A measured program that listens on a port of the loopback address. Killed when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    port: u16,
}

impl Server {
    /// Starts a program that listens on `port`, on the processor of what is measured, and waits until it does. What it
    /// says goes to `log`.
    pub fn start(
        places: Places,
        program: impl AsRef<OsStr>,
        port: u16,
        log: &Path,
        configure: impl FnOnce(&mut Command) -> &mut Command,
    ) -> anyhow::Result<Self> {
        let file = File::create(log).with_context(|| format!("{} cannot be made", log.display()))?;
        let mut command = Command::new("taskset");
        command.args(["-c", &places.measured.to_string()]).arg(program);
        configure(&mut command).stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let mut server = Self { child: command.spawn().context("a program cannot be started")?, port };
        let began = Instant::now();
        while TcpStream::connect(server.address()).is_err() {
            if let Some(ended) = server.child.try_wait()? {
                bail!("it ended ({ended}):\n{}", std::fs::read_to_string(log).unwrap_or_default());
            }
            anyhow::ensure!(began.elapsed() < PATIENCE, "nobody listens on port {port}");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Its id. `taskset` replaces itself by the program.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody listens on now.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// A program of the workspace, beside this one.
pub fn beside(name: &str) -> anyhow::Result<std::path::PathBuf> {
    let own = std::env::current_exe().context("this program's own path is unknown")?;
    let program = own.with_file_name(name);
    anyhow::ensure!(program.is_file(), "{} is not built", program.display());
    Ok(program)
}
