//! The benchmark, see `bench/README.md`. It is a workspace of its own.

use crate::process::Workspace;
use std::process::Command;

/// Runs it and shows what it says while it does; the arguments are its own.
pub(crate) fn shown(workspace: &Workspace, arguments: &[&str]) -> bool {
    let mut command = Command::new("cargo");
    command.args(["run", "--release", "--quiet", "--locked", "--"]).args(arguments);
    match command.current_dir(workspace.root.join("bench")).status() {
        Ok(status) => status.success(),
        Err(error) => {
            eprintln!("cannot run `{command:?}`: {error}");
            false
        }
    }
}
