//! `scripts/fetch-engine`, with an npm of ours that serves a small package.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::{TempDir, tempdir};

/// A machine of another platform, whose digest the script does not pin.
const UNAME: &str = "case $1 in -s) echo Darwin;; -m) echo arm64;; esac";
/// Packs a library of three words; `npm view` publishes the digest in $PUBLISHED.
const NPM: &str = r#"
if [ "$1" = view ]; then echo "$PUBLISHED"; exit; fi
while [ $# -gt 0 ]; do [ "$1" != --pack-destination ] || to=$2; shift; done
cp "$PACKAGE" "$to/package.tgz" && echo package.tgz"#;

struct Machine(TempDir);

impl Machine {
    fn new() -> Machine {
        let machine = Machine(tempdir().expect("a folder"));
        fs::create_dir_all(machine.at("bin")).expect("made");
        fs::create_dir_all(machine.at("src/package")).expect("made");
        fs::write(machine.at("src/package/libchdb.so"), "not a library").expect("written");
        let mut tar = Command::new("tar");
        tar.args(["-czf", "package.tgz", "-C", "src", "package"]).current_dir(machine.0.path());
        assert!(tar.status().expect("tar runs").success());
        machine.program("uname", UNAME);
        machine.program("npm", NPM);
        machine
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn program(&self, name: &str, script: &str) {
        let path = self.at("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("permitted");
    }

    fn digest(&self) -> String {
        let script = r#"openssl dgst -sha512 -binary "$0" | base64 | tr -d '\n'"#;
        let output =
            Command::new("sh").args(["-c", script]).arg(self.at("package.tgz")).output().expect("hashed");
        format!("sha512-{}", String::from_utf8(output.stdout).expect("base64"))
    }

    fn fetch(&self, vars: &[(&str, &str)]) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/fetch-engine");
        let path = format!("{}:{}", self.at("bin").display(), std::env::var("PATH").expect("a path"));
        Command::new(script)
            .current_dir("/")
            .env("PATH", path)
            .env("PACKAGE", self.at("package.tgz"))
            .env("FOOTFALL_ENGINE_DIR", self.at("cache"))
            .env_remove("FOOTFALL_ENGINE_SHA512")
            .envs(vars.iter().copied())
            .output()
            .expect("bash runs")
    }

    /// What lies in the cache, but for the lock.
    fn cached(&self) -> Vec<String> {
        let entries = fs::read_dir(self.at("cache")).expect("a cache").filter_map(Result::ok);
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| !name.starts_with(".lock")).collect()
    }
}

fn words(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_sound_package_is_unpacked_once_and_its_path_is_the_last_line() {
    let machine = Machine::new();
    let digest = machine.digest();
    let first = machine.fetch(&[("FOOTFALL_ENGINE_SHA512", &digest)]);
    assert!(first.status.success(), "{}", words(&first.stderr));
    let library = words(&first.stdout).trim_end().to_owned();
    assert!(library.ends_with("-darwin-arm64/libchdb.so"), "{library}");
    assert_eq!(fs::read_to_string(&library).expect("unpacked"), "not a library");
    assert_eq!(machine.cached().len(), 1);

    machine.program("npm", "exit 1");
    let second = machine.fetch(&[]);
    assert!(second.status.success(), "{}", words(&second.stderr));
    assert_eq!(words(&second.stdout), words(&first.stdout));
}

#[test]
fn without_a_pinned_digest_the_published_one_counts_and_that_is_said() {
    let machine = Machine::new();
    let fetched = machine.fetch(&[("PUBLISHED", &machine.digest())]);
    assert!(fetched.status.success(), "{}", words(&fetched.stderr));
    assert!(words(&fetched.stderr).contains("not pinned"));
}

#[test]
fn a_wrong_digest_is_refused_and_nothing_of_the_download_stays() {
    let machine = Machine::new();
    let fetched = machine.fetch(&[("FOOTFALL_ENGINE_SHA512", "sha512-AAAA")]);
    assert!(!fetched.status.success());
    assert!(words(&fetched.stderr).contains("the download was deleted"), "{}", words(&fetched.stderr));
    assert_eq!(words(&fetched.stdout), "");
    assert_eq!(machine.cached(), [""; 0]);
}

#[test]
fn a_pinned_digest_cannot_be_talked_out_of() {
    let machine = Machine::new();
    machine.program("uname", "case $1 in -s) echo Linux;; -m) echo x86_64;; esac");
    machine.program("ldd", "echo glibc");
    let fetched = machine.fetch(&[("FOOTFALL_ENGINE_SHA512", &machine.digest())]);
    assert!(!fetched.status.success());
    assert_eq!(machine.cached(), [""; 0]);
}

#[test]
fn a_platform_without_an_engine_is_named() {
    let machine = Machine::new();
    machine.program("uname", "case $1 in -s) echo Plan9;; -m) echo mips;; esac");
    let fetched = machine.fetch(&[]);
    assert!(!fetched.status.success());
    assert!(words(&fetched.stderr).contains("Plan9 on mips"), "{}", words(&fetched.stderr));
}

#[test]
fn two_that_run_at_once_both_find_the_library() {
    let machine = Machine::new();
    let digest = machine.digest();
    std::thread::scope(|scope| {
        let fetch = || machine.fetch(&[("FOOTFALL_ENGINE_SHA512", &digest)]);
        let both = [scope.spawn(fetch), scope.spawn(fetch)].map(|thread| thread.join().expect("no panic"));
        for fetched in both {
            assert!(fetched.status.success(), "{}", words(&fetched.stderr));
        }
    });
    assert_eq!(machine.cached().len(), 1);
}
