//! Planted bugs: each has to be noticed by the simulation (`ws-sim/README.md`).
//!
//! The core is copied to `target/mutants`, all bugs are put into the copy, each behind a switch,
//! and the copy is built once. The source itself knows nothing of them.

mod copy;
mod list;
mod trial;

use crate::{
    process::Workspace,
    progress::{Step, Verdict},
};
use list::List;
use std::{fmt, fs};
use trial::Trial;

/// Seeds after which a bug counts as not noticed, unless the command line says otherwise.
pub(crate) const SEEDS: u64 = 20_000;
/// Where the list is.
const LIST: &str = "ws-sim/mutants";

/// What came of all trials.
#[derive(Debug)]
pub(crate) struct Report {
    trials: Vec<Trial>,
    seeds: u64,
}

/// Plants every bug of the list and tries the one of this name, or all and none of them.
///
/// # Errors
///
/// A text that says why nothing could be tried.
pub(crate) fn report(
    workspace: &Workspace,
    seeds: u64,
    name: Option<&str>,
) -> Result<Report, String> {
    let list = read(workspace)?;
    let wanted: Vec<_> = std::iter::once((0, "no bug"))
        .chain(list.mutants.iter().enumerate().map(|(at, mutant)| (at + 1, &*mutant.name)))
        .filter(|(_, candidate)| name.is_none_or(|name| name == *candidate))
        .collect();
    if wanted.is_empty() {
        return Err(format!("no mutant of {LIST} is called `{}`\n", name.unwrap_or_default()));
    }
    let program = copy::build(workspace, &list)?;
    Ok(Report { trials: trial::run_all(&program, &wanted, seeds), seeds })
}

/// All of them, as a step among others.
pub(crate) fn step(workspace: &Workspace) -> Step {
    let workspace = workspace.clone();
    let run = move || {
        let fail = |output: String| Verdict::failed(output, "cargo xtask mutants");
        match report(&workspace, SEEDS, None) {
            Ok(report) if report.is_good() => {
                let note = format!("{} planted bugs noticed", report.trials.len() - 1);
                Verdict { note: Some(note), ..Verdict::default() }
            }
            Ok(report) => fail(report.to_string()),
            Err(output) => fail(output),
        }
    };
    Step::new("mutants", run)
}

impl Report {
    /// Whether every bug was noticed, and nothing where there was none.
    pub(crate) fn is_good(&self) -> bool {
        self.trials.iter().all(Trial::is_good)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.trials.iter().try_for_each(|trial| writeln!(f, "{trial}"))?;
        let bad: Vec<_> = self.trials.iter().filter(|trial| !trial.is_good()).collect();
        writeln!(f, "{} trials of up to {} seeds", self.trials.len(), self.seeds)?;
        bad.iter().try_for_each(|trial| writeln!(f, "FAILED: {trial}"))
    }
}

/// The list, from its files in the order of their names.
fn read(workspace: &Workspace) -> Result<List, String> {
    let folder = workspace.root.join(LIST);
    let entries = fs::read_dir(&folder).map_err(|error| format!("{LIST}: {error}\n"))?;
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    let mut list = List::default();
    for path in paths {
        let name = path.strip_prefix(&workspace.root).unwrap_or(&path).display().to_string();
        let text = fs::read_to_string(&path).map_err(|error| format!("{name}: {error}\n"))?;
        list.read(&name, &text)?;
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_fits_the_source() {
        let workspace = Workspace::find();
        let list = read(&workspace).unwrap();
        assert!(list.mutants.len() >= 40, "{}", list.mutants.len());
        let strange = list.files().into_iter().filter_map(|file| {
            let text = fs::read_to_string(workspace.root.join(file)).unwrap();
            list.plant(file, &text).err()
        });
        assert_eq!(strange.collect::<Vec<_>>().join("\n"), "");
    }
}
