//! Compiles the cases and compares the errors with the annotations.

mod annotation;
mod cargo;

pub(crate) use annotation::{Case, Expected, cases};
pub(crate) use cargo::{Verdict, compile};

use cargo::Mistake;
use std::fmt::Write as _;

/// Everything about a case that is not as annotated; nothing when all is well.
pub(crate) fn compare(case: &Case, verdict: &Verdict) -> Vec<String> {
    let mut unseen: Vec<&Expected> = case.expected.iter().collect();
    let mut unsaid: Vec<&String> = case.also.iter().collect();
    let mut surplus: Vec<&Mistake> = Vec::new();
    for error in &verdict.errors {
        let also = case.also.iter().find(|text| error.says(text));
        match (unseen.iter().position(|expected| is_met(expected, error)), also) {
            (Some(at), _) => drop(unseen.remove(at)),
            (None, Some(also)) => unsaid.retain(|text| *text != also),
            (None, None) => surplus.push(error),
        }
    }
    let mut wrong = Vec::new();
    if case.compiles && !verdict.compiled && verdict.errors.is_empty() {
        wrong.push(format!("{}: it was not compiled\n{}", case.name, verdict.log));
    }
    if !case.compiles && verdict.compiled {
        wrong.push(format!("{}: it compiles", case.name));
    }
    for expected in unseen {
        let mut text = format!("{}:{}: expected, and not seen:", case.name, expected.line);
        for part in &expected.parts {
            // Writing to a `String` cannot fail.
            let _ = write!(text, "\n    {part}");
        }
        wrong.push(text);
    }
    for also in unsaid {
        wrong.push(format!("{}: the compiler no longer adds: {also}", case.name));
    }
    for error in surplus {
        wrong.push(format!("{}: seen, and not expected:\n{}", case.name, error.rendered));
    }
    wrong
}

fn is_met(expected: &Expected, error: &Mistake) -> bool {
    error.lines.contains(&expected.line) && expected.parts.iter().all(|part| error.says(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(source: &str) -> Case {
        Case::parse("case", source)
    }

    fn error(line: usize, text: &str) -> Mistake {
        let texts = vec![text.to_owned(), "and a note".to_owned()];
        Mistake { lines: vec![line], texts, rendered: format!("error: {text}") }
    }

    fn verdict(errors: Vec<Mistake>) -> Verdict {
        Verdict { compiled: errors.is_empty(), errors, log: String::new() }
    }

    const ONE: &str = "let a = b; //~ ERROR: no `b`";

    #[test]
    fn the_announced_error_is_well() {
        let seen = verdict(vec![error(1, "there is no `b` here")]);
        assert!(compare(&case(ONE), &seen).is_empty());
    }

    #[test]
    fn an_error_on_another_line_is_wrong_twice() {
        let seen = verdict(vec![error(2, "there is no `b` here")]);
        assert_eq!(compare(&case(ONE), &seen).len(), 2);
    }

    #[test]
    fn an_error_in_other_words_is_wrong_twice() {
        let seen = verdict(vec![error(1, "there is no `c` here")]);
        assert_eq!(compare(&case(ONE), &seen).len(), 2);
    }

    #[test]
    fn a_second_error_of_one_mistake_is_wrong() {
        let seen = verdict(vec![error(1, "there is no `b`"), error(1, "there is no `b`")]);
        let wrong = compare(&case(ONE), &seen);
        assert_eq!(wrong, ["case: seen, and not expected:\nerror: there is no `b`"]);
    }

    #[test]
    fn a_mistake_that_compiles_is_wrong() {
        let wrong = compare(&case(ONE), &verdict(Vec::new()));
        assert_eq!(wrong[0], "case: it compiles");
    }

    #[test]
    fn a_part_is_looked_for_in_the_same_error() {
        let with = |part: &str| format!("{ONE}\n//~| {part}");
        let seen = verdict(vec![error(1, "there is no `b`")]);
        assert!(compare(&case(&with("a note")), &seen).is_empty());
        assert_eq!(compare(&case(&with("a hint")), &seen).len(), 2);
    }

    #[test]
    fn what_the_compiler_adds_is_announced_once_and_still_there() {
        let case = case(&format!("{ONE}\n//~ ALSO: no `c`"));
        let mut seen = verdict(vec![error(1, "no `b`"), error(7, "no `c`"), error(8, "no `c`")]);
        assert!(compare(&case, &seen).is_empty());
        seen.errors.truncate(1);
        assert_eq!(compare(&case, &seen), ["case: the compiler no longer adds: no `c`"]);
    }

    #[test]
    fn a_program_that_was_not_reached_is_wrong() {
        let mut seen = verdict(Vec::new());
        seen.compiled = false;
        assert_eq!(compare(&case("//~ COMPILES"), &seen).len(), 1);
    }
}
