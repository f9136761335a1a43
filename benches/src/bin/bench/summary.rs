//! The table of all benches: their ratios, and what else has a target, from the files that they wrote.

use std::path::PathBuf;

use anyhow::Context as _;
use benches::figures::Figures;

/// Prints one table of the ratios and targets in a folder of benches' files.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The folder.
    folder: PathBuf,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let folder = std::fs::read_dir(&args.folder)
        .with_context(|| format!("{} cannot be read", args.folder.display()))?;
    let mut paths: Vec<_> = folder
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    paths.sort();
    let read = paths.iter().map(|path| Figures::read(path)).collect::<Result<Vec<_>, _>>()?;
    let machine = &read.first().context("there are no figures")?.machine;
    println!(
        "\n## Ratios\n\n{}, {} processors, {:.0} GiB; load of the last minute when each began: {}\n",
        machine.processor,
        machine.cores,
        machine.memory as f64 / f64::from(1 << 30),
        read.iter()
            .map(|bench| format!("{} {:.1}", bench.bench, bench.machine.load))
            .collect::<Vec<_>>()
            .join(", "),
    );
    let mut all = Figures {
        bench: "all".to_owned(),
        about: String::new(),
        machine: machine.clone(),
        figures: Vec::new(),
    };
    let (mut met, mut targets) = (0, 0);
    for bench in read {
        for mut figure in bench.figures {
            if figure.of.is_none() && figure.target.is_none() {
                continue;
            }
            if let Some(target) = figure.target {
                targets += 1;
                met += usize::from(target.is_met(figure.value.median));
            }
            figure.name = format!("{}: {}", bench.bench, figure.name);
            all.add(figure);
        }
    }
    println!("{}\n{met} of {targets} targets are met.", all.rows());
    Ok(())
}
