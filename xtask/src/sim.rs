//! Simulated runs of the pure cores, see `ws-sim/README.md`.

use crate::{
    process::{Call, Workspace},
    progress::{Failure, Step, Verdict},
};

/// Runs on every change.
const SEEDS: &str = "100000";

/// Runs so many seeds, and shows how many in what time.
pub(crate) fn step(workspace: &Workspace) -> Step {
    let call = call(workspace, &["--seeds", SEEDS]);
    let run = move || {
        let ran = call.run();
        let note = summary(&ran.output).map(str::to_owned);
        let failure = Failure { output: ran.output, repeat: call.to_string() };
        Verdict { note, failure: (!ran.good).then_some(failure), ..Verdict::default() }
    };
    Step::new("simulation", run)
}

/// Runs the simulation with these arguments, and shows what it says.
pub(crate) fn shown(workspace: &Workspace, arguments: &[&str]) -> bool {
    let ran = call(workspace, arguments).run();
    print!("{}", ran.output);
    ran.good
}

fn call(workspace: &Workspace, arguments: &[&str]) -> Call {
    let command = ["run", "--release", "--quiet", "-p", "ws-sim", "--"];
    workspace.cargo(command.into_iter().chain(arguments.iter().copied()))
}

/// The line that the simulation ends with when all is well.
fn summary(output: &str) -> Option<&str> {
    output.lines().find(|line| line.contains(" seeds from "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_the_simulation_is_found() {
        let line = "5 seeds from 0 in 0.1 s";
        assert_eq!(summary("  12 resumed\n5 seeds from 0 in 0.1 s\n"), Some(line));
        assert_eq!(summary("error: could not compile"), None);
    }
}
