//! Places that exist on one machine or in one network only.

use crate::tree::{File, Violation};

/// Where a path that holds on one machine begins.
const MACHINES: [&str; 8] =
    ["/home/", "/root/", "/Users/", "/tmp/", "/mnt/", "/work/", "/builds/", "/workspace/"];

/// The registries from which everybody can install.
const REGISTRIES: [&str; 2] =
    ["https://github.com/rust-lang/crates.io-index", "https://registry.npmjs.org/"];

/// No absolute path of somebody's machine.
pub(crate) fn machine_paths(file: &File) -> Vec<Violation> {
    if file.is_sample() {
        return Vec::new();
    }
    let judged = |(number, line): (usize, &str)| {
        let place = MACHINES.iter().find(|place| begins(line, place))?;
        Some(Violation::new(number, format!("`{place}..` exists on one machine only")))
    };
    file.lines().filter_map(judged).collect()
}

/// Lock files name public registries only.
pub(crate) fn registries(file: &File) -> Vec<Violation> {
    let locks = ["Cargo.lock", "package-lock.json"];
    if !locks.contains(&file.path.rsplit('/').next().unwrap_or_default()) {
        return Vec::new();
    }
    let judged = |(number, line): (usize, &str)| {
        let line = line.trim();
        let names = line.starts_with("source = ") || line.starts_with("\"resolved\": ");
        let public = REGISTRIES.iter().any(|registry| line.contains(registry));
        let remote = line.contains("://");
        let message = "a lock file names public registries only";
        (names && remote && !public).then(|| Violation::new(number, message))
    };
    file.lines().filter_map(judged).collect()
}

/// Whether a path in this line begins with `place`: a part of a longer path or of a URL does not.
fn begins(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "._-*}{>/)".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_one_machine_is_found() {
        for line in ["see /home/ann/x", "\"/tmp/socket\"", "file:/Users/bob"] {
            assert_eq!(machine_paths(&File::new("a.md", line)).len(), 1, "{line}");
        }
    }

    #[test]
    fn urls_and_relative_paths_are_fine() {
        for line in ["https://example.org/home/x", "docs/work/a.md", "{url}/root/"] {
            assert!(machine_paths(&File::new("a.md", line)).is_empty(), "{line}");
        }
    }

    #[test]
    fn a_private_registry_is_found() {
        let text = "\"resolved\": \"https://registry.example.org/a.tgz\"";
        assert_eq!(registries(&File::new("clients/package-lock.json", text)).len(), 1);
        let text = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
        assert!(registries(&File::new("Cargo.lock", text)).is_empty());
    }
}
