//! Settings from the environment. A failure names the variable.

use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

/// A variable that cannot be read.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{name}: {reason}")]
pub struct ConfigError {
    /// The variable.
    pub name: &'static str,
    /// What is wrong with it. Never holds the value: it may be a secret.
    pub reason: String,
}

/// Reads an optional variable; an empty one counts as unset.
pub fn read<T>(name: &'static str) -> Result<Option<T>, ConfigError>
where
    T: FromStr,
    T::Err: Display,
{
    match std::env::var(name) {
        Ok(text) if text.trim().is_empty() => Ok(None),
        Ok(text) => text
            .trim()
            .parse()
            .map(Some)
            .map_err(|error: T::Err| ConfigError { name, reason: error.to_string() }),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(ConfigError { name, reason: "it is not valid UTF-8".to_owned() })
        }
    }
}

/// The same, for values whose own words would not tell a person what is expected.
pub fn read_as<T: FromStr>(name: &'static str, expected: &str) -> Result<Option<T>, ConfigError> {
    read::<String>(name)?
        .map(|text| text.parse().map_err(|_| ConfigError { name, reason: format!("expected {expected}") }))
        .transpose()
}

/// `FOOTFALL_LISTEN`: the address to listen on; all of the machine's when it is not set.
pub fn listen() -> Result<IpAddr, ConfigError> {
    let listen = read_as("FOOTFALL_LISTEN", "an address such as 127.0.0.1 or ::")?;
    Ok(listen.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)))
}

/// `FOOTFALL_PORT`: the port to listen on; 8000 when it is not set, any that is free for 0.
pub fn port() -> Result<u16, ConfigError> {
    Ok(read_as("FOOTFALL_PORT", "a number from 0 to 65535")?.unwrap_or(8000))
}

/// Reads a variable that must be set.
pub fn require<T>(name: &'static str) -> Result<T, ConfigError>
where
    T: FromStr,
    T::Err: Display,
{
    read(name)?.ok_or_else(|| ConfigError { name, reason: "it must be set".to_owned() })
}

/// A rate as a setting: `10/10s` (ten requests in ten seconds, in a burst or spread), or `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// No limit.
    Off,
    /// At most `requests` per `per`.
    Limited {
        /// How many.
        requests: u32,
        /// In how much time; whole seconds.
        per: Duration,
    },
}

impl Rate {
    /// A rate of `requests` in `seconds`.
    pub const fn per_seconds(requests: u32, seconds: u64) -> Self {
        Self::Limited { requests, per: Duration::from_secs(seconds) }
    }
}

impl FromStr for Rate {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected a rate like 10/10s, or off";
        if text == "off" {
            return Ok(Self::Off);
        }
        let (requests, seconds) = text.split_once('/').ok_or(EXPECTED)?;
        let requests: u32 = requests.parse().map_err(|_| EXPECTED)?;
        let seconds: u64 = seconds.strip_suffix('s').ok_or(EXPECTED)?.parse().map_err(|_| EXPECTED)?;
        // A day is the longest period that a limiter is asked to remember.
        if requests == 0 || seconds == 0 || seconds > 86_400 {
            return Err(EXPECTED);
        }
        Ok(Self::per_seconds(requests, seconds))
    }
}

impl Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Limited { requests, per } => write!(f, "{requests}/{}s", per.as_secs()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_written_as_it_is_read() {
        for text in ["10/10s", "60/60s", "off"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for text in ["", "10", "10/10", "0/1s", "1/0s", "-1/1s", "10/10m", "OFF", "1/99999999s"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }
}
