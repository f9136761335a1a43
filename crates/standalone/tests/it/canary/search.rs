//! An address in all its forms, and whether one of them is somewhere.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Files below this are searched for the four bytes of an IPv4 address too; in larger ones they occur by chance.
const SMALL: usize = 1_000_000;

/// An address that is to be found nowhere, or, to see that the search works, somewhere.
pub struct Canary {
    pub address: IpAddr,
    /// The texts that people, browsers and proxies write for it.
    pub forms: Vec<String>,
    needles: Needles,
    short: Needles,
}

impl Canary {
    pub fn new(address: &str) -> Self {
        let address: IpAddr = address.parse().unwrap();
        let (wide, forms) = match address {
            IpAddr::V4(v4) => {
                let [a, b, c, d] = v4.octets();
                let mapped = format!("::ffff:{a:02x}{b:02x}:{c:02x}{d:02x}");
                let forms = vec![
                    v4.to_string(),
                    format!("{a:03}.{b:03}.{c:03}.{d:03}"),
                    v4.to_string().replace('.', "%2E"),
                    format!("::ffff:{v4}"),
                    format!("[::ffff:{v4}]"),
                    mapped.to_uppercase(),
                    mapped.replace(':', "%3A"),
                    mapped,
                ];
                (vec![0xff, 0xff, a, b, c, d], forms)
            }
            IpAddr::V6(v6) => {
                let groups = v6.segments().map(|group| format!("{group:04x}")).join(":");
                let [.., a, b, c, d] = v6.octets();
                let head = &groups[..groups.len() - "0000:0000".len()];
                let forms = vec![
                    v6.to_string(),
                    v6.to_string().to_uppercase(),
                    format!("[{v6}]"),
                    v6.to_string().replace(':', "%3A"),
                    v6.to_string().replace(':', "%253a"),
                    groups.to_uppercase(),
                    format!("{head}{a}.{b}.{c}.{d}"),
                    groups,
                ];
                (v6.octets().to_vec(), forms)
            }
        };
        let both_ways = |bytes: &[u8]| [bytes.to_vec(), bytes.iter().rev().copied().collect()];
        let short = match address {
            IpAddr::V4(v4) => both_ways(&v4.octets()).to_vec(),
            IpAddr::V6(_) => Vec::new(),
        };
        let texts = forms.iter().map(|form| form.to_lowercase().into_bytes());
        let needles = Needles::new(texts.chain(both_ways(&wide)).collect());
        Self { address, forms, needles, short: Needles::new(short) }
    }

    /// Where the address is, as text or in its long binary form; with what stands around it.
    pub fn found_in(&self, bytes: &[u8]) -> Option<String> {
        self.needles.first_in(bytes).map(|at| around(bytes, at))
    }

    /// The same, also looking for the four bytes of an IPv4 address.
    pub fn found_closely_in(&self, bytes: &[u8]) -> Option<String> {
        self.found_in(bytes).or_else(|| self.short.first_in(bytes).map(|at| around(bytes, at)))
    }

    /// The files below a folder that hold the address. `closely`: however large they are.
    pub fn files_with_it(&self, folder: &Path, closely: bool) -> Vec<String> {
        let mut found = Vec::new();
        for path in files(folder) {
            // The engine may still be removing what it merged.
            let Ok(bytes) = std::fs::read(&path) else { continue };
            let closely = closely || bytes.len() < SMALL;
            let here = if closely { self.found_closely_in(&bytes) } else { self.found_in(&bytes) };
            found.extend(here.map(|around| format!("{}: {around}", path.display())));
        }
        found
    }
}

fn around(bytes: &[u8], at: usize) -> String {
    let part = &bytes[at.saturating_sub(200)..bytes.len().min(at + 100)];
    String::from_utf8_lossy(part).into_owned()
}

/// The files below a folder; pipes and sockets are none.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => found.extend(files(&entry.path())),
            kind if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
    found
}

/// Bytes to look for, whatever the case of their letters.
struct Needles {
    needles: Vec<Vec<u8>>,
    /// By their first two bytes, so that most of a large file costs one look-up per byte.
    begins: Vec<bool>,
}

impl Needles {
    fn new(needles: Vec<Vec<u8>>) -> Self {
        let mut begins = vec![false; 1 << 16];
        for needle in &needles {
            begins[usize::from(needle[0]) << 8 | usize::from(needle[1])] = true;
        }
        Self { needles, begins }
    }

    fn first_in(&self, bytes: &[u8]) -> Option<usize> {
        let mut last = 0;
        for (at, byte) in bytes.iter().enumerate() {
            let byte = byte.to_ascii_lowercase();
            let is_here = |needle: &Vec<u8>| {
                bytes.get(at - 1..at - 1 + needle.len()).is_some_and(|part| part.eq_ignore_ascii_case(needle))
            };
            if at > 0
                && self.begins[usize::from(last) << 8 | usize::from(byte)]
                && self.needles.iter().any(is_here)
            {
                return Some(at - 1);
            }
            last = byte;
        }
        None
    }
}

#[test]
fn an_address_that_is_there_is_found_in_every_form() {
    let folder = tempfile::tempdir().unwrap();
    for text in ["203.0.113.231", "2001:db8:c0ff::1d1e:77:ca9a"] {
        let canary = Canary::new(text);
        assert!(canary.forms.iter().all(|form| canary.found_in(format!("a\0{form}b").as_bytes()).is_some()));
        let binary: Vec<u8> = match canary.address {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        let planted: Vec<Vec<u8>> = vec![
            format!("at {text}").into_bytes(),
            [b"\0\0", &binary[..], b"\0"].concat(),
            binary.iter().rev().copied().collect(),
        ];
        for (number, bytes) in planted.iter().enumerate() {
            assert!(canary.found_closely_in(bytes).is_some(), "{number}");
            let deep = folder.path().join("deep");
            std::fs::create_dir_all(&deep).unwrap();
            std::fs::write(deep.join("file"), bytes).unwrap();
            assert_eq!(canary.files_with_it(folder.path(), false).len(), 1, "{number}");
        }
        for other in ["203.0.113.230 2001:db8:c0ff::1d1e:77:ca9b", ""] {
            assert_eq!(canary.found_closely_in(other.as_bytes()), None);
        }
    }
}
