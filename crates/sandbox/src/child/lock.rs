//! Who owns the data folder. The child holds the lock for its whole life, so that the lock says who really has the folder
//! open, whatever became of the parent.

use std::{
    fs::{self, File, TryLockError},
    io,
    os::unix::{fs::FileExt, process::parent_id},
    path::{Path, PathBuf},
    process, thread,
    time::{Duration, Instant},
};

use super::chdb;

/// How long an engine whose parent is gone may take to let go of the folder.
const PATIENCE: Duration = Duration::from_secs(17);
/// How long it may take to notice that its parent is gone.
const NOTICE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(50);

/// The lock of one data folder; dropped with the process.
pub(crate) struct FolderLock(File);

pub(crate) enum Refusal {
    /// Another Footfall has the folder; the sentence says which.
    InUse(String),
    /// The parent no longer wants the folder.
    Stopped,
    System(io::Error),
}

impl FolderLock {
    /// Locks the folder. One that belongs to a Footfall that is there to stay is refused within a second or so; one whose
    /// owner died is waited for, as long as its engine may need to stop.
    pub(crate) fn take(folder: &Path, stopped: impl Fn() -> bool) -> Result<FolderLock, Refusal> {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path(folder))
            .map_err(Refusal::System)?;
        let begun = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(Refusal::System(error)),
            }
            if stopped() {
                return Err(Refusal::Stopped);
            }
            let holder = Holder::read(folder);
            let leaving =
                holder.as_ref().is_none_or(|holder| holder.stopping || !chdb::is_alive(holder.owner));
            if begun.elapsed() > if leaving { PATIENCE } else { NOTICE } {
                let owner = holder.map(|holder| format!(" (pid {})", holder.owner)).unwrap_or_default();
                let folder = folder.display();
                return Err(Refusal::InUse(format!(
                    "the data folder {folder} is in use by another Footfall{owner}"
                )));
            }
            thread::sleep(PAUSE);
        }
        let lock = FolderLock(file);
        lock.write("running").map_err(Refusal::System)?;
        Ok(lock)
    }

    /// Tells who waits for the folder that it will be free soon. Failing to is no harm: they also watch our parent.
    pub(crate) fn say_stopping(&self) {
        let _ = self.write("stopping");
    }

    fn write(&self, state: &str) -> io::Result<()> {
        let text = format!("owner {}\nengine {}\nstate {state}\n", parent_id(), process::id());
        self.0.write_all_at(text.as_bytes(), 0)?;
        self.0.set_len(text.len() as u64)
    }
}

/// The process id of the Footfall that the folder's lock names, if it names one.
pub(crate) fn owner(folder: &Path) -> Option<u32> {
    Holder::read(folder).map(|holder| holder.owner)
}

fn path(folder: &Path) -> PathBuf {
    folder.join("footfall.lock")
}

struct Holder {
    owner: u32,
    stopping: bool,
}

impl Holder {
    fn read(folder: &Path) -> Option<Holder> {
        let text = fs::read_to_string(path(folder)).ok()?;
        let owner = text.lines().find_map(|line| line.strip_prefix("owner "))?.parse().ok()?;
        Some(Holder { owner, stopping: text.lines().any(|line| line == "state stopping") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(folder: &Path) -> Result<FolderLock, Refusal> {
        FolderLock::take(folder, || false)
    }

    #[test]
    fn a_folder_has_one_owner_and_the_refusal_names_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let _first = take(folder.path()).ok().expect("free");
        let Err(Refusal::InUse(sentence)) = take(folder.path()) else { panic!("locked twice") };
        assert_eq!(
            sentence,
            format!(
                "the data folder {} is in use by another Footfall (pid {})",
                folder.path().display(),
                parent_id()
            )
        );
    }

    #[test]
    fn a_folder_is_free_again_when_its_lock_is_dropped() {
        let folder = tempfile::tempdir().expect("a folder");
        drop(take(folder.path()).ok().expect("free"));
        assert!(take(folder.path()).is_ok());
    }

    #[test]
    fn an_owner_that_is_stopping_is_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = take(folder.path()).ok().expect("free");
        first.say_stopping();
        let leaving = thread::spawn(move || {
            thread::sleep(NOTICE + NOTICE / 2);
            drop(first);
        });
        assert!(take(folder.path()).is_ok());
        leaving.join().expect("no panic");
    }

    #[test]
    fn waiting_ends_when_the_parent_lets_go() {
        let folder = tempfile::tempdir().expect("a folder");
        let _first = take(folder.path()).ok().expect("free");
        assert!(matches!(FolderLock::take(folder.path(), || true), Err(Refusal::Stopped)));
    }
}
