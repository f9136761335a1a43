//! Places: of MaxMind's databases and of flat ones, of new files and of broken ones.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ingest::enrich::locate::{Atlas, AtlasError, Place};
use service::Stop;
use tempfile::TempDir;

use crate::mmdb::database;
use crate::world::collection;

fn place(atlas: &Atlas, address: &str) -> [String; 3] {
    let Place { country, region, city } = atlas.place(address.parse().unwrap());
    [country, region, city]
}

fn test_data() -> Option<PathBuf> {
    collection("geoip/test-data")
}

/// A folder of one's own with a database of one flat record.
fn with_country(code: &str) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("country.mmdb");
    std::fs::write(&path, database("country ipv4", &[("country_code", code)])).unwrap();
    (folder, path)
}

/// Replaces a file, and makes sure that its time says so.
fn replace(path: &Path, bytes: &[u8], seconds_later: u64) {
    std::fs::write(path, bytes).unwrap();
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_modified(std::time::SystemTime::now() + Duration::from_secs(seconds_later)).unwrap();
}

#[test]
fn cities_countries_and_enterprises_are_found() {
    let Some(folder) = test_data() else { return };
    for (file, address, expected) in [
        ("GeoIP2-City-Test.mmdb", "2.125.160.216", ["GB", "ENG", "Boxford"]),
        ("GeoIP2-City-Test.mmdb", "81.2.69.142", ["GB", "ENG", "London"]),
        ("GeoIP2-City-Test.mmdb", "89.160.20.112", ["SE", "E", "Linköping"]),
        ("GeoIP2-City-Test.mmdb", "::ffff:89.160.20.112", ["SE", "E", "Linköping"]),
        ("GeoIP2-City-Test.mmdb", "127.0.0.1", ["", "", ""]),
        ("GeoIP2-City-Test.mmdb", "2001:db8::1", ["", "", ""]),
        ("GeoLite2-City-Test.mmdb", "89.160.20.112", ["SE", "E", "Linköping"]),
        ("GeoIP2-Country-Test.mmdb", "2.125.160.216", ["GB", "", ""]),
        ("GeoLite2-Country-Test.mmdb", "89.160.20.112", ["SE", "", ""]),
        ("GeoIP2-Enterprise-Test.mmdb", "2.125.160.216", ["GB", "ENG", "Boxford"]),
        ("GeoIP2-Precision-Enterprise-Test.mmdb", "2.125.160.216", ["GB", "ENG", "Boxford"]),
    ] {
        let atlas = Atlas::open(&folder.join(file)).unwrap();
        assert_eq!(place(&atlas, address), expected, "{address} in {file}");
    }
}

#[test]
fn a_continent_follows_from_the_country() {
    let continent = |country: &str| Place { country: country.to_owned(), ..Place::default() }.continent();
    assert_eq!([continent("SE"), continent("US"), continent("")], [Some("EU"), Some("NA"), None]);
}

#[test]
fn a_flat_database_is_read_too() {
    let (_folder, path) = with_country("DE");
    let atlas = Atlas::open(&path).unwrap();
    assert_eq!(place(&atlas, "8.8.8.8"), ["DE", "", ""]);
    assert_eq!(place(&atlas, "200.1.1.1"), ["", "", ""], "there is no record");
    assert_eq!(place(&atlas, "2001:db8::1"), ["", "", ""], "it has IPv4 addresses only");
    let (_folder, path) = with_country("None");
    assert_eq!(place(&Atlas::open(&path).unwrap(), "8.8.8.8"), ["", "", ""], "this is no country");
}

#[test]
fn without_a_file_nothing_is_known() {
    assert_eq!(place(&Atlas::empty(), "8.8.8.8"), ["", "", ""]);
    assert!(!Atlas::empty().refresh().unwrap());
}

#[test]
fn another_schema_is_refused_by_name() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("asn.mmdb");
    std::fs::write(&path, database("GeoLite2-ASN", &[("organization", "Example")])).unwrap();
    let error = Atlas::open(&path).err().unwrap();
    assert!(
        matches!(&error, AtlasError::OtherSchema { kind, .. } if kind == "GeoLite2-ASN database"),
        "{error}"
    );
    let expected = format!(
        "the geo database {} is a GeoLite2-ASN database; a country or city database is needed",
        path.display()
    );
    assert_eq!(error.to_string(), expected);
}

