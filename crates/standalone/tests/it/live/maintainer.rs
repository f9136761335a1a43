//! A maintainer as a process of its own, which can be killed: the program's own commands, and the test's program run once
//! more with rollups that the program does not have.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use schema::epochs::EpochError;
use schema::maintain::{Maintainer, Range};
use schema::migrate::{self, LockTimes, MIGRATIONS, MigrateError};
use schema::rollup::change::Silent;
use schema::rollup::{ROLLUPS, Rollup, RollupError};
use schema::store::StoreUrl;

use crate::cli::process::{PATIENCE, Running, Said};

/// What the test's program is told when it is a maintainer: the store, what to do, and with which rollups.
const STORE: &str = "FOOTFALL_TEST_MAINTAINER";
const WORK: &str = "FOOTFALL_TEST_WORK";
const VERSION: &str = "FOOTFALL_TEST_VERSION";

/// What the maintainer that is the test's program does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Rollups that the house does not know, changed to a version.
    Strange,
    /// The same, verified.
    VerifyStrange,
    /// The house's own rollups, changed to a version, as a later release does.
    Own,
    /// The same, verified.
    VerifyOwn,
}

impl Work {
    pub fn rollups(self, version: u32) -> &'static [Rollup] {
        let rollups: Vec<_> = ROLLUPS.iter().filter_map(|rollup| self.rollup(rollup, version)).collect();
        rollups.leak()
    }

    fn rollup(self, rollup: &Rollup, version: u32) -> Option<Rollup> {
        let name = match (self, rollup.name) {
            (Self::Own | Self::VerifyOwn, name) => name,
            (_, "pages") => "strange_pages",
            (_, "site_totals") => "strange_totals",
            (_, "sources") => "strange_sources",
            _ => return None,
        };
        // Its version is in its text, as it would be.
        let sql = format!("-- {version}\n{}", rollup.sql);
        Some(Rollup { name, version, sql: sql.leak() })
    }

    fn name(self) -> String {
        format!("{self:?}")
    }
}

/// The command of a maintainer with other rollups than the house's.
pub fn other(store: &str, work: Work, version: u32) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "live::maintainer::at_work", "--nocapture"]);
    command.env(STORE, store).env(WORK, work.name()).env(VERSION, version.to_string()).stdin(Stdio::null());
    command
}

/// Runs a maintainer to its end, off the test's threads.
pub async fn run(mut command: Command) -> Said {
    tokio::task::spawn_blocking(move || Running::start(&mut command).ended()).await.unwrap()
}

/// Runs a maintainer for so long, and kills it; whether it was still at work.
pub async fn run_until(mut command: Command, time: Duration) -> bool {
    let mut process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    tokio::time::sleep(time).await;
    let at_work = process.try_wait().unwrap().is_none();
    let _ = process.kill();
    let _ = process.wait();
    at_work
}

/// A maintainer as a process of its own: the tests beside it start it. By itself it has nothing to do.
#[tokio::test]
async fn at_work() {
    let Ok(store) = std::env::var(STORE) else { return };
    let _ = rustls::crypto::ring::default_provider().install_default();
    let store = StoreUrl::parse(&store).unwrap();
    let version = std::env::var(VERSION).unwrap().parse().unwrap();
    let name = std::env::var(WORK).unwrap();
    let works = [Work::Strange, Work::VerifyStrange, Work::Own, Work::VerifyOwn];
    let work = works.into_iter().find(|work| work.name() == name).unwrap();
    let maintainer = Maintainer::with(store.clone(), MIGRATIONS, work.rollups(version), LockTimes::default());
    if matches!(work, Work::VerifyStrange | Work::VerifyOwn) {
        let findings = maintainer.verify(Range::default(), &mut Silent).await.unwrap();
        assert!(findings.is_clean() && findings.unsure.is_none(), "{findings:#?}");
        return;
    }
    migrate::up_with(&store, MIGRATIONS, work.rollups(version), LockTimes::default()).await.unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        match maintainer.finish(&mut Silent).await {
            Ok(_) => break,
            Err(MigrateError::Rollup(RollupError::Loaders(EpochError::Behind(behind)))) => {
                assert!(Instant::now() < deadline, "{behind:?}");
            }
            Err(error) => panic!("{error:?}"),
        }
    }
    maintainer.prune().await.unwrap();
}
