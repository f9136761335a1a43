//! Which hits go on at all: whoever asks a website not to be tracked, and is heard there, leaves nothing behind.

use crate::hit::Hit;

/// Why a hit is dropped: nothing of it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The visitor asked not to be tracked, and the website respects that.
    OptedOut,
}

impl Reason {
    /// The reason in one word, for counting.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OptedOut => "opted_out",
        }
    }
}

/// Refuses what is not to be stored.
pub fn admit(hit: &Hit) -> Result<(), Reason> {
    if hit.opts_out && hit.website.respect_dnt {
        return Err(Reason::OptedOut);
    }
    Ok(())
}