#[test]
fn every_other_kind_of_maxminds_databases_is_refused() {
    let Some(folder) = test_data() else { return };
    for kind in ["GeoLite2-ASN", "GeoIP2-ISP", "GeoIP2-Anonymous-IP", "GeoIP2-Domain", "GeoIP2-DensityIncome"]
    {
        let opened = Atlas::open(&folder.join(format!("{kind}-Test.mmdb")));
        assert!(matches!(opened, Err(AtlasError::OtherSchema { .. })), "{kind}");
    }
}

#[test]
fn what_is_no_database_is_refused_with_its_name() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("text.mmdb");
    assert!(matches!(Atlas::open(&path), Err(AtlasError::Missing { .. })));
    std::fs::write(&path, "not a database").unwrap();
    let error = Atlas::open(&path).err().unwrap();
    assert!(matches!(error, AtlasError::Unreadable { .. }) && error.to_string().contains("text.mmdb"));
}

#[test]
fn each_of_the_25_corrupt_databases_is_an_error_and_no_panic() {
    let (Some(bad), Some(good)) = (collection("geoip/bad-data"), test_data()) else { return };
    let mut files = Vec::new();
    for folder in std::fs::read_dir(&bad).unwrap().map(|entry| entry.unwrap().path()) {
        if folder.is_dir() {
            files.extend(std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    for entry in std::fs::read_dir(good).unwrap() {
        let name = entry.as_ref().unwrap().file_name().to_string_lossy().to_lowercase();
        if name.contains("broken") || name.contains("invalid") {
            files.push(entry.unwrap().path());
        }
    }
    files.retain(|file| file.extension().is_some_and(|extension| extension == "mmdb"));
    assert_eq!(files.len(), 25);
    let opened: Vec<_> = files.iter().filter(|file| Atlas::open(file).is_ok()).collect();
    assert!(opened.is_empty(), "opened: {opened:#?}");
}

#[test]
fn a_file_that_is_cut_or_changed_anywhere_is_an_error_or_a_place_but_no_panic() {
    let whole = database("country ipv4", &[("country_code", "DE"), ("city", "Berlin")]);
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("changed.mmdb");
    for at in 0..whole.len() {
        for bytes in [
            whole[..at].to_vec(),
            whole.iter().enumerate().map(|(i, byte)| if i == at { byte ^ 0xff } else { *byte }).collect(),
        ] {
            std::fs::write(&path, bytes).unwrap();
            if let Ok(atlas) = Atlas::open(&path) {
                place(&atlas, "8.8.8.8");
            }
        }
    }
}

#[test]
fn a_new_file_is_taken_and_a_broken_one_is_not() {
    let (_folder, path) = with_country("DE");
    let atlas = Atlas::open(&path).unwrap();
    assert!(!atlas.refresh().unwrap(), "the file is the same");

    replace(&path, &database("country ipv4", &[("country_code", "FI")]), 10);
    assert!(atlas.refresh().unwrap());
    assert_eq!(place(&atlas, "8.8.8.8")[0], "FI");

    replace(&path, b"half a file", 20);
    assert!(matches!(atlas.refresh(), Err(AtlasError::Unreadable { .. })));
    assert_eq!(place(&atlas, "8.8.8.8")[0], "FI", "the old one stays");
    assert!(!atlas.refresh().unwrap(), "the same broken file is complained of once");

    std::fs::remove_file(&path).unwrap();
    assert!(matches!(atlas.refresh(), Err(AtlasError::Missing { .. })));
    assert_eq!(place(&atlas, "8.8.8.8")[0], "FI");

    replace(&path, &database("country ipv4", &[("country_code", "SE")]), 30);
    assert!(atlas.refresh().unwrap());
    assert_eq!(place(&atlas, "8.8.8.8")[0], "SE");
}

#[tokio::test]
async fn the_file_is_looked_at_until_the_end() {
    let (_folder, path) = with_country("DE");
    let atlas = Arc::new(Atlas::open(&path).unwrap());
    let stop = Stop::new();
    let fresh = tokio::spawn(Arc::clone(&atlas).keep_fresh(Duration::from_millis(5), stop.clone()));
    replace(&path, &database("country ipv4", &[("country_code", "FI")]), 10);
    tokio::time::timeout(Duration::from_secs(20), async {
        while place(&atlas, "8.8.8.8")[0] != "FI" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("the new file is taken");
    stop.cancel();
    fresh.await.unwrap();
}
