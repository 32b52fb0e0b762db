//! Every mistake that a user can make with the derives, the server and the client has a file in
//! `tests/mistakes`. Its annotations say what the compiler answers, and where:
//!
//! - `//~ ERROR: text` stands on the line that the error points at, `//~^ ERROR: text` below it,
//!   one `^` for each line. The text is a part of the error's message, label, note or help.
//! - `//~| text` below an annotation is another part of the same error.
//! - `//~ ALSO: text` is in every further error that the compiler adds, wherever it points. For
//!   what no derive and no bound of ours can keep back.
//! - `//~ COMPILES` says that there is no error.
//!
//! An error that no annotation announces fails the test, and so does an annotation without an
//! error: one mistake, one error. The rest of the compiler's output may change with its versions.

mod check;

use check::{Case, Verdict};
use std::sync::LazyLock;

static CASES: LazyLock<Vec<Case>> = LazyLock::new(check::cases);
static VERDICTS: LazyLock<Vec<Verdict>> = LazyLock::new(|| check::compile(&CASES));

#[test]
fn every_mistake_has_its_sentence_and_no_other() {
    judge(|case| !case.compiles);
}

#[test]
fn programs_without_a_mistake_compile() {
    judge(|case| case.compiles);
}

#[test]
fn a_case_says_what_it_expects() {
    for case in CASES.iter() {
        let says_one = case.compiles == case.expected.is_empty();
        assert!(says_one, "{}: either `//~ COMPILES` or `//~ ERROR: ..`", case.name);
    }
}

/// With `//+` before every line that differs, so that "and nowhere else" is about one variant.
#[test]
fn the_grown_programs_are_the_sound_one_and_one_variant() {
    let sound = source("sound_program");
    for name in ["grown_by_a_channel", "grown_by_a_request"] {
        let grown = source(name);
        let without: String = grown.lines().filter_map(shared_line).collect();
        let shared: String = sound.lines().filter_map(shared_line).collect();
        assert_eq!(without, shared, "{name}");
        assert!(grown.contains("//+"), "{name}");
    }
}

/// Fails with everything that is not as annotated, each with the compiler's own words.
fn judge(wanted: impl Fn(&Case) -> bool) {
    let judged: Vec<_> = CASES.iter().zip(VERDICTS.iter()).filter(|(c, _)| wanted(c)).collect();
    assert!(!judged.is_empty(), "there are no cases");
    let wrong: Vec<String> =
        judged.iter().flat_map(|(case, verdict)| check::compare(case, verdict)).collect();
    assert!(wrong.is_empty(), "{} of {}:\n\n{}", wrong.len(), judged.len(), wrong.join("\n"));
}

fn source(name: &str) -> &'static str {
    let case = CASES.iter().find(|case| case.name == name);
    &case.unwrap_or_else(|| panic!("there is no `{name}`")).source
}

/// A line without what only one of the programs has: comments and the lines marked `//+`.
fn shared_line(line: &str) -> Option<String> {
    let code = line.split("//~").next().unwrap_or_default().trim_end();
    let is_own = code.ends_with("//+") || code.starts_with("//!") || code.is_empty();
    (!is_own).then(|| format!("{code}\n"))
}
