//! What a bench measured: every figure with its unit, its denominator in words, how often it was measured and how far apart the
//! rounds were. Printed as a table, and written as JSON for the table of all benches.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::clock::Machine;

/// One quantity, measured in one or more rounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The middle one; of an even number the upper of the two in the middle.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// How many rounds were counted.
    pub rounds: usize,
}

impl Spread {
    /// Of the rounds' values; `None` when there are none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Some(Self {
            median: *values.get(values.len() / 2)?,
            min: *values.first()?,
            max: *values.last()?,
            rounds: values.len(),
        })
    }

    /// Of what was measured once.
    pub fn once(value: f64) -> Self {
        Self { median: value, min: value, max: value, rounds: 1 }
    }

    /// Of round by round `of / against`: what one round's noise does to both leaves the ratio alone. Rounds without a
    /// counterpart, or whose counterpart is 0, are left out.
    pub fn ratios(of: &[f64], against: &[f64]) -> Option<Self> {
        let pairs = of.iter().zip(against).filter(|(_, against)| **against != 0.0);
        Self::of(pairs.map(|(of, against)| of / against))
    }
}

/// What a figure is to be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
}

impl Target {
    /// Whether a value is what it is to be.
    pub fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtLeast(bound) => value >= bound,
            Self::AtMost(bound) => value <= bound,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(bound) => write!(formatter, "≥ {}", number(*bound)),
            Self::AtMost(bound) => write!(formatter, "≤ {}", number(*bound)),
        }
    }
}

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What it says, such as `single events, journal`.
    pub name: String,
    /// Its value in all rounds; the median stands for it.
    #[serde(flatten)]
    pub value: Spread,
    /// What it is counted in: `ms`, `bytes`, `events`, `ratio`.
    pub unit: String,
    /// The denominator in words: `CPU second of the server's process`.
    pub per: String,
    /// What it is compared with, measured in the same run; `None`: with nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// What it is to be; `None`: it is only shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
}

impl Figure {
    /// A figure by itself.
    pub fn new(
        name: impl Into<String>,
        value: Spread,
        unit: impl Into<String>,
        per: impl Into<String>,
    ) -> Self {
        Self { name: name.into(), value, unit: unit.into(), per: per.into(), of: None, target: None }
    }

    /// A ratio: of this figure's quantity to another's of the same run.
    pub fn ratio(
        name: impl Into<String>,
        value: Spread,
        per: impl Into<String>,
        of: impl Into<String>,
    ) -> Self {
        Self { of: Some(of.into()), ..Self::new(name, value, "ratio", per) }
    }

    /// With what it is to be.
    #[must_use]
    pub fn target(self, target: Target) -> Self {
        Self { target: Some(target), ..self }
    }
}

/// All figures of one run of one bench.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Figures {
    /// The bench's name.
    pub bench: String,
    /// What was run, in words: how much traffic, which stream, which processes.
    pub about: String,
    /// Where.
    pub machine: Machine,
    /// In the order in which they are shown.
    pub figures: Vec<Figure>,
}

impl Figures {
    /// None yet, of a bench on this machine.
    pub fn new(bench: &str, about: impl Into<String>) -> Self {
        Self { bench: bench.to_owned(), about: about.into(), machine: Machine::this(), figures: Vec::new() }
    }

    /// Adds one.
    pub fn add(&mut self, figure: Figure) {
        self.figures.push(figure);
    }

    /// Adds one whose rounds may be none, which is an error: a bench that measured nothing says so.
    pub fn add_rounds(
        &mut self,
        figure: impl FnOnce(Spread) -> Figure,
        rounds: &[f64],
    ) -> anyhow::Result<()> {
        let spread = Spread::of(rounds.iter().copied()).context("a figure has no rounds")?;
        self.add(figure(spread));
        Ok(())
    }

    /// What was run, and the figures as a Markdown table.
    pub fn table(&self) -> String {
        format!("{}\n\n{}", self.about, self.rows())
    }

    /// The figures as a Markdown table.
    pub fn rows(&self) -> String {
        let mut rows = HEAD.to_owned();
        rows.extend(self.figures.iter().map(row));
        rows
    }

