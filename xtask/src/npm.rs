//! Packages of Node that the tests need, as their lock files name them.

use crate::{
    process::{Call, Workspace},
    programs,
    progress::{Step, Verdict},
    steps,
};

/// The TypeScript client; its compiler also compiles what is generated from contracts.
const CLIENT: &str = "clients/typescript";

/// The client's, and those of the chat's page and its test.
const FOLDERS: [&str; 2] = [CLIENT, "examples/chat/page"];

const MISSING: &str = "\
Node.js 20.10 or newer with npm is needed to test the TypeScript client and the chat's page.
Install it, for example with: apt-get install nodejs npm";

/// Installs what every folder's lock file names; does nothing where that is done.
pub(crate) fn tools(workspace: &Workspace) -> Step {
    let workspace = workspace.clone();
    let run = move || {
        let version = Call::new(&workspace, "npm", ["--version"]);
        let found = version.run();
        if !found.good {
            return Verdict::failed(format!("{}\n{MISSING}", found.output), version.to_string());
        }
        let mut installed = FOLDERS.into_iter().map(|folder| install(&workspace, folder));
        installed.find(|one| one.failure.is_some()).unwrap_or_default()
    };
    Step::new("node packages", run)
}

/// Installs what a folder's lock file names, where that is not done.
pub(crate) fn install(workspace: &Workspace, folder: &str) -> Verdict {
    if is_installed(workspace, folder) {
        return Verdict::default();
    }
    let install = ["--prefix", folder, "ci", "--silent", "--no-fund", "--no-audit"];
    steps::verdict(&Call::new(workspace, "npm", install))
}

/// Checks the types, the tests and the size of the TypeScript client.
pub(crate) fn client(workspace: &Workspace) -> Step {
    let call = Call::new(workspace, "npm", ["--prefix", CLIENT, "test", "--silent"]);
    let call = programs::named(workspace, call);
    let step = Step::new("typescript client", move || steps::verdict(&call));
    step.after(&["node packages", "programs"]).beside()
}

/// Whether the packages are those of the lock file: npm keeps a copy of it beside them.
fn is_installed(workspace: &Workspace, folder: &str) -> bool {
    let folder = workspace.root.join(folder);
    let made = |file: &str| folder.join(file).metadata().and_then(|it| it.modified()).ok();
    let installed = made("node_modules/.package-lock.json");
    installed.is_some() && installed >= made("package-lock.json")
}
