//! The collections beside the project.

use std::path::{Path, PathBuf};

/// A file or folder of the collections, if they are here.
pub fn collection(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("{name} is not here; the test is skipped.");
    None
}

/// One case of the woothee project's sets: a user agent and what it is, in woothee's words.
#[derive(Debug, Default, Clone)]
pub struct Case {
    pub agent: String,
    pub name: String,
    pub os: String,
    pub category: String,
}

/// All cases of all sets.
pub fn testsets() -> Option<Vec<Case>> {
    let folder = collection("user-agents/woothee-testsets")?;
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        for line in std::fs::read_to_string(file).unwrap().lines().filter(|line| !line.starts_with('#')) {
            if line.starts_with("- target:") {
                cases.push(Case::default());
            }
            let Some((key, value)) = line.trim_start_matches(['-', ' ']).split_once(": ") else { continue };
            let value = match value.trim() {
                "~" => String::new(),
                quoted => quoted.trim_matches('\'').to_owned(),
            };
            let case: &mut Case = cases.last_mut().unwrap();
            match key {
                "target" => case.agent = value,
                "name" => case.name = value,
                "os" => case.os = value,
                "category" => case.category = value,
                _ => {}
            }
        }
    }
    assert!(cases.len() >= 200, "only {} cases were read", cases.len());
    Some(cases)
}
