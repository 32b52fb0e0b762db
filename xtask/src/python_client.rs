//! The Python client: its types, its style and its tests.

use crate::{
    process::{Call, Workspace},
    programs,
    progress::{Failure, Step, Verdict},
    python, steps,
    tally::Tally,
};

const FOLDER: &str = "clients/python";

/// Checks the client with the interpreter that the step `python` made.
pub(crate) fn step(workspace: &Workspace) -> Step {
    let workspace = workspace.clone();
    Step::new("python client", move || check(&workspace)).after(&["python", "programs"]).beside()
}

fn check(workspace: &Workspace) -> Verdict {
    let Some(python) = python::interpreter(workspace) else {
        let output = "no Python was made: the step `python` makes it\n";
        return Verdict::failed(output, "cargo xtask test");
    };
    let folder = Workspace { root: workspace.root.join(FOLDER), target: workspace.target.clone() };
    let python = python.to_string_lossy();
    let call = |arguments: &[&str]| {
        let call = Call::new(&folder, python.as_ref(), arguments.iter().copied());
        // Nothing beside the sources.
        programs::named(workspace, call).with("PYTHONDONTWRITEBYTECODE", "1")
    };
    let before = [
        call(&["-m", "ruff", "check", "--quiet", "."]),
        call(&["-m", "ruff", "format", "--quiet", "--check", "."]),
        call(&["-m", "mypy"]),
    ];
    for call in before {
        let verdict = steps::verdict(&call);
        if verdict.failure.is_some() {
            return verdict;
        }
    }
    let tests = call(&["-m", "pytest"]);
    let ran = tests.run();
    let tally = tally(&ran.output);
    let failure = Failure { output: ran.output, repeat: format!("cd {FOLDER} && {tests}") };
    Verdict { tally, note: None, failure: (!ran.good).then_some(failure) }
}

/// The last line of pytest: `2 failed, 310 passed in 20.1s`.
fn tally(output: &str) -> Tally {
    let last =
        output.lines().rev().find(|line| line.contains(" passed") || line.contains(" failed"));
    last.map(Tally::of_line).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_of_pytest_are_counted() {
        let output = "....F [100%]\nFAILED tests/x.py::y\n2 failed, 310 passed in 20.10s\n";
        assert_eq!(tally(output), Tally { passed: 310, failed: 2 });
        assert_eq!(tally("310 passed in 20.10s\n"), Tally { passed: 310, failed: 0 });
        assert_eq!(tally("no tests ran in 0.01s\n"), Tally::default());
    }
}
