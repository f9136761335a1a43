//! What was measured, as tables for readers and as figures for the table of all benches.

use std::collections::BTreeMap;

use super::log::Sample;
use super::reports::{REPORTS, Report};
use super::{Asked, SITES, State, Way};
use crate::figures::{Figure, Figures, Spread, Target, number};

/// How much slower a rolled-up report may become with ten times the events: an exponent.
const GROWTH: f64 = 0.2;

/// Everything that was measured.
#[derive(Default)]
pub struct Measured {
    samples: BTreeMap<Asked, Vec<Sample>>,
    /// Bytes that an answer cannot do without, by amount of events, report and website.
    needed: BTreeMap<(u64, usize, usize), u64>,
    /// Bytes per second and processor that come out of decompression, by amount of events.
    rates: BTreeMap<u64, f64>,
}

impl Measured {
    /// Takes up samples.
    pub fn add(&mut self, samples: impl IntoIterator<Item = (Asked, Sample)>) {
        for (asked, sample) in samples {
            self.samples.entry(asked).or_default().push(sample);
        }
    }

    /// Takes up how many bytes an answer needs.
    pub fn need(&mut self, events: u64, report: usize, site: usize, bytes: u64) {
        self.needed.insert((events, report, site), bytes);
    }

    /// Works out how fast bytes are read and decompressed.
    pub fn rate(&mut self) {
        let mut by_events: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
        for (asked, samples) in &self.samples {
            if asked.way == Way::Decompress {
                let rates = samples.iter().map(|sample| sample.bytes as f64 / (sample.cpu / 1000.0));
                by_events.entry(asked.events).or_default().extend(rates);
            }
        }
        let median = |rates: Vec<f64>| Spread::of(rates).map_or(f64::NAN, |rate| rate.median);
        self.rates = by_events.into_iter().map(|(events, rates)| (events, median(rates))).collect();
    }

    fn values(&self, asked: Asked, of: fn(&Sample) -> f64) -> Vec<f64> {
        let mut values: Vec<f64> = self.samples.get(&asked).into_iter().flatten().map(of).collect();
        values.sort_by(f64::total_cmp);
        values
    }

    /// A share of the answers took no longer; `None` when nothing was asked.
    fn quantile(&self, asked: Asked, share: f64, of: fn(&Sample) -> f64) -> Option<f64> {
        let values = self.values(asked, of);
        let at = (values.len() as f64 * share).ceil() as usize;
        values.get(at.saturating_sub(1)).copied()
    }

    fn p50(&self, asked: Asked, of: fn(&Sample) -> f64) -> Option<f64> {
        self.quantile(asked, 0.5, of)
    }

    /// The middle of each round, in their order.
    fn rounds(&self, asked: Asked) -> Vec<f64> {
        let mut rounds: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        for sample in self.samples.get(&asked).into_iter().flatten() {
            rounds.entry(sample.round).or_default().push(sample.server);
        }
        rounds.into_values().filter_map(|values| Spread::of(values).map(|value| value.median)).collect()
    }

    /// Prints one table per amount of events and state, and one of the growth.
    pub fn print(&self, amounts: &[(u64, u64)]) {
        for &(events, exactly) in amounts {
            self.print_merged(events, exactly);
            for state in [State::Parts, State::Inserts] {
                self.print_state(events, state);
            }
        }
        if let [(less, few), .., (more, many)] = amounts {
            self.print_growth((*less, *few), (*more, *many));
        }
    }

    fn print_merged(&self, events: u64, exactly: u64) {
        let rate = self.rates.get(&events).copied().unwrap_or(f64::NAN);
        println!("\n### {exactly} events, merged\n");
        println!("Decompression gives {} MB per second and processor.\n", number(rate / 1e6));
        println!(
            "| report, website | p50 | p95 | CPU | HTTP p50 | queries | KB read | KB needed | need/rate | raw p50 | raw CPU | raw / p50 | events p50 | states p50 |"
        );
        println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
        for (report, site, asked) in rows(events, State::Merged) {
            let of = |way| Asked { way, ..asked };
            let api = self.p50(asked, |sample| sample.server);
            let raw = self.p50(of(Way::Raw), |sample| sample.server);
            let needed = self.needed.get(&(events, asked.report, asked.site)).copied().unwrap_or(0) as f64;
            println!(
                "| {}, {site} | **{}** | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                report.name,
                cell(api),
                cell(self.quantile(asked, 0.95, |sample| sample.server)),
                cell(self.p50(asked, |sample| sample.cpu)),
                cell(self.p50(asked, |sample| sample.whole)),
                cell(self.p50(asked, |sample| sample.queries as f64)),
                cell(self.p50(asked, |sample| sample.bytes as f64 / 1000.0)),
                number(needed / 1000.0),
                cell(Some(1000.0 * needed / rate)),
                cell(raw),
                cell(self.p50(of(Way::Raw), |sample| sample.cpu)),
                cell(raw.zip(api).map(|(raw, api)| raw / api)),
                cell(self.p50(of(Way::ApiOfEvents), |sample| sample.server)),
                cell(self.p50(of(Way::States), |sample| sample.server)),
            );
        }
    }

