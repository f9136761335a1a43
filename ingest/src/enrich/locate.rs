//! Where an address is, by a MaxMind database; without one nothing is known.

use std::net::IpAddr;
use std::path::Path;

use maxminddb::{Reader, geoip2};
use thiserror::Error;

/// A place; each part is empty when it is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// ISO 3166-1 alpha-2, upper case.
    pub country: String,
    /// ISO 3166-2 without the country.
    pub region: String,
    /// English name.
    pub city: String,
}

/// A geo database that cannot be used.
#[derive(Debug, Error)]
pub enum AtlasError {
    /// The file cannot be read as a MaxMind database.
    #[error("the geo database {path} cannot be read")]
    Unreadable {
        /// The file.
        path: String,
        /// What is wrong with it.
        #[source]
        source: maxminddb::MaxMindDbError,
    },
    /// The file holds something else than countries or cities.
    #[error("the geo database {path} is a {kind}; a country or city database is needed")]
    OtherSchema {
        /// The file.
        path: String,
        /// What it says it is.
        kind: String,
    },
}

/// A geo database, or none.
#[derive(Default)]
pub struct Atlas(Option<Reader<Vec<u8>>>);

impl Atlas {
    /// Knows nothing.
    pub fn empty() -> Self {
        Self(None)
    }

    /// Opens a country or city database in MaxMind's format.
    pub fn open(path: &Path) -> Result<Self, AtlasError> {
        let name = path.display().to_string();
        let reader = Reader::open_readfile(path)
            .map_err(|source| AtlasError::Unreadable { path: name.clone(), source })?;
        let kind = reader.metadata().database_type.clone();
        if !(kind.contains("City") || kind.contains("Country") || kind.contains("Enterprise")) {
            return Err(AtlasError::OtherSchema { path: name, kind });
        }
        Ok(Self(Some(reader)))
    }

    /// The place of an address.
    pub fn place(&self, address: IpAddr) -> Place {
        let Some(reader) = &self.0 else { return Place::default() };
        let Ok(found) = reader.lookup(address.to_canonical()) else { return Place::default() };
        let Ok(Some(city)) = found.decode::<geoip2::City<'_>>() else { return Place::default() };
        Place {
            country: city.country.iso_code.unwrap_or_default().to_owned(),
            region: city
                .subdivisions
                .first()
                .and_then(|region| region.iso_code)
                .unwrap_or_default()
                .to_owned(),
            city: city.city.names.english.unwrap_or_default().to_owned(),
        }
    }
}
