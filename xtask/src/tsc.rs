//! The compiler of TypeScript, with which the tests compile generated types.

use crate::{
    process::{Call, Workspace},
    progress::{Step, Verdict},
    steps,
};

/// The one version that the tests are run with.
const VERSION: &str = "5.9.3";

/// Installs the compiler below the target folder; does nothing where that is done.
pub(crate) fn step(workspace: &Workspace) -> Step {
    let workspace = workspace.clone();
    Step { name: "typescript", run: Box::new(move || install(&workspace)) }
}

fn install(workspace: &Workspace) -> Verdict {
    let folder = workspace.target.join("typescript");
    let manifest = folder.join("node_modules/typescript/package.json");
    let installed = std::fs::read_to_string(manifest).unwrap_or_default();
    if installed.contains(&format!("\"version\": \"{VERSION}\"")) {
        return Verdict::default();
    }
    let folder = folder.to_string_lossy().into_owned();
    let package = format!("typescript@{VERSION}");
    let arguments = ["install", "--no-fund", "--no-audit", "--prefix", &folder, &package];
    steps::verdict(&Call::new(workspace, "npm", arguments))
}
