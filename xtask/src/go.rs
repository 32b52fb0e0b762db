//! What another language makes of the schemas: quicktype writes Go of them, and Go judges it.

use crate::{
    npm,
    process::{Call, Workspace},
    progress::{Step, Verdict},
    steps,
};
use std::fs;

/// The generator, as its lock file names it.
const QUICKTYPE: &str = "xtask/quicktype";
/// The schemas that Go is made of. Not that of the conformance runner: of a sum type with one
/// variant the generator loses the name.
const SCHEMAS: [&str; 3] = ["control", "chat", "hello"];
/// Go's programs need a `main`, and the generator writes none.
const MAIN: &str = "\nfunc main() {}\n";

/// Makes Go of the schemas and lets `go vet` judge it, where Go is installed.
pub(crate) fn step(workspace: &Workspace) -> Step {
    let workspace = workspace.clone();
    let run = move || {
        if !Call::new(&workspace, "go", ["version"]).run().good {
            let note = "Go is not installed: quicktype's Go of the schemas was not made".to_owned();
            return Verdict { note: Some(note), ..Verdict::default() };
        }
        let installed = npm::install(&workspace, QUICKTYPE);
        if installed.failure.is_some() {
            return installed;
        }
        let mut vetted = SCHEMAS.into_iter().map(|schema| vet(&workspace, schema));
        vetted.find(|one| one.failure.is_some()).unwrap_or_default()
    };
    Step::new("go", run).beside()
}

fn vet(workspace: &Workspace, schema: &str) -> Verdict {
    let folder = workspace.target.join("go").join(schema);
    let file = folder.join("main.go");
    let (source, made) = (format!("schema/{schema}.json#/$defs/"), file.to_string_lossy());
    let program = format!("{QUICKTYPE}/node_modules/.bin/quicktype");
    let what = ["--src-lang", "schema", "--lang", "go", "--package", "main"];
    let generate = Call::new(workspace, program, what.into_iter().chain(["-o", &made, &source]));
    let failed = |error| Verdict::failed(format!("{made}: {error}"), generate.to_string());
    if let Err(error) = fs::create_dir_all(&folder) {
        return failed(error);
    }
    let generated = steps::verdict(&generate);
    if generated.failure.is_some() {
        return generated;
    }
    let text = fs::read_to_string(&file).map(|text| text + MAIN);
    if let Err(error) = text.and_then(|text| fs::write(&file, text)) {
        return failed(error);
    }
    steps::verdict(&Call::new(workspace, "go", ["vet", &made]))
}
