//! Where an address is, by a database in MaxMind's format; without one nothing is known.
//!
//! Two schemas are read: MaxMind's own (City, Country, Enterprise, and whoever copies it) and the flat one of free
//! databases, `{"country_code": "DE"}`. The file may be replaced while we run: [`Atlas::keep_fresh`] takes the new one.
//! A file is looked through before it is used, so that a damaged one is refused as a whole and not address by address.

use std::collections::HashSet;
use std::fs::{File, Metadata};
use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use maxminddb::{MaxMindDbError, PathElement, Reader, WithinOptions, geoip2};
use serde::Deserialize;
use service::Stop;
use thiserror::Error;

/// Bytes of a database, which is held in memory; the largest that is sold has a third of this.
const LARGEST: u64 = 1024 * 1024 * 1024;

/// Steps through the search tree before a file is used: all of a small one, and of a large one what a second allows.
const LOOKED_AT: usize = 200_000;

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

impl Place {
    /// The continent that the country lies on: `AF`, `AN`, `AS`, `EU`, `NA`, `OC` or `SA`. It follows from the country,
    /// so that it is the same for every database and is not stored.
    pub fn continent(&self) -> Option<&'static str> {
        dictionaries::continent(&self.country)
    }
}

/// A geo database that cannot be used.
#[derive(Debug, Error)]
pub enum AtlasError {
    /// The file is not there, or may not be read.
    #[error("the geo database {path} cannot be opened")]
    Missing {
        /// The file.
        path: String,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The file cannot be read as a MaxMind database, or is damaged.
    #[error("the geo database {path} cannot be read")]
    Unreadable {
        /// The file.
        path: String,
        /// What is wrong with it.
        #[source]
        source: MaxMindDbError,
    },
    /// The file holds something else than countries or cities.
    #[error("the geo database {path} is a {kind}; a country or city database is needed")]
    OtherSchema {
        /// The file.
        path: String,
        /// What it says it is.
        kind: String,
    },
    /// The file would not fit into memory.
    #[error("the geo database {path} has {size} bytes; at most {LARGEST} are read")]
    TooLarge {
        /// The file.
        path: String,
        /// Its size in bytes.
        size: u64,
    },
}

/// How the records of a database are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Schema {
    /// `{"country": {"iso_code": "DE"}, "city": {"names": {"en": "Berlin"}}, …}`
    MaxMind,
    /// `{"country_code": "DE"}`, perhaps with `"city": "Berlin"`.
    Flat,
}

/// A record of a flat database.
#[derive(Deserialize)]
struct Flat<'a> {
    country_code: &'a str,
    city: Option<&'a str>,
}

/// A file that was looked through.
struct Map {
    reader: Reader<Vec<u8>>,
    schema: Schema,
}

/// By what a file is known to be another than before.
type Stamp = (u64, Option<SystemTime>);

fn stamp(metadata: &Metadata) -> Stamp {
    (metadata.len(), metadata.modified().ok())
}

/// A geo database, or none.
#[derive(Default)]
pub struct Atlas {
    path: Option<PathBuf>,
    map: ArcSwapOption<Map>,
    /// Of the file that was read last, also where it could not be used: a bad file is complained of once.
    seen: Mutex<Option<Stamp>>,
}

impl Atlas {
    /// Knows nothing.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Opens a country or city database in MaxMind's format.
    pub fn open(path: &Path) -> Result<Self, AtlasError> {
        let (map, stamp) = Map::open(path)?;
        Ok(Self {
            path: Some(path.to_owned()),
            map: ArcSwapOption::from_pointee(map),
            seen: Mutex::new(Some(stamp)),
        })
    }

    /// Reads the file again if it is another than before; true when the new one is used from now on. After an error the
    /// old one is still used, and the same file is not tried again.
    pub fn refresh(&self) -> Result<bool, AtlasError> {
        let Some(path) = &self.path else { return Ok(false) };
        let now = std::fs::metadata(path).ok().map(|metadata| stamp(&metadata));
        {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if *seen == now {
                return Ok(false);
            }
            *seen = now;
        }
        let (map, read) = Map::open(path)?;
        self.map.store(Some(Arc::new(map)));
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(read);
        Ok(true)
    }

