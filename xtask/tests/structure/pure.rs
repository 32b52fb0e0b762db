//! The pure modules: no clock, no chance, no I/O.

use crate::{
    code::tokens,
    tree::{File, Violation},
};

const PURE: [&str; 3] =
    ["ws-runtime/src/session/", "ws-runtime/src/hub/", "ws-runtime/src/results/"];
const LINTS: [&str; 2] = ["clippy::disallowed_methods", "clippy::disallowed_types"];

/// The root of a pure module denies what `clippy.toml` lists, and no file of it takes that back.
pub(crate) fn denials(file: &File) -> Vec<Violation> {
    let Some(rest) = PURE.iter().find_map(|module| file.path.strip_prefix(module)) else {
        return Vec::new();
    };
    let code: String = tokens(&file.text).iter().map(|token| token.text).collect();
    let judged = |lint: &&str| {
        let levels = ["deny", "forbid"].map(|level| format!("#![{level}("));
        let denied = code.split(']').any(|attribute| {
            levels.iter().any(|level| attribute.contains(level)) && attribute.contains(*lint)
        });
        let softened = ["expect(", "warn(", "allow("].iter().any(|level| {
            code.match_indices(level).any(|(at, _)| {
                code[at..].split(']').next().is_some_and(|attribute| attribute.contains(*lint))
            })
        });
        let message = if softened {
            format!("a pure module makes no exception from `{lint}`")
        } else {
            format!("a pure module begins with `#![deny({lint})]`")
        };
        (softened || (rest == "mod.rs" && !denied)).then(|| Violation::new(1, message))
    };
    LINTS.iter().filter_map(judged).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: &str = "#![deny(clippy::disallowed_methods, clippy::disallowed_types)]";

    fn count(path: &str, text: &str) -> usize {
        denials(&File::new(path, text)).len()
    }

    #[test]
    fn a_pure_module_without_the_denials_is_found() {
        assert_eq!(count("ws-runtime/src/session/mod.rs", "//! The session."), 2);
        assert_eq!(count("ws-runtime/src/hub/mod.rs", &format!("// {BOTH}")), 2);
        assert_eq!(count("ws-runtime/src/hub/mod.rs", "#![deny(clippy::disallowed_types)]"), 1);
        assert_eq!(count("ws-runtime/src/hub/mod.rs", BOTH), 0);
    }

    #[test]
    fn an_exception_inside_a_pure_module_is_found() {
        let text = "#[expect(clippy::disallowed_types, reason = \"quick\")]";
        assert_eq!(count("ws-runtime/src/session/alive.rs", text), 1);
    }

    #[test]
    fn other_modules_are_free() {
        assert_eq!(count("ws-runtime/src/driver.rs", ""), 0);
    }
}
