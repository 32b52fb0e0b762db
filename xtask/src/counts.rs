//! Instructions of the workloads of `counts/`, compared with the committed table.
//!
//! A clock says something else on every machine and at every hour; the number of instructions that
//! one compiler makes of one program stays the same to a few in ten thousand.

use crate::{
    packages::Package,
    process::{Call, Workspace},
    progress::{Step, Verdict},
};
use std::{collections::BTreeMap, fmt::Write, fs, path::PathBuf};

/// A count may grow by so many percent before the step fails.
const SLACK: u64 = 3;
/// What is counted is the difference between these numbers of rounds.
const ROUNDS: (u64, u64) = (100, 300);
const VALGRIND: Package = Package {
    programs: &["valgrind"],
    name: "valgrind",
    missing: "\
Valgrind is needed to count instructions, and it could not be installed here.
Install it, for example with: apt-get install valgrind",
};
const WRITE: &str = "`cargo xtask counts --write` writes the table again";

/// Counts and compares; a workload that grew fails.
pub(crate) fn step(workspace: &Workspace) -> Step {
    let workspace = workspace.clone();
    Step::new("counts", move || compared(&workspace))
}

/// Counts, and writes the table again.
pub(crate) fn write(workspace: &Workspace) -> bool {
    let written = measure(workspace).and_then(|table| {
        let path = path(workspace);
        fs::write(&path, table.to_text()).map_err(|error| format!("{}: {error}", path.display()))
    });
    if let Err(text) = &written {
        eprintln!("{text}");
    }
    written.is_ok()
}

/// Instructions of one round by workload, and the compiler that made them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Table {
    compiler: String,
    rows: Vec<(String, u64)>,
}

impl Table {
    fn of(text: &str) -> Result<Self, String> {
        let mut table = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            if line.starts_with("rustc ") {
                line.clone_into(&mut table.compiler);
                continue;
            }
            let row = line
                .rsplit_once(' ')
                .and_then(|(name, count)| Some((name.trim_end().to_owned(), count.parse().ok()?)));
            table.rows.push(row.ok_or_else(|| format!("no row of the table: `{line}`"))?);
        }
        Ok(table)
    }

    fn to_text(&self) -> String {
        let mut text =
            "# Instructions of one round of each workload, counted by callgrind. Written \
                        by `cargo xtask counts --write`.\n"
                .to_owned();
        let _ = writeln!(text, "{}\n", self.compiler);
        for (name, count) in &self.rows {
            let _ = writeln!(text, "{name:<36}{count:>8}");
        }
        text
    }

    /// What is wrong with `now`; empty when nothing is.
    fn faults(&self, now: &Self) -> Vec<String> {
        let mut known: BTreeMap<&str, u64> =
            self.rows.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        let mut faults = Vec::new();
        for (name, count) in &now.rows {
            match known.remove(name.as_str()) {
                None => faults.push(format!("`{name}` has no row; {WRITE}")),
                Some(before) if count * 100 > before * (100 + SLACK) => {
                    let grew = format!("`{name}` grew past {SLACK} %: {before} -> {count}");
                    faults.push(format!("{grew}; make it smaller, or say why: {WRITE}"));
                }
                Some(_) => {}
            }
        }
        faults.extend(known.into_keys().map(|name| format!("no workload `{name}`; {WRITE}")));
        faults
    }

    /// Workloads that need so much less than the table says that it hides the next growth.
    fn improved<'a>(&self, now: &'a Self) -> Vec<&'a str> {
        let before: BTreeMap<&str, u64> =
            self.rows.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        let is_less = |(name, count): &&(String, u64)| {
            let before = before.get(name.as_str()).copied().unwrap_or(0);
            count * 100 < before * (100 - SLACK)
        };
        now.rows.iter().filter(is_less).map(|(name, _)| name.as_str()).collect()
    }
}

