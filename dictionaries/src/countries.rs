//! Countries: their everyday English names and the continents they lie on.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::rows::rows;

struct Country {
    continent: &'static str,
    name: &'static str,
}

static COUNTRIES: LazyLock<HashMap<&'static [u8], Country>> = LazyLock::new(|| {
    rows(include_str!("../data/countries.tsv"))
        .map(|[code, continent, name]| (code.as_bytes(), Country { continent, name }))
        .collect()
});

/// The English name of the country with this ISO 3166-1 alpha-2 code, in either case.
///
/// Knows all 249 codes, and `XK` for Kosovo, which address databases use.
pub fn country_name(code: &str) -> Option<&'static str> {
    country(code).map(|country| country.name)
}

static CONTINENTS: LazyLock<HashMap<&'static str, &'static str>> =
    LazyLock::new(|| rows(include_str!("../data/continents.tsv")).map(|[code, name]| (code, name)).collect());

/// The English name of a continent by its code, as [`continent`] gives it.
pub fn continent_name(code: &str) -> Option<&'static str> {
    CONTINENTS.get(code).copied()
}

/// Every country, by its code: code, English name and continent's code.
pub fn countries() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    rows(include_str!("../data/countries.tsv")).map(|[code, continent, name]| (code, name, continent))
}

/// The continent of the country with this ISO 3166-1 alpha-2 code, in either case.
///
/// One of `AF`, `AN`, `AS`, `EU`, `NA`, `OC`, `SA`.
pub fn continent(code: &str) -> Option<&'static str> {
    country(code).map(|country| country.continent)
}

fn country(code: &str) -> Option<&'static Country> {
    let code: [u8; 2] = code.as_bytes().try_into().ok()?;
    COUNTRIES.get(code.to_ascii_uppercase().as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_has_a_name_and_a_continent() {
        assert_eq!(country_name("DE"), Some("Germany"));
        assert_eq!(country_name("fi"), Some("Finland"));
        assert_eq!(country_name("CI"), Some("Côte d'Ivoire"));
        assert_eq!(continent("DE"), Some("EU"));
        assert_eq!(continent("us"), Some("NA"));
        assert_eq!(continent("BR"), Some("SA"));
        assert_eq!(continent("AQ"), Some("AN"));
    }

    #[test]
    fn what_is_no_code_is_no_country() {
        for code in ["", "D", "DEU", "ZZ", "ß", "🦀", "d ", "UK"] {
            assert_eq!(country_name(code), None, "{code}");
            assert_eq!(continent(code), None, "{code}");
        }
    }

    #[test]
    fn the_list_is_whole() {
        assert_eq!(COUNTRIES.len(), 249 + 1);
        let continents = ["AF", "AN", "AS", "EU", "NA", "OC", "SA"];
        assert!(COUNTRIES.values().all(|country| continents.contains(&country.continent)));
        assert_eq!(countries().count(), COUNTRIES.len());
        assert_eq!(CONTINENTS.len(), continents.len());
        for continent in continents {
            assert!(continent_name(continent).is_some(), "{continent}");
            assert!(COUNTRIES.values().any(|country| country.continent == continent), "{continent}");
        }
    }
}
