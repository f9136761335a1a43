//! What many sessions have in common, kept once: paths, sources, devices, locales. A session has their numbers.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use crate::load::row::{Device, Locale, Source, Stamp};

/// The number of a path that is none.
pub(super) const NONE: u32 = u32::MAX;

/// So many things are kept before it is asked which of them are still needed.
const FIRST_SWEEP: usize = 4_096;

/// The numbers of what a session is stamped with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StampNumber {
    source: u32,
    device: u32,
    locale: u32,
}

/// Things of a kind, each once.
#[derive(Debug)]
struct Shared<T: ?Sized> {
    numbers: HashMap<Arc<T>, u32>,
    things: Vec<Arc<T>>,
}

impl<T: ?Sized> Default for Shared<T> {
    fn default() -> Self {
        Self { numbers: HashMap::new(), things: Vec::new() }
    }
}

impl<T: ?Sized + Eq + Hash> Shared<T> {
    fn number(&mut self, thing: impl Borrow<T> + Into<Arc<T>>) -> u32 {
        if let Some(number) = self.numbers.get(thing.borrow()) {
            return *number;
        }
        let (number, thing) = (self.things.len() as u32, thing.into());
        self.things.push(Arc::clone(&thing));
        self.numbers.insert(thing, number);
        number
    }

    fn get(&self, number: u32) -> Option<&T> {
        self.things.get(number as usize).map(|thing| &**thing)
    }

    /// The number of a thing that another one has.
    fn adopt(&mut self, other: &Self, number: u32) -> u32 {
        other.things.get(number as usize).map_or(NONE, |thing| self.number(Arc::clone(thing)))
    }
}

/// Everything that the sessions of a partition have in common.
#[derive(Debug)]
pub(super) struct Names {
    paths: Shared<str>,
    sources: Shared<Source>,
    devices: Shared<Device>,
    locales: Shared<Locale>,
    /// How many things there may be before the next sweep.
    sweep_at: usize,
}

impl Default for Names {
    fn default() -> Self {
        let (paths, sources, devices, locales) = Default::default();
        Self { paths, sources, devices, locales, sweep_at: FIRST_SWEEP }
    }
}

impl Names {
    pub(super) fn path(&mut self, path: &str) -> u32 {
        self.paths.number(path)
    }

    /// The path of a number; empty for [`NONE`].
    pub(super) fn path_of(&self, number: u32) -> &str {
        self.paths.get(number).unwrap_or_default()
    }

    pub(super) fn stamp(&mut self, stamp: Stamp) -> StampNumber {
        StampNumber {
            source: self.sources.number(stamp.source),
            device: self.devices.number(stamp.device),
            locale: self.locales.number(stamp.locale),
        }
    }

    pub(super) fn stamp_of(
        &self,
        number: StampNumber,
    ) -> (Option<&Source>, Option<&Device>, Option<&Locale>) {
        (self.sources.get(number.source), self.devices.get(number.device), self.locales.get(number.locale))
    }

    fn len(&self) -> usize {
        self.paths.things.len()
            + self.sources.things.len()
            + self.devices.things.len()
            + self.locales.things.len()
    }

    /// Whether so much came since the last sweep that another one is worth its while.
    pub(super) fn want_sweep(&self) -> bool {
        self.len() >= self.sweep_at
    }

    /// Begins anew; what is still needed is then adopted from the returned one.
    pub(super) fn begin_sweep(&mut self) -> Self {
        std::mem::take(self)
    }

    pub(super) fn adopt_path(&mut self, other: &Self, number: u32) -> u32 {
        self.paths.adopt(&other.paths, number)
    }

    pub(super) fn adopt_stamp(&mut self, other: &Self, number: StampNumber) -> StampNumber {
        StampNumber {
            source: self.sources.adopt(&other.sources, number.source),
            device: self.devices.adopt(&other.devices, number.device),
            locale: self.locales.adopt(&other.locales, number.locale),
        }
    }

    /// All that is needed is adopted.
    pub(super) fn end_sweep(&mut self) {
        self.sweep_at = FIRST_SWEEP.max(self.len() * 2);
    }
}
