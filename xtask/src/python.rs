//! The Python interpreter of the Python client, and of the tests that need one.

use crate::{
    process::{Call, Workspace},
    progress::{Step, Verdict},
    steps,
};
use std::path::{Path, PathBuf};

/// What is installed, and nothing else, each at the one version that the tests are run with.
const REQUIREMENTS: &str = "clients/python/requirements.txt";
const PACKAGES: &str = include_str!("../../clients/python/requirements.txt");

/// Exits with 0 only where each argument, `name==version`, is installed.
const INSTALLED: &str = "\
import sys
from importlib.metadata import version
sys.exit(any(version(p.split('==')[0]) != p.split('==')[1] for p in sys.argv[1:]))";

const MISSING: &str = "\
Python 3.11 or newer with its `venv` module is needed to test a client in another language.
Install it, for example with: apt-get install python3 python3-venv";

/// Makes the interpreter and installs the libraries; does nothing where that is done.
pub(crate) fn step(workspace: &Workspace) -> Step {
    let workspace = workspace.clone();
    Step::new("python", move || prepare(&workspace))
}

/// The interpreter, once it was made.
pub(crate) fn interpreter(workspace: &Workspace) -> Option<PathBuf> {
    Some(path(workspace)).filter(|path| path.exists())
}

fn prepare(workspace: &Workspace) -> Verdict {
    let python = path(workspace);
    if installed(workspace, &python) {
        return Verdict::default();
    }
    let folder = venv(workspace);
    let create = Call::new(workspace, "python3", ["-m", "venv", "--clear", &text(&folder)]);
    let created = create.run();
    if !created.good {
        return Verdict::failed(format!("{}\n{MISSING}", created.output), create.to_string());
    }
    let arguments = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"];
    let arguments = arguments.into_iter().chain(["--requirement", REQUIREMENTS]);
    steps::verdict(&Call::new(workspace, text(&python), arguments))
}

fn installed(workspace: &Workspace, python: &Path) -> bool {
    let arguments = ["-c", INSTALLED].into_iter().chain(PACKAGES.lines());
    python.exists() && Call::new(workspace, text(python), arguments).run().good
}

fn path(workspace: &Workspace) -> PathBuf {
    venv(workspace).join("bin").join("python")
}

fn venv(workspace: &Workspace) -> PathBuf {
    workspace.target.join("venv")
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_library_is_pinned() {
        assert!(PACKAGES.lines().all(|package| package.split("==").count() == 2));
    }

    #[test]
    fn an_interpreter_that_was_not_made_is_not_offered() {
        let workspace = Workspace { target: "no-such-folder".into(), ..Workspace::find() };
        assert_eq!(interpreter(&workspace), None);
    }
}
