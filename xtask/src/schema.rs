//! Writing the committed contracts again.

use crate::{
    process::Workspace,
    progress::{Step, Verdict},
    steps,
};

/// The tests that compare `schema/` with the code have this in their name, and write instead of
/// comparing when `WS_PROTO_BLESS` is set.
const TESTS: &str = "schema_committed";

/// Runs those tests in their writing mode.
pub(crate) fn step(workspace: &Workspace) -> Step {
    let call = workspace.cargo(["test", "--workspace", "--all-features", TESTS]);
    let call = call.with("WS_PROTO_BLESS", "1");
    Step::new("schema", move || wrote(steps::tested(&call), &call.to_string()))
}

/// A run without a test wrote nothing, which must not look like success.
fn wrote(verdict: Verdict, repeat: &str) -> Verdict {
    if verdict.failure.is_some() || verdict.tally.passed > 0 {
        return verdict;
    }
    let output = format!("no test has `{TESTS}` in its name, so nothing was written");
    Verdict::failed(output, repeat)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::Tally;

    #[test]
    fn a_run_that_wrote_nothing_fails() {
        assert!(wrote(Verdict::default(), "again").failure.is_some());
        let one = Verdict { tally: Tally { passed: 1, failed: 0 }, ..Verdict::default() };
        assert!(wrote(one, "again").failure.is_none());
    }
}