    /// Prints the table, and writes the figures where the caller wants them.
    pub fn publish(&self, output: &Output) -> anyhow::Result<()> {
        println!("\n## {}\n\n{}", self.bench, self.table());
        let Some(path) = &output.json else { return Ok(()) };
        let text = serde_json::to_string_pretty(self)?;
        std::fs::write(path, text + "\n").with_context(|| format!("{} cannot be written", path.display()))
    }

    /// What a bench wrote.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is not a bench's file", path.display()))
    }
}

/// Where the figures go, for every bench's command line.
#[derive(Debug, Clone, clap::Args)]
pub struct Output {
    /// Write the figures to this file, as JSON.
    #[arg(long)]
    pub json: Option<PathBuf>,
}

/// Reads a number of things: `250000`, `500k`, `10M`.
pub fn amount(text: &str) -> Result<u64, &'static str> {
    let (digits, unit) = match text.as_bytes().last() {
        Some(b'M') => (&text[..text.len() - 1], 1_000_000),
        Some(b'k') => (&text[..text.len() - 1], 1_000),
        _ => (text, 1),
    };
    let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    number.ok_or("expected a number such as 1000000 or 1M")
}

const HEAD: &str = "| figure | median | spread | unit | per | compared with | rounds | target |\n\
                    |---|--:|--:|---|---|---|--:|---|\n";

fn row(figure: &Figure) -> String {
    let Spread { median, min, max, rounds } = figure.value;
    let of = figure.of.as_deref().unwrap_or("—");
    let target = figure.target.map_or_else(
        || "—".to_owned(),
        |target| format!("{target}: {}", if target.is_met(median) { "met" } else { "**not met**" }),
    );
    format!(
        "| {} | {} | {} to {} | {} | {} | {of} | {rounds} | {target} |\n",
        figure.name,
        number(median),
        number(min),
        number(max),
        figure.unit,
        figure.per,
    )
}

/// Three digits that count, and no more: `0.613`, `48.2`, `1270`.
pub fn number(value: f64) -> String {
    let places = match value.abs() {
        size if size >= 100.0 || size == 0.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.places$}")
}

#[cfg(test)]
mod tests {
    use super::{Figure, Figures, Spread, Target, amount, number};

    #[test]
    fn a_spread_is_of_the_rounds_whatever_their_order() {
        let spread = Spread::of([3.0, 1.0, 2.0]);
        assert_eq!(spread, Some(Spread { median: 2.0, min: 1.0, max: 3.0, rounds: 3 }));
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn ratios_are_made_round_by_round() {
        let spread = Spread::ratios(&[10.0, 40.0, 30.0], &[20.0, 80.0, 60.0]);
        assert_eq!(spread, Some(Spread { median: 0.5, min: 0.5, max: 0.5, rounds: 3 }));
        assert_eq!(Spread::ratios(&[1.0], &[0.0]), None);
    }

    #[test]
    fn a_table_says_whether_a_target_is_met() {
        let mut figures = Figures::new("test", "Nothing was run.");
        let ratio = |value| Figure::ratio("insert", Spread::once(value), "CPU second", "bare");
        figures.add(ratio(0.7).target(Target::AtLeast(0.6)));
        figures.add(ratio(2.5).target(Target::AtMost(2.0)));
        let table = figures.table();
        assert!(table.contains("| ≥ 0.600: met |"), "{table}");
        assert!(table.contains("| ≤ 2.00: **not met** |"), "{table}");
    }

    #[test]
    fn what_was_written_is_read_again() -> Result<(), serde_json::Error> {
        let mut figures = Figures::new("test", "Nothing was run.");
        figures.add(Figure::new("size", Spread::once(12.5), "bytes", "event").target(Target::AtMost(20.0)));
        let read: Figures = serde_json::from_str(&serde_json::to_string(&figures)?)?;
        assert_eq!(read.figures, figures.figures);
        Ok(())
    }

    #[test]
    fn numbers_have_three_digits_that_count() {
        let shown = [0.0, 0.6127, 4.237, 48.21, 1270.4].map(number);
        assert_eq!(shown, ["0", "0.613", "4.24", "48.2", "1270"]);
    }

    #[test]
    fn amounts_have_units() {
        assert_eq!(amount("500k"), Ok(500_000));
        assert_eq!(amount("10M"), Ok(10_000_000));
        assert_eq!(amount("12"), Ok(12));
        assert!(amount("many").is_err());
    }
}
