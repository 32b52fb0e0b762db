//! The files of the repository, and what a rule says about one.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Folders that hold what was built or fetched.
const SKIPPED: [&str; 4] = ["target", "node_modules", "__pycache__", "dist"];
/// Hidden folders that hold something of ours.
const HIDDEN: [&str; 3] = [".cargo", ".ci", ".github"];

/// A text file. The path is relative to the root, with `/`.
#[derive(Debug)]
pub(crate) struct File {
    pub path: String,
    pub text: String,
}

/// A line that breaks a rule; the first line is 1.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub line: usize,
    pub message: String,
}

impl File {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    pub(crate) fn has_extension(&self, extensions: &[&str]) -> bool {
        Path::new(&self.path)
            .extension()
            .is_some_and(|found| extensions.iter().any(|extension| found == *extension))
    }

    /// Whether a program wrote it: a marker in the first lines says so.
    pub(crate) fn is_generated(&self) -> bool {
        self.text.lines().take(3).any(|line| line.contains("@generated"))
    }

    /// The rules' own samples, which break the rules on purpose.
    pub(crate) fn is_sample(&self) -> bool {
        self.path.starts_with("xtask/tests/structure/")
    }

    /// The lines, numbered from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }
}

impl Violation {
    pub(crate) fn new(line: usize, message: impl Into<String>) -> Self {
        Self { line, message: message.into() }
    }

    pub(crate) fn at(&self, path: &str) -> String {
        format!("{path}:{}: {}", self.line, self.message)
    }
}

/// Every text file of the repository.
pub(crate) fn files() -> Vec<File> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here.parent().expect("xtask lies in the workspace");
    let mut found = Vec::new();
    collect(root, root, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<File>) {
    // A folder that vanishes while it is read belongs to a tool that runs beside us.
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            let hidden = name.starts_with('.') && !HIDDEN.contains(&name.as_str());
            if !hidden && !SKIPPED.contains(&name.as_str()) && !path.is_symlink() {
                collect(root, &path, found);
            }
        } else if let Ok(text) = fs::read_to_string(&path) {
            found.push(File { path: relative(root, path), text });
        }
    }
}

fn relative(root: &Path, path: PathBuf) -> String {
    let path = path.strip_prefix(root).map(Path::to_path_buf).unwrap_or(path);
    path.to_string_lossy().replace('\\', "/")
}

#[test]
fn the_walk_finds_our_files_and_none_that_were_built() {
    let files = files();
    let has = |path: &str| files.iter().any(|file| file.path == path);
    assert!(has("Cargo.toml") && has("xtask/src/main.rs") && has(".ci/run"));
    assert!(!files.iter().any(|file| file.path.starts_with("target/")));
}

#[test]
fn a_violation_is_printed_with_file_and_line() {
    assert_eq!(Violation::new(3, "too long").at("a/b.rs"), "a/b.rs:3: too long");
}
