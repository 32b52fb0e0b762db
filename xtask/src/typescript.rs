//! The TypeScript client: its types, its tests and its size.

use crate::{
    process::{Call, Workspace},
    progress::{Failure, Step, Verdict},
    steps,
};

const FOLDER: &str = "clients/typescript";

const MISSING: &str = "\
Node.js 20 or newer with npm is needed to test the TypeScript client.
Install it, for example with: apt-get install nodejs npm";

/// Installs the tools of the client, as its lock file names them, and runs its tests.
pub(crate) fn step(workspace: &Workspace) -> Step {
    let workspace = workspace.clone();
    let run = move || {
        let version = Call::new(&workspace, "npm", ["--version"]);
        let found = version.run();
        if !found.good {
            let output = format!("{}\n{MISSING}", found.output);
            let failure = Some(Failure { output, repeat: version.to_string() });
            return Verdict { failure, ..Verdict::default() };
        }
        if is_installed(&workspace) {
            return test(&workspace);
        }
        let install = ["--prefix", FOLDER, "ci", "--silent", "--no-fund", "--no-audit"];
        let installed = steps::verdict(&Call::new(&workspace, "npm", install));
        if installed.failure.is_some() {
            return installed;
        }
        test(&workspace)
    };
    Step { name: "typescript client", run: Box::new(run) }
}

fn test(workspace: &Workspace) -> Verdict {
    steps::verdict(&Call::new(workspace, "npm", ["--prefix", FOLDER, "test", "--silent"]))
}

/// Whether the tools are those of the lock file: npm keeps a copy of it beside them.
fn is_installed(workspace: &Workspace) -> bool {
    let folder = workspace.root.join(FOLDER);
    let made = |file: &str| folder.join(file).metadata().and_then(|it| it.modified()).ok();
    let installed = made("node_modules/.package-lock.json");
    installed.is_some() && installed >= made("package-lock.json")
}
