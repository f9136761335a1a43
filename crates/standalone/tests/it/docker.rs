//! The containers' files against the code: names that are written twice must stay the same.
//!
//! The files are read as text. What they mean is the engine's business; what they name is ours.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A file without its comments.
fn active(path: &str) -> String {
    let text = read(path);
    text.split_inclusive('\n').filter(|line| !line.trim_start().starts_with('#')).collect()
}

/// All sources below a folder, as one text.
fn sources(folder: &str) -> String {
    fn walk(folder: &Path, text: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, text);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    let mut text = String::new();
    walk(&root().join(folder), &mut text);
    text
}

/// The words that begin so, as far as they have capital letters, digits and underscores.
fn names<'a>(text: &'a str, beginning: &str) -> BTreeSet<&'a str> {
    text.match_indices(beginning)
        .map(|(at, _)| {
            let rest = &text[at..];
            let name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
            rest.split(|c| !name(c)).next().unwrap()
        })
        .collect()
}

/// What stands between two texts, everywhere.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Vec<&'a str> {
    text.split(before).skip(1).filter_map(|rest| rest.split_once(after)).map(|(found, _)| found).collect()
}

/// The services of the compose file: name and text.
fn services(compose: &str) -> Vec<(&str, &str)> {
    let (_, after) = compose.split_once("\nservices:\n").unwrap();
    let (block, _) = after.split_once("\nnetworks:\n").unwrap();
    let mut starts: Vec<_> = block
        .lines()
        .filter(|line| line.starts_with("  ") && !line[2..].starts_with(' ') && line.ends_with(':'))
        .map(|line| line.as_ptr() as usize - block.as_ptr() as usize)
        .collect();
    starts.push(block.len());
    starts.windows(2).map(|at| block[at[0]..at[1]].trim_start().split_once(':').unwrap()).collect()
}

#[test]
fn every_setting_is_one_that_the_programs_read() {
    let code: String =
        ["ingest/src", "query-api/src", "schema/src", "crates/service/src", "crates/directory/src"]
            .map(sources)
            .concat();
    for path in [
        "docker/compose.yaml",
        "docker/.env.example",
        "docker/ingest.Dockerfile",
        "docker/query-api.Dockerfile",
    ] {
        for name in names(&active(path), "FOOTFALL_") {
            assert!(code.contains(&format!("\"{name}\"")), "{path} sets {name}, which no program reads");
        }
    }
}

#[test]
fn what_the_programs_require_is_set() {
    let compose = active("docker/compose.yaml");
    let services = services(&compose);
    let service = |name| services.iter().find(|(service, _)| *service == name).unwrap().1;
    for (name, required) in [
        ("migrate", &["FOOTFALL_CLICKHOUSE_URL"][..]),
        (
            "collect",
            &["FOOTFALL_CLICKHOUSE_URL", "FOOTFALL_KAFKA", "FOOTFALL_MASTER_KEY", "FOOTFALL_TRUSTED_PROXIES"],
        ),
        ("load", &["FOOTFALL_CLICKHOUSE_URL", "FOOTFALL_KAFKA"]),
        ("query-api", &["FOOTFALL_CLICKHOUSE_URL", "FOOTFALL_MASTER_KEY"]),
    ] {
        for variable in required {
            assert!(service(name).contains(&format!("\n      {variable}: ")), "{name} has no {variable}");
        }
    }
}

#[test]
fn the_example_has_every_variable_of_the_compose_file_and_no_secret() {
    let (compose, example) = (active("docker/compose.yaml"), active("docker/.env.example"));
    let used: BTreeSet<_> =
        between(&compose, "${", "}").into_iter().map(|text| text.split(':').next().unwrap()).collect();
    let given: BTreeSet<_> =
        example.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    assert_eq!(used, given);
    for (name, value) in example.lines().filter_map(|line| line.split_once('=')) {
        if name.ends_with("_KEY") || name.ends_with("PASSWORD") {
            assert_eq!(value, "", "{name} has a value that everybody knows");
        }
    }
    assert!(read("docker/.gitignore").lines().any(|line| line == ".env"));
    assert!(read(".dockerignore").lines().any(|line| line == "**/.env"));
}

