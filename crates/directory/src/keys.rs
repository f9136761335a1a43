//! API keys: made, recognised by their hash, and kept as a sealed copy for the one endpoint that shows them again.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use service::MasterKey;
use sha2::{Digest, Sha256};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::bounds;
use crate::error::DirectoryError;

/// What the house's own keys begin with, so that a leaked one is recognised.
const PREFIX: &str = "tt_";

const NONCE_BYTES: usize = 24;

/// An API key in the clear. `Display` gives the text, `Debug` does not; it is wiped from memory when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(Zeroizing<String>);

impl ApiKey {
    /// A new key: `tt_` and 256 random bits.
    pub(crate) fn generate() -> Result<Self, DirectoryError> {
        let mut bits = Zeroizing::new([0; 32]);
        fill(bits.as_mut_slice())?;
        Ok(Self::of_bits(&bits))
    }

    /// The key with these bits, which nobody can guess.
    pub(crate) fn of_bits(bits: &[u8; 32]) -> Self {
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + 43));
        text.push_str(PREFIX);
        URL_SAFE_NO_PAD.encode_string(bits, &mut text);
        Self(text)
    }

    /// A key that was chosen elsewhere; `variable` is where it was given. It must be able to travel in a header.
    pub(crate) fn given(variable: &'static str, text: &str) -> Result<Self, DirectoryError> {
        let refuse = |message| Err(DirectoryError::invalid(variable, message));
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return refuse(format!("{variable} must consist of printable ASCII characters without spaces."));
        }
        if text.len() < bounds::GIVEN_KEY_MIN || text.len() > bounds::KEY_MAX {
            let (least, most) = (bounds::GIVEN_KEY_MIN, bounds::KEY_MAX);
            return refuse(format!("{variable} must have {least} to {most} characters."));
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// What the key is recognised by.
    pub(crate) fn hash(&self) -> KeyHash {
        KeyHash::of(&self.0)
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

/// The SHA-256 of a key. Keys have 256 random bits, so no salt or slow hash is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct KeyHash([u8; 32]);

impl KeyHash {
    pub(crate) fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }

    /// Reads 64 hexadecimal digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits: Vec<u8> =
            text.chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect::<Option<_>>()?;
        let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
        if digits.len() != 64 {
            return None;
        }
        Some(Self(bytes.try_into().ok()?))
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Seals copies of keys and opens them again. A copy opens only for the user it was made for.
pub(crate) struct Sealer(XChaCha20Poly1305);

impl Sealer {
    pub(crate) fn new(master: &MasterKey) -> Self {
        Self(XChaCha20Poly1305::new(&(*master.derive("api-key copies")).into()))
    }

    /// Random nonce and ciphertext, as base64.
    pub(crate) fn seal(&self, key: &ApiKey, user: Uuid) -> Result<String, DirectoryError> {
        let mut nonce = [0; NONCE_BYTES];
        fill(&mut nonce)?;
        let payload = Payload { msg: key.0.as_bytes(), aad: user.as_bytes() };
        let sealed = self.0.encrypt(&XNonce::from(nonce), payload).map_err(|_| DirectoryError::Sealed)?;
        Ok(STANDARD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// The key in a sealed copy.
    pub(crate) fn open(&self, copy: &str, user: Uuid) -> Result<ApiKey, DirectoryError> {
        let bytes = STANDARD.decode(copy).map_err(|_| DirectoryError::Sealed)?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_BYTES>().ok_or(DirectoryError::Sealed)?;
        let payload = Payload { msg: sealed, aad: user.as_bytes() };
        let text = self.0.decrypt(&XNonce::from(*nonce), payload).map_err(|_| DirectoryError::Sealed)?;
        let text = String::from_utf8(text).map_err(|_| DirectoryError::Sealed)?;
        Ok(ApiKey(Zeroizing::new(text)))
    }
}

fn fill(bytes: &mut [u8]) -> Result<(), DirectoryError> {
    getrandom::fill(bytes).map_err(|error| DirectoryError::Random(std::io::Error::other(error.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VARIABLE: &str = "FOOTFALL_ADMIN_KEY";

    #[test]
    fn a_new_key_has_the_prefix_and_256_bits_and_is_like_no_other() {
        let (one, other) = (ApiKey::generate().unwrap(), ApiKey::generate().unwrap());
        let bits = one.to_string().strip_prefix("tt_").map(|text| URL_SAFE_NO_PAD.decode(text).unwrap());
        assert_eq!(bits.unwrap().len(), 32);
        assert_ne!(one, other);
    }

    #[test]
    fn debug_does_not_show_a_key() {
        assert_eq!(format!("{:?}", ApiKey::generate().unwrap()), "ApiKey(…)");
    }

    #[test]
    fn a_hash_is_the_sha_256_in_hexadecimal() {
        let hash = KeyHash::of("abc");
        assert_eq!(hash.to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(KeyHash::parse(&hash.to_string()), Some(hash));
        for text in ["", "ba78", &"g".repeat(64), &"0".repeat(65), &"0".repeat(66), &"ü".repeat(64)] {
            assert_eq!(KeyHash::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_given_key_is_long_enough_and_fits_into_a_header() {
        let given = |text: &str| ApiKey::given(VARIABLE, text);
        assert_eq!(given("0123456789abcdef").unwrap().to_string(), "0123456789abcdef");
        for text in ["", "0123456789abcde", "0123456789 abcdef", "0123456789abcdéf", &"a".repeat(257)] {
            assert!(given(text).unwrap_err().to_string().starts_with(VARIABLE), "{text}");
        }
    }

    #[test]
    fn a_copy_opens_only_for_its_user_and_under_its_master_key() {
        let (user, key) = (Uuid::new_v4(), ApiKey::generate().unwrap());
        let sealer = Sealer::new(&MasterKey::generate().unwrap());
        let copy = sealer.seal(&key, user).unwrap();
        assert_eq!(sealer.open(&copy, user).unwrap(), key);
        assert!(!copy.contains(&key.to_string()));
        assert_ne!(sealer.seal(&key, user).unwrap(), copy, "the nonce is new each time");

        assert!(matches!(sealer.open(&copy, Uuid::new_v4()), Err(DirectoryError::Sealed)));
        let stranger = Sealer::new(&MasterKey::generate().unwrap());
        assert!(matches!(stranger.open(&copy, user), Err(DirectoryError::Sealed)));
        for broken in ["", "?", "AAAA", &copy[..copy.len() - 4]] {
            assert!(matches!(sealer.open(broken, user), Err(DirectoryError::Sealed)), "{broken}");
        }
    }
}
