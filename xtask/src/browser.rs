//! The chat's page in a real browser, and all frames of the chat under its schemas.

use crate::{
    packages::Package,
    process::{Call, Workspace},
    programs,
    progress::{Step, Verdict},
    python, steps,
};

const FOLDER: &str = "examples/chat/page";
const CHROMIUM: Package = Package {
    programs: &["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"],
    name: "chromium",
    missing: "\
Chromium is needed to test the chat's page, and it could not be installed here.
Install it, for example with: apt-get install chromium",
};

/// Checks the page's types, that its script is what the sources give, and what it does in Chromium,
/// which is installed where it is missing and the system lets us.
pub(crate) fn step(workspace: &Workspace) -> Step {
    let workspace = workspace.clone();
    let run = move || match CHROMIUM.ensure(&workspace) {
        Ok(()) => {
            let call = Call::new(&workspace, "npm", ["--prefix", FOLDER, "test", "--silent"]);
            let call = programs::named(&workspace, call);
            // The one whose models also judge the frames.
            let python = python::interpreter(&workspace);
            steps::verdict(
                &python.map_or(call.clone(), |it| call.with("PYTHON", it.to_string_lossy())),
            )
        }
        Err(failure) => Verdict { failure: Some(failure), ..Verdict::default() },
    };
    Step::new("browser", run).after(&["python", "node packages", "programs"]).beside()
}

/// Makes the page's script, which is committed, of its sources.
pub(crate) fn page(workspace: &Workspace) -> Step {
    let call = Call::new(workspace, "npm", ["--prefix", FOLDER, "run", "build", "--silent"]);
    Step::new("page", move || steps::verdict(&call))
}
