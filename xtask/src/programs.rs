//! The programs that the tests in other languages start.

use crate::{
    process::{Call, Workspace},
    progress::Step,
    steps,
};

/// What the step `tests` builds. Another selection of packages means other features of the crates
/// that they share, and so all of these once more.
pub(crate) const SELECTION: [&str; 2] = ["--workspace", "--all-features"];

/// Builds them as the step `tests` does: behind it there is nothing left to do.
pub(crate) fn step(workspace: &Workspace) -> Step {
    // There are no examples; but where they are asked for, the features that tests need count.
    let what = ["build", "--quiet", "--bins", "--examples"];
    let call = workspace.cargo(what.into_iter().chain(SELECTION));
    Step::new("programs", move || steps::verdict(&call))
}

/// Tells a suite where they are, so that it need not build them.
pub(crate) fn named(workspace: &Workspace, call: Call) -> Call {
    let path = |name| workspace.target.join("debug").join(name).to_string_lossy().into_owned();
    // The real server of the suites, and who judges the testees and writes the schemas.
    call.with("CHAT", path("chat")).with("WSP", path("wsp"))
}
