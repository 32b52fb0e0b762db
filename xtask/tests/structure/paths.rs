//! The paths of a Rust file, with groups taken apart and `self` and `super` resolved.

use crate::code::{Kind, Token, tokens};

/// A path as seen from the root of its crate: `["session", "Time"]` for `crate::session::Time`,
/// `["ws_proto", "Frame"]` for a path into another crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub line: usize,
    pub segments: Vec<String>,
    /// The name after `as`.
    pub alias: Option<String>,
    /// Whether the path is inside the own crate.
    pub own: bool,
}

/// Every path in `source` that begins with `crate`, `self`, `super` or one of `names`. `module` is
/// where the file stands in its crate.
pub(crate) fn paths(source: &str, module: &[String], names: &[&str]) -> Vec<Found> {
    let tokens = tokens(source);
    let mut reader = Reader { tokens: &tokens, found: Vec::new() };
    // Inline modules move what `super` means: each with the depth of braces around it.
    let (mut inline, mut depth): (Vec<(usize, &str)>, usize) = (Vec::new(), 0);
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if token.is("{") {
            depth += 1;
        } else if token.is("}") {
            depth = depth.saturating_sub(1);
            inline.retain(|(around, _)| *around < depth);
        } else if token.is("mod") && tokens.get(at + 2).is_some_and(|next| next.is("{")) {
            inline.push((depth, tokens[at + 1].text));
        } else if begins_path(&tokens, at, names) {
            let here: Vec<String> = module
                .iter()
                .cloned()
                .chain(inline.iter().map(|(_, name)| (*name).to_owned()))
                .collect();
            let first = reader.found.len();
            at = reader.tree(at, Vec::new());
            reader.found[first..].iter_mut().for_each(|found| resolve(found, &here));
            continue;
        }
        at += 1;
    }
    reader.found
}

/// A path into the middle of another one (`a::crate_name::b`) begins nothing; `::ws_proto` does.
fn begins_path(tokens: &[Token<'_>], at: usize, names: &[&str]) -> bool {
    let token = tokens[at];
    let roots = ["crate", "self", "super"];
    let root = token.kind == Kind::Word
        && (roots.contains(&token.text) || names.contains(&token.text))
        && tokens.get(at + 1).is_some_and(|next| next.is("::"));
    let inner = at >= 2 && tokens[at - 1].is("::") && {
        let before = tokens[at - 2];
        let keyword = ["use", "in", "as", "return", "dyn", "impl", "for", "match", "mut"];
        (before.kind == Kind::Word && !keyword.contains(&before.text)) || before.is(">")
    };
    root && !inner
}

fn resolve(found: &mut Found, module: &[String]) {
    let mut here = module.to_vec();
    let mut rest = found.segments.as_slice();
    while let [first, after @ ..] = rest {
        match first.as_str() {
            "crate" => here.clear(),
            "super" => drop(here.pop()),
            "self" => {}
            _ => break,
        }
        found.own = true;
        rest = after;
    }
    if found.own {
        here.extend_from_slice(rest);
        found.segments = here;
    }
}

struct Reader<'a> {
    tokens: &'a [Token<'a>],
    found: Vec<Found>,
}

impl Reader<'_> {
    /// Reads the path or group at `at` and gives the place after it.
    fn tree(&mut self, mut at: usize, mut segments: Vec<String>) -> usize {
        let line = self.tokens.get(at).map_or(0, |token| token.line);
        while let Some(token) = self.tokens.get(at) {
            if token.is("{") {
                return self.group(at + 1, &segments);
            }
            if token.kind != Kind::Word && !token.is("*") {
                break;
            }
            // `self` at the end of a group names what stands before the group.
            if segments.is_empty() || !token.is("self") {
                segments.push(token.text.trim_start_matches("r#").to_owned());
            }
            at += 1;
            if !self.tokens.get(at).is_some_and(|next| next.is("::")) {
                break;
            }
            at += 1;
        }
        let renamed = self.tokens.get(at).is_some_and(|token| token.is("as"));
        let alias = if renamed { self.tokens.get(at + 1) } else { None };
        let alias = alias.map(|token| token.text.to_owned());
        at += if renamed { 2 } else { 0 };
        self.found.push(Found { line, segments, alias, own: false });
        at
    }

    fn group(&mut self, mut at: usize, prefix: &[String]) -> usize {
        while let Some(token) = self.tokens.get(at) {
            if token.is("}") {
                return at + 1;
            }
            // Punctuation that a group cannot hold is stepped over, so that every turn moves on.
            let next = if token.is(",") { at + 1 } else { self.tree(at, prefix.to_vec()) };
            at = next.max(at + 1);
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(source: &str) -> Vec<String> {
        let module = ["session".to_owned(), "alive".to_owned()];
        let paths = paths(source, &module, &["ws_proto"]);
        paths.iter().map(|found| format!("{}:{}", found.line, found.segments.join("."))).collect()
    }

    #[test]
    fn groups_are_taken_apart() {
        let source = "use crate::{a, b::{self, c as d},\n e::*};";
        assert_eq!(found(source), ["1:a", "1:b", "1:b.c", "2:e.*"]);
    }

    #[test]
    fn super_and_self_are_resolved() {
        let source = "use super::Time; super::super::hub::go(); self::x::y();";
        assert_eq!(found(source), ["1:session.Time", "1:hub.go", "1:session.alive.x.y"]);
    }

    #[test]
    fn an_inline_module_moves_super_and_its_end_moves_it_back() {
        let source = "mod tests { use super::*; fn f() { super::super::x() } } super::y();";
        assert_eq!(found(source), ["1:session.alive.*", "1:session.x", "1:session.y"]);
    }

    #[test]
    fn paths_in_expressions_count_and_comments_do_not() {
        let source = "// crate::a\nlet x = \"crate::b\"; let y: crate::c::D<'_> = f(crate::e::g);";
        assert_eq!(found(source), ["2:c.D", "2:e.g"]);
    }

    #[test]
    fn paths_into_other_crates_keep_their_name() {
        assert_eq!(found("use ::ws_proto::Frame; a::ws_proto::b;"), ["1:ws_proto.Frame"]);
    }
}
