//! Named points at which a test ends the process at once, as `kill -9` would.
//!
//! `FOOTFALL_FAILPOINT=after_plan:3` ends it when the point `after_plan` is passed for the third time. Builds for
//! production (without debug assertions) have no failpoints.

/// Passes a point; ends the process when the environment says so. Nothing is flushed and nobody is told.
#[inline]
pub fn pass(point: &str) {
    #[cfg(debug_assertions)]
    if debug::is_due(point) {
        debug::end(point);
    }
    #[cfg(not(debug_assertions))]
    let _ = point;
}

/// Does a piece of work; ends the process in its midst when the environment says so.
pub async fn within<T>(point: &str, work: impl Future<Output = T>) -> T {
    #[cfg(debug_assertions)]
    if debug::is_due(point) {
        // Long enough to have begun, too short to have ended every time.
        let _ = tokio::time::timeout(std::time::Duration::from_millis(2), work).await;
        debug::end(point);
    }
    #[cfg(not(debug_assertions))]
    let _ = point;
    work.await
}

#[cfg(debug_assertions)]
mod debug {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    struct Armed {
        point: String,
        left: AtomicU32,
    }

    static ARMED: OnceLock<Option<Armed>> = OnceLock::new();

    /// True for the pass that the environment names.
    pub(super) fn is_due(point: &str) -> bool {
        let Some(armed) = ARMED.get_or_init(read) else { return false };
        armed.point == point && armed.left.fetch_sub(1, Ordering::SeqCst) == 1
    }

    pub(super) fn end(point: &str) -> ! {
        eprintln!("The failpoint {point} ends this process.");
        std::process::abort()
    }

    fn read() -> Option<Armed> {
        let text = std::env::var("FOOTFALL_FAILPOINT").ok()?;
        let (point, passes) = text.split_once(':').unwrap_or((&text, "1"));
        let left = passes.parse().ok().filter(|passes| *passes > 0)?;
        Some(Armed { point: point.to_owned(), left: AtomicU32::new(left) })
    }
}
