//! What the `Cargo.toml` files say.

use crate::tree::{File, Violation};

/// A crate of ours and the only crates of ours that it depends on. Tests may depend on more.
const ARROWS: [(&str, &[&str]); 4] = [
    ("ws-proto-derive", &[]),
    ("ws-proto", &["ws-proto-derive"]),
    ("ws-runtime", &["ws-proto"]),
    ("ws-schema", &["ws-proto"]),
];

/// The rust version is stated in the root and taken from there everywhere else.
pub(crate) fn rust_version(file: &File) -> Vec<Violation> {
    if !is_manifest(file) || file.path == "Cargo.toml" {
        return Vec::new();
    }
    let states = |line: &str| key(line) == Some("rust-version");
    let found = file.lines().filter(|(_, line)| states(line));
    let message = "only the root states the version; write `rust-version.workspace = true`";
    found.map(|(number, _)| Violation::new(number, message)).collect()
}

/// Crates depend only on the crates below them, and nothing depends on the simulation.
pub(crate) fn arrows(file: &File) -> Vec<Violation> {
    let name = is_manifest(file).then(|| value(file, "name")).flatten().unwrap_or_default();
    let row = ARROWS.iter().find(|(row, _)| *row == name).map(|(_, may)| *may);
    let wrong = |other: &str| match row {
        Some(may) => other.starts_with("ws-") && !may.contains(&other),
        None => other == "ws-sim",
    };
    dependencies(file)
        .into_iter()
        .filter(|(_, other)| wrong(other))
        .map(|(line, other)| Violation::new(line, format!("`{name}` must not name `{other}`")))
        .collect()
}

/// Where cargo does not look for tests itself, each file of them is a program that the manifest
/// names, or a module of one: another would never run.
pub(crate) fn forgotten_tests(file: &File, files: &[File]) -> Vec<Violation> {
    if !is_manifest(file) || value(file, "autotests").as_deref() != Some("false") {
        return Vec::new();
    }
    let folder = file.path.replace("Cargo.toml", "tests/");
    let tests: Vec<(&str, &File)> = files
        .iter()
        .filter_map(|file| Some((file.path.strip_prefix(&folder)?.strip_suffix(".rs")?, file)))
        .map(|(name, file)| (name.strip_suffix("/main").unwrap_or(name), file))
        .filter(|(name, _)| !name.contains('/'))
        .collect();
    let is_program = |name: &str| file.text.contains(&format!("[[test]]\nname = \"{name}\"\n"));
    let is_module = |name: &str| {
        let line = format!("\nmod {name};\n");
        tests.iter().any(|(root, file)| is_program(root) && file.text.contains(&line))
    };
    tests
        .iter()
        .filter(|(name, _)| !is_program(name) && !is_module(name))
        .map(|(name, _)| Violation::new(1, format!("no program runs the tests of `{name}`")))
        .collect()
}

/// The value of the first `key = "value"`.
pub(crate) fn value(file: &File, wanted: &str) -> Option<String> {
    let line = file.text.lines().find(|line| key(line) == Some(wanted))?;
    Some(line.split_once('=')?.1.trim().trim_matches('"').to_owned())
}

pub(crate) fn is_manifest(file: &File) -> bool {
    file.path == "Cargo.toml" || file.path.ends_with("/Cargo.toml")
}

fn key(line: &str) -> Option<&str> {
    line.split_once('=').map(|(key, _)| key.trim())
}

/// The packages in `[dependencies]`, of any target, with their lines.
fn dependencies(file: &File) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut inside = false;
    for (number, line) in file.lines().filter(|_| is_manifest(file)) {
        if let Some(section) = line.trim().strip_prefix('[') {
            let section = section.trim_end_matches(']');
            inside = section == "dependencies" || section.ends_with(".dependencies");
            // The workspace's own table says where crates are, not who uses them.
            inside &= section != "workspace.dependencies";
            if let Some((_, name)) = section.split_once("dependencies.")
                && !section.starts_with("dev-")
            {
                found.push((number, name.to_owned()));
            }
        } else if inside && let Some(key) = key(line) {
            let name = key.split('.').next().unwrap_or(key).trim();
            found.push((number, name.to_owned()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_rust_version_is_found() {
        let text = "[package]\nname = \"a\"\nrust-version = \"1.80\"\n";
        assert_eq!(rust_version(&File::new("a/Cargo.toml", text)).len(), 1);
        assert!(rust_version(&File::new("Cargo.toml", text)).is_empty());
        let text = "rust-version.workspace = true\n";
        assert!(rust_version(&File::new("a/Cargo.toml", text)).is_empty());
    }

    #[test]
    fn a_forbidden_dependency_is_found_in_every_form() {
        for form in [
            "[dependencies]\nws-runtime.workspace = true",
            "[dependencies]\nws-runtime = { path = \"../ws-runtime\" }",
            "[dependencies.ws-runtime]\npath = \"../ws-runtime\"",
            "[target.'cfg(unix)'.dependencies]\nws-runtime = \"1\"",
        ] {
            let text = format!("[package]\nname = \"ws-proto\"\n{form}\n");
            let found = arrows(&File::new("ws-proto/Cargo.toml", &text));
            assert_eq!(found[0].message, "`ws-proto` must not name `ws-runtime`", "{form}");
        }
    }

    #[test]
    fn tests_may_depend_on_more() {
        let text = "name = \"ws-proto\"\n[dev-dependencies]\nws-runtime = \"1\"\n";
        assert!(arrows(&File::new("ws-proto/Cargo.toml", text)).is_empty());
    }

    #[test]
    fn a_test_that_no_program_runs_is_found() {
        let text = "autotests = false\n[[test]]\nname = \"own\"\n[[test]]\nname = \"root\"\n";
        let files = [
            File::new("a/Cargo.toml", text),
            File::new("a/tests/root.rs", "//! Root\n\nmod one;\n"),
            File::new("a/tests/own.rs", ""),
            File::new("a/tests/one.rs", "\nmod lost;\n"),
            File::new("a/tests/support/mod.rs", ""),
            File::new("a/tests/lost/main.rs", ""),
            File::new("a/tests/left.rs", ""),
        ];
        let found = forgotten_tests(&files[0], &files);
        let said: Vec<&str> = found.iter().map(|it| it.message.as_str()).collect();
        let expected =
            ["no program runs the tests of `lost`", "no program runs the tests of `left`"];
        assert_eq!(said, expected);
        assert!(forgotten_tests(&File::new("a/Cargo.toml", ""), &files).is_empty());
    }

    #[test]
    fn nothing_depends_on_the_simulation() {
        let text = "[package]\nname = \"chat\"\n[dependencies]\nws-sim = \"1\"\n";
        assert_eq!(arrows(&File::new("examples/chat/Cargo.toml", text)).len(), 1);
    }
}
