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
        for continent in continents {
            assert!(COUNTRIES.values().any(|country| country.continent == continent), "{continent}");
        }
    }
}
