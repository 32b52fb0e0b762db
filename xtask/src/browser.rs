//! The chat's page in a real browser, and all frames of the chat under its schemas.

use crate::{
    process::{Call, Workspace},
    progress::{Failure, Step, Verdict},
    python, steps,
};

const FOLDER: &str = "examples/chat/page";
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

const MISSING: &str = "\
Chromium is needed to test the chat's page, and it could not be installed here.
Install it, for example with: apt-get install chromium";

/// Checks the page's types, that its script is what the sources give, and what it does in Chromium,
/// which is installed where it is missing and the system lets us.
pub(crate) fn step(workspace: &Workspace) -> Step {
    let workspace = workspace.clone();
    let run = move || match installed(&workspace) {
        Ok(()) => {
            let call = Call::new(&workspace, "npm", ["--prefix", FOLDER, "test", "--silent"]);
            // The one whose models also judge the frames.
            let python = python::interpreter(&workspace);
            steps::verdict(
                &python.map_or(call.clone(), |it| call.with("PYTHON", it.to_string_lossy())),
            )
        }
        Err(failure) => Verdict { failure: Some(failure), ..Verdict::default() },
    };
    Step { name: "browser", run: Box::new(run) }
}

/// Makes the page's script, which is committed, of its sources.
pub(crate) fn page(workspace: &Workspace) -> Step {
    let call = Call::new(workspace, "npm", ["--prefix", FOLDER, "run", "build", "--silent"]);
    Step { name: "page", run: Box::new(move || steps::verdict(&call)) }
}

fn installed(workspace: &Workspace) -> Result<(), Failure> {
    if is_there(workspace) {
        return Ok(());
    }
    // Without a password or not at all: nobody is asked anything.
    let package = ["apt-get", "install", "--yes", "--no-install-recommends", "chromium"];
    let mut output = String::new();
    let as_root = Call::new(workspace, package[0], package[1..].iter().copied());
    let with_sudo = Call::new(workspace, "sudo", ["-n"].into_iter().chain(package));
    for call in [as_root, with_sudo] {
        output.push_str(&call.run().output);
        if is_there(workspace) {
            return Ok(());
        }
    }
    output.push_str(MISSING);
    Err(Failure { output, repeat: package.join(" ") })
}

fn is_there(workspace: &Workspace) -> bool {
    NAMES.into_iter().any(|name| Call::new(workspace, name, ["--version"]).run().good)
}