#[test]
fn every_binary_and_role_is_one_that_the_workspace_builds() {
    let mut built = BTreeSet::new();
    for path in ["docker/ingest.Dockerfile", "docker/query-api.Dockerfile"] {
        let recipe = active(path);
        let command = recipe.split("cargo build").nth(1).unwrap().split("&&").next().unwrap();
        let words: Vec<_> = command.split_whitespace().collect();
        assert!(words.contains(&"--locked") && words.contains(&"--release"), "{path}");
        let mut package = "";
        for pair in words.windows(2) {
            match pair[0] {
                "-p" => package = pair[1],
                "--bin" => {
                    assert!(has_binary(package, pair[1]), "{path}: {package} has no binary {}", pair[1]);
                    assert!(
                        recipe.contains(&format!("target/release/{}", pair[1])),
                        "{path} leaves {} behind",
                        pair[1]
                    );
                    built.insert(pair[1].to_owned());
                }
                _ => {}
            }
        }
        for entrypoint in between(&recipe, "ENTRYPOINT [\"", "\"]") {
            assert!(built.contains(entrypoint), "{path} starts {entrypoint}");
        }
    }
    let compose = active("docker/compose.yaml");
    for entrypoint in between(&compose, "entrypoint: [\"", "\"]") {
        assert!(built.contains(entrypoint), "compose.yaml starts {entrypoint}");
    }
    // A subcommand is a variant of the program's own list.
    let programs = read("ingest/src/main.rs") + &read("schema/src/command.rs");
    for role in between(&compose, " command: [\"", "\"]") {
        let variant = format!("    {}{},\n", role[..1].to_uppercase(), &role[1..]);
        assert!(programs.contains(&variant), "compose.yaml runs `{role}`, which is no subcommand");
    }
}

/// Whether a package (in the folder of its name) builds a binary of this name.
fn has_binary(package: &str, binary: &str) -> bool {
    let manifest = read(&format!("{package}/Cargo.toml"));
    let named = manifest.contains(&format!("[[bin]]\nname = \"{binary}\""));
    let main = root().join(package).join("src/main.rs").is_file();
    manifest.contains(&format!("name = \"{package}\"")) && (named || main && package == binary)
}

#[test]
fn the_proxy_sends_each_route_to_the_half_that_has_it() {
    let proxy = active("docker/Caddyfile");
    let patterns: Vec<_> =
        proxy.split("@collect path ").nth(1).unwrap().lines().next().unwrap().split(' ').collect();
    let collected = |route: &str| {
        patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(beginning) => route.starts_with(beginning),
            None => route == *pattern,
        })
    };
    let routes = |folder| -> BTreeSet<String> {
        between(&sources(folder), ".route(\"", "\"").into_iter().map(str::to_owned).collect()
    };
    // Each half has its own health; the published one is the way out's.
    let way_in: BTreeSet<_> =
        routes("ingest/src/surfaces").into_iter().filter(|route| route != "/health").collect();
    let way_out = routes("query-api/src");
    assert!(way_in.len() >= 3 && way_out.len() >= 3, "{way_in:?} {way_out:?}");
    for route in &way_in {
        assert!(collected(route), "the proxy does not send {route} to the collector");
    }
    for route in &way_out {
        assert!(!collected(route), "the proxy sends {route} to the collector");
    }
    for pattern in &patterns {
        let has = |route: &String| route.starts_with(pattern.trim_end_matches('*'));
        assert!(way_in.iter().any(has), "the collector has no route {pattern}");
    }
    let compose = active("docker/compose.yaml");
    for upstream in between(&proxy, "name ", "\n") {
        assert!(
            services(&compose).iter().any(|(name, _)| *name == upstream),
            "there is no service {upstream}"
        );
    }
}

#[test]
fn images_are_pinned_files_exist_and_every_service_says_how_it_is() {
    let compose = active("docker/compose.yaml");
    let services = services(&compose);
    assert_eq!(
        services.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        ["clickhouse", "kafka", "migrate", "collect", "load", "query-api", "proxy"]
    );
    for (name, text) in &services {
        for needed in ["\n    healthcheck:", "\n        limits: {", "\n    networks: [", "\n    <<: *"] {
            assert!(text.contains(needed), "{name} has no{needed}");
        }
    }
    let images = between(&compose, "\n    image: ", "\n");
    let recipes = active("docker/ingest.Dockerfile") + &active("docker/query-api.Dockerfile");
    let bases = between(&recipes, "FROM ", "\n");
    assert_eq!((images.len(), bases.len()), (4, 4));
    for image in images.iter().filter(|image| !image.starts_with("footfall-")).chain(&bases) {
        let tag = image.split([' ', '@']).next().unwrap().split_once(':').map_or("", |(_, tag)| tag);
        let pinned = tag.contains(|c: char| c.is_ascii_digit()) || tag == "bookworm-slim";
        assert!(pinned, "{image} is not pinned");
    }
    for recipe in between(&compose, "dockerfile: ", "\n") {
        assert!(root().join(recipe).is_file(), "{recipe}");
    }
    for file in between(&compose, "- ./", ":") {
        assert!(root().join("docker").join(file).is_file(), "{file}");
    }
    for port in between(&compose, "ports:\n", "\n") {
        assert!(services.last().unwrap().1.contains(port), "only the proxy is published");
    }
}

#[test]
fn the_network_that_is_trusted_is_the_proxys() {
    let compose = active("docker/compose.yaml");
    // One anchor, two uses: the addresses themselves stand there once.
    assert!(compose.contains("FOOTFALL_TRUSTED_PROXIES: *front-subnet\n"));
    assert!(compose.contains("- subnet: *front-subnet\n"));
    let subnet = between(&compose, "&front-subnet ", "\n");
    assert_eq!(subnet.len(), 1);
    assert!(subnet[0].parse::<service::client_address::TrustedProxies>().is_ok());
}