fn compared(workspace: &Workspace) -> Verdict {
    let failed = |output: String| Verdict::failed(output, "cargo xtask counts");
    let path = path(workspace);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => return failed(format!("{}: {error}; {WRITE}\n", path.display())),
    };
    let tables = Table::of(&text).and_then(|table| Ok((table, measure(workspace)?)));
    let (table, now) = match tables {
        Ok(tables) => tables,
        Err(text) => return failed(text + "\n"),
    };
    if table.compiler != now.compiler {
        let note =
            format!("not compared: counted with {}, and this is {}", table.compiler, now.compiler);
        return Verdict { note: Some(note), ..Verdict::default() };
    }
    let faults = table.faults(&now);
    if !faults.is_empty() {
        return failed(faults.join("\n") + "\n");
    }
    let improved = table.improved(&now);
    let note = format!("less than in the table: {}; {WRITE}", improved.join(", "));
    Verdict { note: (!improved.is_empty()).then_some(note), ..Verdict::default() }
}

fn path(workspace: &Workspace) -> PathBuf {
    workspace.root.join("counts/table.txt")
}

fn measure(workspace: &Workspace) -> Result<Table, String> {
    VALGRIND.ensure(workspace).map_err(|failure| failure.output)?;
    let compiler = output(&Call::new(workspace, "rustc", ["--version"]))?;
    let compiler = compiler.split(" (").next().unwrap_or_default().trim().to_owned();
    output(&workspace.cargo(["build", "--release", "--quiet", "-p", "ws-counts"]))?;
    let binary = workspace.target.join("release/ws-counts");
    let binary = binary.to_string_lossy();
    let mut rows = Vec::new();
    for name in output(&Call::new(workspace, binary.as_ref(), []))?.lines() {
        let few = instructions(workspace, &binary, name, ROUNDS.0)?;
        let many = instructions(workspace, &binary, name, ROUNDS.1)?;
        rows.push((name.to_owned(), many.saturating_sub(few) / (ROUNDS.1 - ROUNDS.0)));
    }
    Ok(Table { compiler, rows })
}

fn instructions(
    workspace: &Workspace,
    binary: &str,
    name: &str,
    rounds: u64,
) -> Result<u64, String> {
    let rounds = rounds.to_string();
    let own = ["--tool=callgrind", "--callgrind-out-file=/dev/null", binary, name, &rounds];
    let text = output(&Call::new(workspace, "valgrind", own))?;
    let count = collected(&text);
    count.ok_or_else(|| format!("callgrind did not say what it counted:\n{text}"))
}

/// The count in `==7== Collected : 12345`.
fn collected(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.contains("Collected :"))?;
    line.rsplit(' ').next()?.parse().ok()
}

fn output(call: &Call) -> Result<String, String> {
    let ran = call.run();
    if ran.good { Ok(ran.output) } else { Err(format!("{}\nfrom: {call}", ran.output)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[(&str, u64)]) -> Table {
        let rows = rows.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        Table { compiler: "rustc 1.95.0".to_owned(), rows }
    }

    #[test]
    fn a_table_is_read_as_it_was_written() {
        let written = table(&[("json request decode", 3_000), ("a", 7)]);
        assert_eq!(Table::of(&written.to_text()), Ok(written));
        assert!(Table::of("json request decode many").is_err());
    }

    #[test]
    fn growth_past_the_slack_a_new_workload_and_a_lost_one_are_faults() {
        let before = table(&[("a", 1_000), ("b", 1_000)]);
        assert!(before.faults(&table(&[("a", 1_030), ("b", 500)])).is_empty());
        assert_eq!(before.faults(&table(&[("a", 1_031), ("b", 1_000)])).len(), 1);
        assert_eq!(before.faults(&table(&[("a", 1_000)])).len(), 1);
        assert_eq!(before.faults(&table(&[("a", 1_000), ("b", 1_000), ("c", 1)])).len(), 1);
    }

    #[test]
    fn a_count_far_below_the_table_is_named() {
        let before = table(&[("a", 1_000), ("b", 1_000)]);
        assert_eq!(before.improved(&table(&[("a", 969), ("b", 970)])), ["a"]);
    }

    #[test]
    fn the_count_of_callgrind_is_found() {
        let text = "==7== Events    : Ir\n==7== Collected : 53537350\n==7== \n";
        assert_eq!(collected(text), Some(53_537_350));
        assert_eq!(collected("==7== Events    : Ir\n"), None);
    }
}
