//! The master key, and the keys made from it: one secret to keep, one purpose per key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use thiserror::Error;
use zeroize::Zeroizing;

/// 256 secret bits that everything else secret hangs on: losing them loses the API keys' copies and the visitors'
/// and partitions' hashes. Never shown by `Debug`.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

/// A text that is not a master key.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("expected 32 random bytes, as 64 hexadecimal digits or as base64")]
pub struct MasterKeyError;

impl MasterKey {
    /// A new random key.
    pub fn generate() -> std::io::Result<Self> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut_slice()).map_err(|error| std::io::Error::other(error.to_string()))?;
        Ok(Self(bytes))
    }

    /// Reads 64 hexadecimal digits or base64 of 32 bytes.
    pub fn parse(text: &str) -> Result<Self, MasterKeyError> {
        let text = text.trim();
        let bytes = if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            (0..64).step_by(2).filter_map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
        } else {
            STANDARD.decode(text).map_err(|_| MasterKeyError)?
        };
        Ok(Self(Zeroizing::new(bytes.try_into().map_err(|_| MasterKeyError)?)))
    }

    /// The key as base64, for the one file that keeps it.
    pub fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.0.as_slice()))
    }

    /// The key for one purpose: `HMAC-SHA256(master key, purpose)`. Purposes are never reused.
    pub fn derive(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(keyed_hash(self.0.as_slice(), &[purpose.as_bytes()]))
    }
}

/// Turns the user ids of callers into visitors, the same ones on every day. Shared by who stores them and who erases them.
pub struct UserIds(Zeroizing<[u8; 32]>);

impl UserIds {
    /// With the master key that collectors have.
    pub fn new(master: &MasterKey) -> Self {
        Self(master.derive("identified visitors"))
    }

    /// The visitor that a user of a website is; never 0, which means nobody.
    pub fn visitor(&self, website: &[u8], user_id: &str) -> u64 {
        first_64_bits(&keyed_hash(self.0.as_slice(), &[website, user_id.as_bytes()])).max(1)
    }
}

/// `HMAC-SHA256(key, parts)`, each part preceded by its length as 8 bytes, so that no two lists of parts are alike.
pub fn keyed_hash(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // An HMAC takes a key of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// The first 64 bits of a hash.
pub fn first_64_bits(hash: &[u8; 32]) -> u64 {
    hash.iter().take(8).fold(0, |bits, byte| bits << 8 | u64::from(*byte))
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

impl std::str::FromStr for MasterKey {
    type Err = MasterKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_in_both_forms_and_never_shown() {
        let hex = "00".repeat(31) + "ff";
        let key = MasterKey::parse(&hex).unwrap();
        assert_eq!(MasterKey::parse(&key.to_base64()).unwrap().derive("a"), key.derive("a"));
        assert_ne!(key.derive("a"), key.derive("b"));
        assert_eq!(format!("{key:?}"), "MasterKey(…)");
        assert!(MasterKey::parse("short").is_err());
    }

    #[test]
    fn parts_cannot_be_shifted_into_each_other() {
        assert_ne!(keyed_hash(b"k", &[b"ab", b"c"]), keyed_hash(b"k", &[b"a", b"bc"]));
    }
}
