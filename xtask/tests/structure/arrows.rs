//! Who may name whom: the table of `ARCHITECTURE.md`.

use crate::{
    paths::{Found, paths},
    tree::{File, Violation},
};
use std::collections::BTreeMap;

const RUNTIME: &str = "ws-runtime/src/";

/// A module of ws-runtime and the modules that it may name besides itself.
const ARROWS: [(&str, &[&str]); 14] = [
    ("session", &[]),
    ("hub", &[]),
    ("results", &["session"]),
    ("broker", &[]),
    ("transport", &[]),
    ("auth", &[]),
    ("observe", &[]),
    ("driver", &["session", "transport", "observe"]),
    ("asking", &["session"]),
    ("answering", &[]),
    ("wakers", &[]),
    ("client", &["session", "driver", "transport", "asking", "answering", "wakers", "observe"]),
    (
        "server",
        &[
            "session",
            "hub",
            "results",
            "driver",
            "transport",
            "asking",
            "answering",
            "wakers",
            "broker",
            "auth",
            "observe",
        ],
    ),
    ("testing", &["client", "server", "transport", "session", "driver"]),
];

/// Single items that may be named besides: who, the module, the item.
const ITEMS: [(&str, &str, &str); 2] =
    [("observe", "session", "counters"), ("observe", "session", "Counters")];

/// A crate and the crates of ours that its source may not name.
const CRATES: [(&str, &[&str]); 3] = [
    ("ws-proto", &["ws_runtime", "ws_sim"]),
    ("ws-proto-derive", &["ws_runtime", "ws_sim"]),
    ("ws-runtime", &["ws_sim"]),
];

/// What the root of ws-runtime re-exports, and from which module. Without it, a name that was
/// lifted to the root would be a way around the table.
#[derive(Debug, Default)]
pub(crate) struct Roots(BTreeMap<String, String>);

impl Roots {
    pub(crate) fn of(files: &[File]) -> Self {
        let library = files.iter().find(|file| file.path == format!("{RUNTIME}lib.rs"));
        let modules: Vec<&str> = ARROWS.iter().map(|(module, _)| *module).collect();
        let found = library.map(|file| paths(&file.text, &[], &modules)).unwrap_or_default();
        let named = found.into_iter().filter_map(|path| {
            let last = path.alias.or_else(|| path.segments.last().cloned())?;
            Some((last, path.segments.first()?.clone()))
        });
        Self(named.collect())
    }

    /// The module that a path from the root of the crate leads to.
    fn module<'a>(&'a self, first: &'a str) -> &'a str {
        self.0.get(first).map_or(first, String::as_str)
    }
}

/// A module of ws-runtime names only what its row of the table lists.
pub(crate) fn modules(file: &File, roots: &Roots) -> Vec<Violation> {
    let Some(module) = module_of(&file.path) else { return Vec::new() };
    let Some(own) = module.first() else { return Vec::new() };
    let Some((_, may)) = ARROWS.iter().find(|(row, _)| row == own) else {
        let message = format!("`{own}` has no row in the table of arrows");
        return vec![Violation::new(1, message)];
    };
    let wrong = |found: &Found| {
        let first = roots.module(found.segments.first()?);
        if first == "*" {
            return Some(Violation::new(found.line, "name modules, not everything at the root"));
        }
        let known = ARROWS.iter().any(|(row, _)| *row == first);
        let item = found.segments.get(1).map(String::as_str);
        let allowed = first == own
            || may.contains(&first)
            || ITEMS
                .iter()
                .any(|(who, what, name)| who == own && *what == first && item == Some(name));
        let message = format!("`{own}` must not name `{first}`");
        (known && !allowed).then(|| Violation::new(found.line, message))
    };
    own_paths(file, &module).iter().filter_map(wrong).collect()
}

