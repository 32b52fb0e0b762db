//! Clients and a server under a network that loses connections all the time.

use crate::{
    process::Workspace,
    progress::{Step, Verdict},
    steps,
};

/// Connections that are lost unless the command line says otherwise.
pub(crate) const RECONNECTS: &str = "20000";

/// Runs `ws-runtime/tests/chaos.rs` with so many lost connections, and shows its line.
pub(crate) fn step(workspace: &Workspace, reconnects: &str) -> Step {
    let arguments = ["test", "--release", "-p", "ws-runtime", "--test", "chaos", "--"];
    let call = workspace.cargo(arguments.into_iter().chain(["--nocapture"]));
    let call = call.with("WS_PROTO_CHAOS_RECONNECTS", reconnects);
    let run = move || {
        let ran = call.run();
        let note = summary(&ran.output).map(str::to_owned);
        Verdict { note, ..steps::judged(&call, ran) }
    };
    Step::new("chaos", run)
}

/// The line that the test prints when all is well.
fn summary(output: &str) -> Option<&str> {
    output.lines().find_map(|line| line.split_once("chaos: ")).map(|(_, line)| line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_the_test_is_found() {
        assert_eq!(summary("running 1 test\nchaos: 3 reconnects\nok"), Some("3 reconnects"));
        assert_eq!(summary("running 1 test\nFAILED"), None);
    }
}
