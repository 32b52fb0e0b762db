//! A copy of the core, with all bugs in it, built once.

use super::list::List;
use crate::process::Workspace;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// What is copied: the core, what it needs, and its simulation.
const CRATES: [&str; 5] = ["ws-proto", "ws-proto-derive", "ws-runtime", "ws-sim", "ws-conformance"];
/// The crate that has the bugs.
const CORE: &str = "ws-runtime";
/// The module that the copy of the core has and the core has not.
const SWITCH: &str = "\
//! Which planted bug is on.

use std::sync::LazyLock;

static ON: LazyLock<usize> = LazyLock::new(|| {
    std::env::var(\"WS_MUTANT\").ok().and_then(|number| number.parse().ok()).unwrap_or(0)
});

/// Whether it is the bug of this number.
pub(crate) fn is_on(number: usize) -> bool {
    *ON == number
}
";

/// Copies the core, plants the bugs, and gives the path of the simulation that was built.
///
/// # Errors
///
/// A text that says what could not be read, planted or built.
pub(super) fn build(workspace: &Workspace, list: &List) -> Result<PathBuf, String> {
    let root = workspace.target.join("mutants");
    copy(workspace, list, &root).map_err(|error| format!("{error}\n"))?;
    let target = root.join("target");
    let there = Workspace { root, target: target.clone() };
    let arguments = ["build", "--release", "--quiet", "--offline", "-p", "ws-sim"];
    let ran = there.cargo(arguments).with("CARGO_TARGET_DIR", target.to_string_lossy()).run();
    if !ran.good {
        return Err(ran.output);
    }
    Ok(target.join("release").join(format!("ws-sim{}", std::env::consts::EXE_SUFFIX)))
}

fn copy(workspace: &Workspace, list: &List, root: &Path) -> Result<(), String> {
    for krate in CRATES {
        let mut files = vec![Path::new(krate).join("Cargo.toml")];
        // A manifest may name its tests, which have to be there then.
        let tests = Some("tests").filter(|tests| workspace.root.join(krate).join(tests).exists());
        for folder in ["src"].into_iter().chain(tests) {
            find(&workspace.root, &Path::new(krate).join(folder), &mut files)
                .map_err(|error| format!("{krate}: {error}"))?;
        }
        for file in files {
            let name = file.to_string_lossy().replace('\\', "/");
            let mut text = read(&workspace.root.join(&file))?;
            if name.starts_with(CORE) && list.files().contains(&*name) {
                text = list.plant(&name, &text)?;
            }
            if name == format!("{CORE}/src/lib.rs") {
                text.push_str("\nmod mutant;\n");
            }
            write(&root.join(&file), &text)?;
        }
    }
    let strange = list.files().into_iter().find(|file| !root.join(file).exists());
    if let Some(file) = strange {
        return Err(format!("{file}: there is no such file in the copy"));
    }
    write(&root.join(CORE).join("src/mutant.rs"), SWITCH)?;
    write(&root.join("Cargo.lock"), &read(&workspace.root.join("Cargo.lock"))?)?;
    let manifest = read(&workspace.root.join("Cargo.toml"))?;
    let members = format!("members = {CRATES:?}");
    let manifest = manifest
        .lines()
        .map(|line| if line.starts_with("members = ") { &*members } else { line })
        .fold(String::new(), |text, line| text + line + "\n");
    write(&root.join("Cargo.toml"), &manifest)
}

/// Every file below a folder; both are relative to the root.
fn find(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            find(root, &path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Writes a file unless it is the same already, so that nothing is built again for it.
fn write(path: &Path, text: &str) -> Result<(), String> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, text))
        .map_err(|error| format!("{}: {error}", path.display()))
}