    fn print_state(&self, events: u64, state: State) {
        if !self.samples.keys().any(|asked| (asked.events, asked.state) == (events, state)) {
            return;
        }
        println!("\n### {events} events, {}\n", state.words());
        println!("| report, website | p50 | p95 | CPU | HTTP p50 | raw p50 | raw / p50 | p50 / p50 merged |");
        println!("|---|--:|--:|--:|--:|--:|--:|--:|");
        for (report, site, asked) in rows(events, state) {
            let api = self.p50(asked, |sample| sample.server);
            let raw = self.p50(Asked { way: Way::Raw, ..asked }, |sample| sample.server);
            let merged = self.p50(Asked { state: State::Merged, ..asked }, |sample| sample.server);
            println!(
                "| {}, {site} | **{}** | {} | {} | {} | {} | {} | {} |",
                report.name,
                cell(api),
                cell(self.quantile(asked, 0.95, |sample| sample.server)),
                cell(self.p50(asked, |sample| sample.cpu)),
                cell(self.p50(asked, |sample| sample.whole)),
                cell(raw),
                cell(raw.zip(api).map(|(raw, api)| raw / api)),
                cell(api.zip(merged).map(|(api, merged)| api / merged)),
            );
        }
    }

    fn print_growth(&self, (less, few): (u64, u64), (more, many): (u64, u64)) {
        println!("\n### Growth from {few} to {many} events, merged\n");
        println!("| report, website | p50 | p50 | exponent | CPU | CPU | exponent | raw | raw | exponent |");
        println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
        let exponent = |(small, large): (f64, f64)| exponent(small, large, (few, many));
        for (report, site, asked) in rows(less, State::Merged) {
            let of = |way, of: fn(&Sample) -> f64| {
                let [small, large] = [less, more].map(|events| self.p50(Asked { events, way, ..asked }, of));
                format!(
                    "{} | {} | {}",
                    cell(small),
                    cell(large),
                    small.zip(large).map_or("—".to_owned(), |pair| format!("{:.2}", exponent(pair)))
                )
            };
            println!(
                "| {}, {site} | {} | {} | {} |",
                report.name,
                of(Way::Api, |sample| sample.server),
                of(Way::Api, |sample| sample.cpu),
                of(Way::Raw, |sample| sample.server),
            );
        }
    }

    /// The figures: what is promised, and whether it is kept.
    pub fn figures(&self, figures: &mut Figures, amounts: &[(u64, u64)]) {
        for &(events, _) in amounts {
            for (report, site, asked) in rows(events, State::Merged) {
                let name = format!("{}, {site}, {events} events", report.name);
                let (api, raw) = (self.rounds(asked), self.rounds(Asked { way: Way::Raw, ..asked }));
                let Some((millis, ratio)) = Spread::of(api.iter().copied()).zip(Spread::ratios(&api, &raw))
                else {
                    continue;
                };
                let millis = Figure::new(&name, millis, "ms", "answer, by the server's log");
                let ratio = Figure::ratio(&name, ratio, "answer, by the server's log", "the raw query");
                let (millis, ratio) = match report.target {
                    Some((most, _)) if events >= 10_000_000 && most > 0.0 && millis.value.median <= most => {
                        (millis.target(Target::AtMost(most)), ratio.target(Target::AtMost(1.0)))
                    }
                    Some((_, share)) if events >= 10_000_000 => (millis, ratio.target(Target::AtMost(share))),
                    _ => (millis, ratio.target(Target::AtMost(1.0))),
                };
                figures.add(millis);
                figures.add(ratio);
            }
        }
        let [(less, few), .., (more, many)] = amounts else { return };
        for (report, site, asked) in rows(*less, State::Merged) {
            let [small, large] = [*less, *more].map(|events| self.rounds(Asked { events, ..asked }));
            let exponents =
                small.iter().zip(&large).map(|(small, large)| exponent(*small, *large, (*few, *many)));
            let Some(exponents) = Spread::of(exponents) else { continue };
            let name = format!("growth of {}, {site}", report.name);
            let figure = Figure::new(name, exponents, "exponent", "events stored");
            figures.add(if report.is_rolled_up { figure.target(Target::AtMost(GROWTH)) } else { figure });
        }
    }
}

/// What is asked of the API at an amount of events in a state, with the names.
fn rows(events: u64, state: State) -> impl Iterator<Item = (&'static Report, &'static str, Asked)> {
    REPORTS.iter().enumerate().flat_map(move |(report, told)| {
        told.sites
            .iter()
            .map(move |&site| (told, SITES[site].0, Asked { events, state, report, site, way: Way::Api }))
    })
}

/// By which power of the events a time grows.
fn exponent(small: f64, large: f64, (few, many): (u64, u64)) -> f64 {
    (large / small).ln() / (many as f64 / few as f64).ln()
}

fn cell(value: Option<f64>) -> String {
    value.map_or("—".to_owned(), number)
}
