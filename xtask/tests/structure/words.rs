//! Words that say nothing about what they name.

use crate::tree::{File, Violation};

const BANNED: [&str; 8] =
    ["manager", "managers", "helper", "helpers", "util", "utils", "context", "contexts"];

/// Names that others chose.
const OTHERS: [&str; 8] = [
    "futures_util",
    "futures-util",
    "hyper_util",
    "hyper-util",
    "http_body_util",
    "http-body-util",
    "rustyline::Helper",
    "editor.set_helper",
];

/// In the source of our crates no name and no sentence uses a word that would fit anything.
/// `std::task::Context` is not ours to name.
pub(crate) fn banned(file: &File) -> Vec<Violation> {
    let in_source = file.path.contains("/src/") && file.has_extension(&["rs", "ts", "js", "py"]);
    if !in_source || file.is_generated() {
        return Vec::new();
    }
    let judged = |(number, line): (usize, &str)| {
        let line = OTHERS.iter().fold(line.to_owned(), |line, name| line.replace(name, ""));
        let word = identifiers(&line)
            .filter(|name| !is_task(name, &line))
            .flat_map(words)
            .find(|word| BANNED.contains(&word.as_str()))?;
        Some(Violation::new(number, format!("`{word}` says nothing; name what it does")))
    };
    file.lines().filter_map(judged).collect()
}

fn is_task(name: &str, line: &str) -> bool {
    let signs = ["task::", "Context<'", "Context::from_waker"];
    name == "Context" && signs.iter().any(|sign| line.contains(sign))
}

fn identifiers(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|name| !name.is_empty())
}

/// The words of `snake_case`, `CamelCase` and `SHOUTING`, in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = '_';
    for c in name.chars() {
        if c == '_' || (c.is_uppercase() && before.is_lowercase()) {
            words.push(String::new());
        }
        if c != '_' {
            words.last_mut().expect("never empty").extend(c.to_lowercase());
        }
        before = c;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(line: &str) -> usize {
        banned(&File::new("ws-runtime/src/x.rs", line)).len()
    }

    #[test]
    fn an_empty_word_is_found_in_names_and_in_sentences() {
        for line in ["struct SessionManager;", "mod utils;", "// A helper.", "CALL_CONTEXT"] {
            assert_eq!(count(line), 1, "{line}");
        }
        assert_eq!(count("fn f(context: &str)"), 1);
        assert_eq!(count("struct Context;"), 1);
    }

    #[test]
    fn words_that_only_contain_one_are_fine() {
        assert_eq!(count("contextual utility manage managed"), 0);
    }

    #[test]
    fn names_of_others_are_fine() {
        for line in ["cx: &mut task::Context<'_>", "use std::task::{Context, Poll};"] {
            assert_eq!(count(line), 0, "{line}");
        }
        assert_eq!(count("use futures_util::SinkExt;"), 0);
    }

    #[test]
    fn only_source_is_judged() {
        assert!(banned(&File::new("docs/a.md", "a helper")).is_empty());
    }
}
