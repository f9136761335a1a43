//! Where libchdb is. The same rule stands in `scripts/fetch-engine`; a test compares the two.

use std::{env, ffi::OsString, path::PathBuf};

use crate::EngineError;

/// The version of the package that `scripts/fetch-engine` fetches.
pub const ENGINE_VERSION: &str = "26.7.3-stable.1";

/// Where libchdb is expected: at `FOOTFALL_ENGINE_LIB`, else where `scripts/fetch-engine` puts it. The file need not be
/// there. Fails when the platform has no engine, or when there is no home folder.
pub fn library_path() -> Result<PathBuf, EngineError> {
    expected_at(|name| env::var_os(name).filter(|value| !value.is_empty()))
}

/// The library that is to be loaded: present, and by an absolute path.
pub(crate) fn find(chosen: Option<PathBuf>) -> Result<PathBuf, EngineError> {
    let path = match chosen {
        Some(path) => path,
        None => library_path()?,
    };
    let path = std::path::absolute(&path)
        .map_err(|source| EngineError::system(format!("{} is no path", path.display()), source))?;
    if path.is_file() { Ok(path) } else { Err(EngineError::NoLibrary(path)) }
}

fn expected_at(var: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, EngineError> {
    if let Some(path) = var("FOOTFALL_ENGINE_LIB") {
        return Ok(path.into());
    }
    let platform = platform().ok_or_else(|| {
        EngineError::Setup(format!(
            "there is no embedded ClickHouse for {} on {}: point FOOTFALL_CLICKHOUSE_URL at a server",
            env::consts::OS,
            env::consts::ARCH
        ))
    })?;
    let cache = |base: OsString| PathBuf::from(base).join("footfall/engine");
    let root = var("FOOTFALL_ENGINE_DIR")
        .map(PathBuf::from)
        .or_else(|| var("XDG_CACHE_HOME").map(cache))
        .or_else(|| var("HOME").map(|home| cache(PathBuf::from(home).join(".cache").into())))
        .ok_or_else(|| {
            EngineError::Setup(
                "set HOME or FOOTFALL_ENGINE_DIR, so that the engine's folder is known".to_owned(),
            )
        })?;
    Ok(root.join(format!("{ENGINE_VERSION}-{platform}")).join("libchdb.so"))
}

fn platform() -> Option<&'static str> {
    match (env::consts::OS, env::consts::ARCH) {
        ("linux", "x86_64") => Some("linux-x64-gnu"),
        ("linux", "aarch64") => Some("linux-arm64-gnu"),
        ("macos", "aarch64") => Some("darwin-arm64"),
        ("macos", "x86_64") => Some("darwin-x64"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(vars: &[(&str, &str)]) -> String {
        let var = |name: &str| {
            vars.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        };
        let path = expected_at(var).expect("a place").display().to_string();
        match platform() {
            Some(platform) => path.replace(platform, "HERE"),
            None => path,
        }
    }

    #[test]
    fn the_nearest_variable_decides_where_the_library_is() {
        assert_eq!(at(&[("HOME", "/h")]), "/h/.cache/footfall/engine/26.7.3-stable.1-HERE/libchdb.so");
        assert_eq!(
            at(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")]),
            "/x/footfall/engine/26.7.3-stable.1-HERE/libchdb.so"
        );
        assert_eq!(
            at(&[("XDG_CACHE_HOME", "/x"), ("FOOTFALL_ENGINE_DIR", "/e")]),
            "/e/26.7.3-stable.1-HERE/libchdb.so"
        );
        assert_eq!(at(&[("FOOTFALL_ENGINE_DIR", "/e"), ("FOOTFALL_ENGINE_LIB", "/l.so")]), "/l.so");
    }

    #[test]
    fn without_any_folder_the_sentence_says_what_to_set() {
        let error = expected_at(|_| None).expect_err("no place").to_string();
        assert!(error.contains("FOOTFALL_ENGINE_DIR"), "{error}");
    }

    #[test]
    fn the_script_fetches_the_version_that_is_loaded() {
        let script = include_str!("../../../scripts/fetch-engine");
        assert!(script.contains(&format!("\nversion={ENGINE_VERSION}\n")));
        assert!(platform().is_none_or(|platform| script.contains(&format!("platform={platform}"))));
    }
}
