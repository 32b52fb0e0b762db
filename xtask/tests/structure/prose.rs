//! What documents say about the tree.

use crate::{
    manifest,
    tree::{File, Violation},
};

/// What can be run.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    packages: Vec<String>,
    tasks: Vec<String>,
}

impl Commands {
    /// `help` is what `cargo xtask help` prints: two spaces, then a command, on each line.
    pub(crate) fn new(help: &str, files: &[File]) -> Self {
        let manifests = files.iter().filter(|file| manifest::is_manifest(file));
        let lines = help.lines().filter_map(|line| line.strip_prefix("  "));
        Self {
            packages: manifests.filter_map(|file| manifest::value(file, "name")).collect(),
            tasks: lines.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect(),
        }
    }
}

/// A document names only packages after `cargo .. -p` and tasks after `cargo xtask` that exist.
pub(crate) fn commands(file: &File, known: &Commands) -> Vec<Violation> {
    if !file.has_extension(&["md", "rs", "yml", "yaml", "html"]) || file.is_sample() {
        return Vec::new();
    }
    let judged = |(number, line): (usize, &str)| {
        let missing = |name: &str| format!("`{name}` in a command does not exist");
        let package = arguments(line, "cargo ", &["-p", "--package"]);
        let package = package.into_iter().find(|name| !known.packages.contains(name));
        let task = arguments(line, "cargo xtask", &["xtask"]);
        let task = task.into_iter().find(|name| !known.tasks.contains(name));
        Some(Violation::new(number, missing(&package.or(task)?)))
    };
    file.lines().filter_map(judged).collect()
}

/// A document that names a rust version names the one of the root manifest. The change log tells
/// of the past.
pub(crate) fn rust_version(file: &File, version: &str) -> Vec<Violation> {
    if !file.has_extension(&["md"]) || file.path == "CHANGELOG.md" {
        return Vec::new();
    }
    let judged = |(number, line): (usize, &str)| {
        let (_, after) = line.split_once("Rust 1.")?;
        let minor: String = after.chars().take_while(char::is_ascii_digit).collect();
        let stated = format!("1.{minor}");
        let message = format!("Rust {stated} here, {version} in Cargo.toml");
        (stated != version && !minor.is_empty()).then(|| Violation::new(number, message))
    };
    file.lines().filter_map(judged).collect()
}

/// The words that follow one of `flags`, in the commands that begin with `command`. A word that is
/// not a plain name, such as `<crate>` or `..`, stands for any.
fn arguments(line: &str, command: &str, flags: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in line.match_indices(command) {
        let shell = line[at..].split(['`', ';', '&', '|', '#']).next().unwrap_or_default();
        let words: Vec<&str> = shell.split_whitespace().collect();
        let pairs = words.windows(2).filter(|pair| flags.contains(&pair[0]));
        let names = pairs.map(|pair| pair[1].trim_end_matches(['.', ',', ':', ')', '"']));
        let plain = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
        found.extend(names.filter(|n| !n.is_empty() && n.chars().all(plain)).map(str::to_owned));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(line: &str) -> Vec<String> {
        let files = [File::new("examples/chat/Cargo.toml", "[package]\nname = \"chat\"\n")];
        let known = Commands::new("cargo xtask\n\n  test   every check\n", &files);
        let found = commands(&File::new("README.md", line), &known);
        found.into_iter().map(|violation| violation.message).collect()
    }

    #[test]
    fn a_package_that_does_not_exist_is_found() {
        assert_eq!(broken("`cargo run -p caht`"), ["`caht` in a command does not exist"]);
        assert!(broken("run `cargo run -p chat -- --port 1`.").is_empty());
        assert!(broken("`cargo test -p <crate>`, mkdir -p x").is_empty());
    }

    #[test]
    fn a_task_that_does_not_exist_is_found() {
        assert_eq!(broken("`cargo xtask tset`"), ["`tset` in a command does not exist"]);
        assert!(broken("`cargo xtask test` and `cargo xtask ...`, `cargo xtask`").is_empty());
    }

    #[test]
    fn an_old_rust_version_is_found() {
        let file = File::new("README.md", "Needs Rust 1.80 or later");
        assert_eq!(rust_version(&file, "1.89")[0].message, "Rust 1.80 here, 1.89 in Cargo.toml");
        assert!(rust_version(&file, "1.80").is_empty());
    }
}
