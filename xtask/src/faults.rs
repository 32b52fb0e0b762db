//! `docs/faults.md`: each fault, and the test that shows what holds then.
//!
//! `xtask/faults.txt` says which test shows what; the table is made of it, and a name that no test
//! carries is an error.

use crate::process::Workspace;
use std::{
    collections::BTreeSet,
    fmt::Write,
    fs, io,
    path::{Path, PathBuf},
};

const SOURCE: &str = "xtask/faults.txt";
const PAGE: &str = "docs/faults.md";
/// What stands before this line is written by hand.
const MARK: &str = "<!-- The rest is made by `cargo xtask faults` from `xtask/faults.txt`. -->\n";
const BRANCHES: &str = "ws-sim/src/lib.rs";
const HEAD: &str =
    "\n| | fault | what holds | where | shown by |\n| --- | --- | --- | --- | --- |\n";

/// Writes the table again; says what is wrong otherwise.
pub(crate) fn write(workspace: &Workspace) -> bool {
    let written = page(&workspace.root)
        .and_then(|page| fs::write(workspace.root.join(PAGE), page).map_err(|e| e.to_string()));
    if let Err(wrong) = &written {
        eprintln!("{wrong}");
    }
    written.is_ok()
}

/// The whole page, as it should be.
fn page(root: &Path) -> Result<String, String> {
    let read = |path: &str| {
        fs::read_to_string(root.join(path)).map_err(|error| format!("{path}: {error}"))
    };
    let by_hand = read(PAGE)?;
    let (by_hand, _) =
        by_hand.split_once(MARK).ok_or_else(|| format!("{PAGE}: no line `{}`", MARK.trim()))?;
    let tests = tests(root).map_err(|error| error.to_string())?;
    let branches = read(BRANCHES)?;
    let table = table(&read(SOURCE)?, |shown| {
        if let Some(branch) = shown.strip_prefix("sim:") {
            return branches.contains(&format!("    \"{branch}\",\n"));
        }
        if shown.contains('#') { tests.contains(shown) } else { root.join(shown).is_file() }
    })?;
    Ok(format!("{by_hand}{MARK}{table}"))
}

/// The tables, one for each group; `exists` says whether a test, a transcript or a branch of the
/// simulation is there.
fn table(source: &str, exists: impl Fn(&str) -> bool) -> Result<String, String> {
    let (mut table, mut missing) = (String::new(), Vec::new());
    let mut places: Vec<String> = Vec::new();
    for line in source.lines().filter(|line| !line.is_empty()) {
        let Some(shows) = line.strip_prefix("    ") else {
            end_row(&mut table, &mut places);
            if let Some(group) = line.strip_prefix("# ") {
                let _ = write!(table, "\n## {group}\n{HEAD}");
                continue;
            }
            let fields: Vec<_> = line.split(" | ").collect();
            let [id, layers, fault, holds] = fields[..] else {
                return Err(format!("{SOURCE}: not `id | where | fault | what holds`: {line}"));
            };
            let _ = write!(table, "| {id} | {fault} | {holds} | {layers} |");
            continue;
        };
        if !shows.starts_with('-') && !exists(shows) {
            missing.push(shows.to_owned());
        }
        places.push(link(shows));
    }
    end_row(&mut table, &mut places);
    if missing.is_empty() {
        Ok(table)
    } else {
        Err(format!("{SOURCE} names what is not there: {missing:#?}"))
    }
}

fn end_row(table: &mut String, shown: &mut Vec<String>) {
    if !shown.is_empty() {
        let _ = writeln!(table, " {} |", shown.join("<br>"));
        shown.clear();
    }
}

/// A place as a link with the words that a person looks for.
fn link(shows: &str) -> String {
    if let Some(reason) = shows.strip_prefix('-') {
        return format!("*{reason}*");
    }
    if let Some(branch) = shows.strip_prefix("sim:") {
        return format!("[simulation](../ws-sim/README.md): `{branch}`");
    }
    match shows.split_once('#') {
        Some((path, test)) => format!("[`{test}`](../{path})"),
        None => format!("[{}](../{shows})", shows.rsplit('/').next().unwrap_or(shows)),
    }
}

/// Every test of the workspace, as `path#name`.
fn tests(root: &Path) -> io::Result<BTreeSet<String>> {
    let mut tests = BTreeSet::new();
    let mut folders: Vec<PathBuf> =
        ["ws-proto", "ws-proto-derive", "ws-runtime", "ws-sim", "examples", "ui-tests"]
            .iter()
            .map(|name| root.join(name))
            .collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
                let text = fs::read_to_string(&path)?;
                tests.extend(names(&text).map(|test| format!("{name}#{test}")));
            }
        }
    }
    Ok(tests)
}

/// The functions of a file behind an attribute that ends with `test`.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let mut is_test = false;
    text.lines().filter_map(move |line| {
        let line = line.trim_start();
        if line.starts_with("#[") {
            is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            return None;
        }
        let found = std::mem::take(&mut is_test);
        let (_, rest) = line.split_once("fn ").filter(|_| found)?;
        rest.split(['(', '<']).next()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_about_faults_names_tests_that_exist() {
        let workspace = Workspace::find();
        let page = page(&workspace.root).unwrap_or_else(|wrong| panic!("{wrong}"));
        let committed = fs::read_to_string(workspace.root.join(PAGE)).expect("it was read");
        assert!(page == committed, "{PAGE} is not what `cargo xtask faults` makes");
    }

    #[test]
    fn every_fault_has_its_row() {
        let source = include_str!("../faults.txt");
        for number in 1..=110 {
            let row = format!("\nR{number:02} | ");
            assert_eq!(source.matches(&row).count(), 1, "R{number:02}");
        }
    }

    #[test]
    fn a_name_that_no_test_carries_is_an_error() {
        let source = "# Group\nR01 | S | a cut | a resume\n    a.rs#gone\n    a.rs#there\n";
        let wrong = table(source, |shown| shown == "a.rs#there").expect_err("`gone` is gone");
        assert!(wrong.contains("a.rs#gone") && !wrong.contains("a.rs#there"), "{wrong}");
    }

    #[test]
    fn a_row_links_to_what_shows_it() {
        let source = "# Group\nR01 | S | a cut | a resume\n    a.rs#b\n    sim:cut\n    -why not\n";
        let table = table(source, |_| true).expect("all is there");
        let row = "| R01 | a cut | a resume | S | [`b`](../a.rs)<br>\
                   [simulation](../ws-sim/README.md): `cut`<br>*why not* |\n";
        assert!(table.ends_with(row), "{table}");
    }

    #[test]
    fn functions_behind_other_attributes_are_no_tests() {
        let text = "#[test]\nfn one() {}\n#[tokio::test(start_paused = true)]\nasync fn two() {}\n\
                    #[derive(Debug)]\nfn three() {}\nfn four() {}\n";
        assert_eq!(names(text).collect::<Vec<_>>(), ["one", "two"]);
    }
}