    /// Looks at the file at this interval and takes a new one, until the end.
    pub async fn keep_fresh(self: Arc<Self>, every: Duration, stop: Stop) {
        let Some(path) = self.path.clone() else { return };
        while stop.run_until_cancelled(tokio::time::sleep(every)).await.is_some() {
            let atlas = Arc::clone(&self);
            match tokio::task::spawn_blocking(move || atlas.refresh()).await {
                Ok(Ok(false)) => {}
                Ok(Ok(true)) => tracing::info!(path = %path.display(), "A new geo database is used."),
                Ok(Err(error)) => {
                    let error = anyhow::Error::from(error);
                    tracing::warn!(error = format!("{error:#}"), "The old geo database stays in use.");
                }
                Err(error) => tracing::error!(%error, "The geo database could not be looked at."),
            }
        }
    }

    /// The place of an address.
    pub fn place(&self, address: IpAddr) -> Place {
        let map = self.map.load();
        let Some(map) = map.as_deref() else { return Place::default() };
        map.place(address).ok().flatten().unwrap_or_default()
    }
}

impl Map {
    fn open(path: &Path) -> Result<(Self, Stamp), AtlasError> {
        let name = || path.display().to_string();
        let missing = |source| AtlasError::Missing { path: name(), source };
        let unreadable = |source| AtlasError::Unreadable { path: name(), source };
        let file = File::open(path).map_err(missing)?;
        let stamp = stamp(&file.metadata().map_err(missing)?);
        if stamp.0 > LARGEST {
            return Err(AtlasError::TooLarge { path: name(), size: stamp.0 });
        }
        let mut bytes = Vec::new();
        file.take(LARGEST).read_to_end(&mut bytes).map_err(missing)?;
        let reader = Reader::from_source(bytes).map_err(unreadable)?;
        let Some(schema) = schema(&reader).map_err(unreadable)? else {
            return Err(AtlasError::OtherSchema { path: name(), kind: kind(&reader) });
        };
        Ok((Self { reader, schema }, stamp))
    }

    fn place(&self, address: IpAddr) -> Result<Option<Place>, MaxMindDbError> {
        let found = self.reader.lookup(address.to_canonical())?;
        Ok(match self.schema {
            Schema::MaxMind => found.decode::<geoip2::City<'_>>()?.map(|city| Place {
                country: country(city.country.iso_code.unwrap_or_default()),
                region: city
                    .subdivisions
                    .first()
                    .and_then(|region| region.iso_code)
                    .unwrap_or_default()
                    .to_owned(),
                city: city.city.names.english.unwrap_or_default().to_owned(),
            }),
            Schema::Flat => found.decode::<Flat<'_>>()?.map(|record| Place {
                country: country(record.country_code),
                region: String::new(),
                city: record.city.unwrap_or_default().to_owned(),
            }),
        })
    }
}

/// A country's code in upper case; empty for what is none, such as `ZZ` or `None`.
fn country(code: &str) -> String {
    dictionaries::country_name(code).map_or_else(String::new, |_| code.to_ascii_uppercase())
}

/// What a database says that it is.
fn kind(reader: &Reader<Vec<u8>>) -> String {
    let kind = reader.metadata().database_type.as_str();
    if kind.is_empty() { "database without a type".to_owned() } else { format!("{kind} database") }
}

/// Looks through a database: how its records are written, none for what has no countries, an error where it is damaged.
fn schema(reader: &Reader<Vec<u8>>) -> Result<Option<Schema>, MaxMindDbError> {
    let kind = reader.metadata().database_type.to_ascii_lowercase();
    let is_named = ["city", "country", "enterprise"].iter().any(|word| kind.contains(word));
    let mut schema = is_named.then_some(Schema::MaxMind);
    let mut seen = HashSet::new();
    // With the empty networks, so that a tree which goes in circles ends at the bound too.
    let steps = WithinOptions::default().include_networks_without_data();
    for network in reader.networks(steps)?.take(LOOKED_AT) {
        let found = network?;
        // Many networks share a record, which is whole or not for all of them.
        let Some(offset) = found.offset() else { continue };
        if !seen.insert(offset) {
            continue;
        }
        if seen.len() == 1 && matches!(found.decode::<Flat<'_>>(), Ok(Some(_))) {
            schema = Some(Schema::Flat);
        }
        match schema {
            Some(Schema::MaxMind) => drop(found.decode::<geoip2::City<'_>>()?),
            Some(Schema::Flat) => drop(found.decode_path::<&str>(&[PathElement::Key("country_code")])?),
            None => return Ok(None),
        }
    }
    Ok(schema)
}