/// A crate names only the crates below it.
pub(crate) fn crates(file: &File) -> Vec<Violation> {
    let Some((name, rest)) = file.path.split_once('/') else { return Vec::new() };
    let Some((_, never)) = CRATES.iter().find(|(row, _)| *row == name) else { return Vec::new() };
    if !rest.starts_with("src/") || !file.has_extension(&["rs"]) {
        return Vec::new();
    }
    let found = paths(&file.text, &[], never);
    let wrong = |found: &Found| {
        let other = found.segments.first().filter(|first| never.contains(&first.as_str()))?;
        let message = format!("`{name}` must not name `{}`", other.replace('_', "-"));
        (!found.own).then(|| Violation::new(found.line, message))
    };
    found.iter().filter_map(wrong).collect()
}

fn own_paths(file: &File, module: &[String]) -> Vec<Found> {
    let mut found = paths(&file.text, module, &["ws_runtime"]);
    // A crate that calls itself by its name means its own root.
    for path in found.iter_mut().filter(|path| !path.own) {
        path.segments.remove(0);
        path.own = true;
    }
    found
}

/// Where a file of ws-runtime stands in its crate; empty for the root.
fn module_of(path: &str) -> Option<Vec<String>> {
    let inner = path.strip_prefix(RUNTIME)?.strip_suffix(".rs")?;
    let mut module: Vec<String> = inner.split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
        module.pop();
    }
    Some(module)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(path: &str, text: &str) -> Vec<String> {
        let library = File::new("ws-runtime/src/lib.rs", "pub use server::{Server, Config as C};");
        let file = File::new(path, text);
        let found = modules(&file, &Roots::of(&[library]));
        found.iter().map(|violation| violation.at(path)).collect()
    }

    #[test]
    fn a_forbidden_arrow_is_reported_with_its_place() {
        let path = "ws-runtime/src/session/alive.rs";
        let text = "use std::fmt;\nuse crate::{session::Time, server::Hello};";
        let expected = "ws-runtime/src/session/alive.rs:2: `session` must not name `server`";
        assert_eq!(broken(path, text), [expected]);
    }

    #[test]
    fn an_arrow_of_the_table_is_fine() {
        assert!(broken("ws-runtime/src/driver.rs", "use crate::session::Session;").is_empty());
        assert!(broken("ws-runtime/src/server/mod.rs", "use crate::hub::Hub;").is_empty());
    }

    #[test]
    fn super_is_no_way_around_the_table() {
        let text = "use super::super::client::Client;";
        assert_eq!(broken("ws-runtime/src/server/accept.rs", text).len(), 1);
        assert_eq!(broken("ws-runtime/src/hub/mod.rs", "use super::broker;").len(), 1);
        assert_eq!(broken("ws-runtime/src/hub/mod.rs", "use super::session::Time;").len(), 1);
    }

    #[test]
    fn a_name_lifted_to_the_root_is_no_way_around_the_table() {
        assert_eq!(broken("ws-runtime/src/client/mod.rs", "use crate::{Server};").len(), 1);
        assert_eq!(broken("ws-runtime/src/client/mod.rs", "use ws_runtime::C;").len(), 1);
        assert_eq!(broken("ws-runtime/src/client/mod.rs", "use crate::*;").len(), 1);
    }

    #[test]
    fn observe_names_the_counters_of_a_session_and_nothing_else_of_it() {
        let path = "ws-runtime/src/observe/mod.rs";
        assert!(broken(path, "use crate::session::Counters;").is_empty());
        assert_eq!(broken(path, "use crate::session::{Counters, Session};").len(), 1);
    }

    #[test]
    fn a_module_without_a_row_is_reported() {
        assert_eq!(broken("ws-runtime/src/extra.rs", "").len(), 1);
        assert!(broken("ws-runtime/src/lib.rs", "use crate::server::A;").is_empty());
    }

    #[test]
    fn the_words_of_the_wire_do_not_name_the_runtime() {
        let file = File::new("ws-proto/src/serve.rs", "//! ws_runtime::x\nuse ws_runtime::Server;");
        let message = "`ws-proto` must not name `ws-runtime`";
        assert_eq!(crates(&file), [Violation::new(2, message)]);
    }
}
