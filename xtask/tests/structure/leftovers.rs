//! What nobody comes back to.

use crate::{
    code::{Token, tokens},
    tree::{File, Violation},
};

const MARKERS: [&str; 3] = ["TODO", "FIXME", "XXX"];

/// No note to come back to, anywhere.
pub(crate) fn markers(file: &File) -> Vec<Violation> {
    // What was generated, and what others publish, speaks in its own words.
    let foreign = file.is_generated() || file.has_extension(&["lock", "json"]);
    if foreign || file.is_sample() {
        return Vec::new();
    }
    let judged = |(number, line): (usize, &str)| {
        let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        let marker = words.find(|word| MARKERS.contains(word))?;
        Some(Violation::new(number, format!("`{marker}`: do it, or open an issue")))
    };
    file.lines().filter_map(judged).collect()
}

/// No `todo!`, no `unimplemented!`, no test that is switched off.
pub(crate) fn unfinished_code(file: &File) -> Vec<Violation> {
    if !file.has_extension(&["rs"]) {
        return Vec::new();
    }
    let tokens = tokens(&file.text);
    let pairs = tokens.windows(2);
    let judged = |pair: &[Token<'_>]| match pair {
        [name, mark] if mark.is("!") && (name.is("todo") || name.is("unimplemented")) => {
            Some(Violation::new(name.line, format!("`{}!` in finished code", name.text)))
        }
        [mark, name] if mark.is("[") && name.is("ignore") => {
            Some(Violation::new(name.line, "a test that does not run tests nothing"))
        }
        _ => None,
    };
    pairs.filter_map(judged).collect()
}

/// Exceptions to a lint are `#[expect(.., reason = "..")]`. Generated code may say `allow`, since
/// what it needs depends on what it is given: what the derives quote, and macros by example.
pub(crate) fn allowed_lints(file: &File) -> Vec<Violation> {
    if !file.has_extension(&["rs"]) {
        return Vec::new();
    }
    let tokens = tokens(&file.text);
    let generated = generated(&tokens, file.path.starts_with("ws-proto-derive/src/"));
    let judged = |(at, window): (usize, &[Token<'_>])| {
        let allow = window[0].is("[") && window[1].is("allow") && window[2].is("(");
        let message = "use `#[expect(.., reason = \"..\")]` instead of `allow`";
        let violation = Violation::new(window[1].line, message);
        (allow && !generated.iter().any(|range| range.contains(&at))).then_some(violation)
    };
    tokens.windows(3).enumerate().filter_map(judged).collect()
}

/// The tokens inside `macro_rules! name { .. }` and, in the derives, inside `quote! { .. }` and
/// its relatives.
fn generated(tokens: &[Token<'_>], derives: bool) -> Vec<std::ops::Range<usize>> {
    let quotes = ["quote", "quote_spanned", "parse_quote", "parse_quote_spanned"];
    let start = |(at, pair): (usize, &[Token<'_>])| match pair {
        [name, mark] if mark.is("!") && name.is("macro_rules") => Some(at + 3),
        [name, mark] if mark.is("!") && derives && quotes.iter().any(|quote| name.is(quote)) => {
            Some(at + 2)
        }
        _ => None,
    };
    let starts = tokens.windows(2).enumerate().filter_map(start);
    starts.map(|open| open..closing(tokens, open)).collect()
}

/// The place of the bracket that closes the one at `open`.
fn closing(tokens: &[Token<'_>], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        if ["{", "(", "["].iter().any(|mark| token.is(mark)) {
            depth += 1;
        } else if ["}", ")", "]"].iter().any(|mark| token.is(mark)) {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return at;
            }
        }
    }
    tokens.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_found_in_any_kind_of_file() {
        for (path, text) in [("a.rs", "// TODO: x"), ("b.md", "x FIXME"), ("c.py", "# XXX")] {
            assert_eq!(markers(&File::new(path, text)).len(), 1, "{path}");
        }
        assert!(markers(&File::new("a.rs", "fn todo() {}")).is_empty());
    }

    #[test]
    fn unfinished_code_is_found_and_comments_about_it_are_not() {
        let text = "fn a() { todo!() }\nfn b() { unimplemented!() }\n#[ignore = \"slow\"]\n";
        assert_eq!(unfinished_code(&File::new("a.rs", text)).len(), 3);
        assert!(unfinished_code(&File::new("a.rs", "// todo!() #[ignore]")).is_empty());
    }

    #[test]
    fn an_allowed_lint_is_found() {
        for text in ["#[allow(dead_code)]", "#![allow(unused)]"] {
            assert_eq!(allowed_lints(&File::new("ws-proto/src/a.rs", text)).len(), 1, "{text}");
        }
        assert!(allowed_lints(&File::new("a.rs", "#[expect(dead_code)]")).is_empty());
    }

    #[test]
    fn the_derives_may_allow_inside_quoted_code_only() {
        let path = "ws-proto-derive/src/expand.rs";
        let text = "quote! { #[allow(deprecated)] x }\n#[allow(unused)] fn f() {}";
        let found = allowed_lints(&File::new(path, text));
        assert_eq!(found.iter().map(|violation| violation.line).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn a_macro_by_example_may_allow_and_the_code_after_it_may_not() {
        let text = "macro_rules! m { () => { #[allow(unused)] x } }\n#[allow(unused)] fn f() {}";
        let found = allowed_lints(&File::new("ws-proto/tests/a.rs", text));
        assert_eq!(found.iter().map(|violation| violation.line).collect::<Vec<_>>(), [2]);
    }
}
