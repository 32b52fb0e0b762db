//! Rust source as a list of tokens: what is code, what is a literal, and what nobody compiles.

/// A piece of code; comments are not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    /// The line on which it begins, from 1.
    pub line: usize,
    pub kind: Kind,
    pub text: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An identifier, a keyword or a number.
    Word,
    /// A string, a character or a lifetime, of any kind.
    Literal,
    /// `::`, or one character of punctuation.
    Mark,
}

impl Token<'_> {
    pub(crate) fn is(&self, text: &str) -> bool {
        self.kind != Kind::Literal && self.text == text
    }

    /// The line on which it ends.
    pub(crate) fn last_line(&self) -> usize {
        self.line + self.text.matches('\n').count()
    }
}

/// Takes source apart. Source that does not compile gives some list, never a panic.
pub(crate) fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let (mut rest, mut line) = (source, 1);
    while let Some(first) = rest.chars().next() {
        let (kind, length) = piece(rest, first);
        let (text, after) = rest.split_at(length);
        if let Some(kind) = kind {
            found.push(Token { line, kind, text });
        }
        line += text.matches('\n').count();
        rest = after;
    }
    found
}

fn piece(rest: &str, first: char) -> (Option<Kind>, usize) {
    if first.is_whitespace() {
        return (None, first.len_utf8());
    }
    if rest.starts_with("//") {
        return (None, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (None, block_comment(rest));
    }
    if let Some(length) = string(rest).or_else(|| character(rest)) {
        return (Some(Kind::Literal), length);
    }
    if rest.starts_with("::") {
        return (Some(Kind::Mark), 2);
    }
    if is_word(first) {
        let raw = if rest.starts_with("r#") { 2 } else { 0 };
        let end = rest[raw..].find(|c| !is_word(c)).map_or(rest.len(), |end| end + raw);
        return (Some(Kind::Word), end);
    }
    (Some(Kind::Mark), first.len_utf8())
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Block comments nest.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        if here.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

fn string(rest: &str) -> Option<usize> {
    let prefix = ["br", "cr", "r", "b", "c", ""].into_iter().find(|p| rest.starts_with(p))?;
    let body = &rest[prefix.len()..];
    let hashes = body.len() - body.trim_start_matches('#').len();
    let raw = prefix.ends_with('r');
    if !body[hashes..].starts_with('"') || (hashes > 0 && !raw) {
        return None;
    }
    let start = prefix.len() + hashes + 1;
    if raw {
        let end = format!("\"{}", "#".repeat(hashes));
        return Some(rest[start..].find(&end).map_or(rest.len(), |at| start + at + end.len()));
    }
    Some(start + quoted(&rest[start..], '"'))
}

fn character(rest: &str) -> Option<usize> {
    let prefix = usize::from(rest.starts_with("b'"));
    let body = rest[prefix..].strip_prefix('\'')?;
    let mut characters = body.chars();
    let first = characters.next()?;
    if first == '\\' || characters.next() == Some('\'') {
        return Some(prefix + 1 + quoted(body, '\''));
    }
    let lifetime = body.find(|c| !is_word(c)).unwrap_or(body.len());
    Some(prefix + 1 + lifetime)
}

/// The length up to and with the closing quote.
fn quoted(body: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        if c == quote && !escaped {
            return at + c.len_utf8();
        }
        escaped = c == '\\' && !escaped;
    }
    body.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> Vec<&str> {
        tokens(source).iter().filter(|t| t.kind == Kind::Word).map(|t| t.text).collect()
    }

    #[test]
    fn comments_and_strings_hold_no_words() {
        let source = r###"a /* b /* c */ d */ e // f
            "g \" h" r#"i " j"# b"k" 'l' '\'' m<'n> br##"o"# p"## r#q"###;
        assert_eq!(words(source), ["a", "e", "m", "r#q"]);
    }

    #[test]
    fn lines_are_counted_through_strings_and_comments() {
        let found = tokens("\"a\nb\" /*\n*/ c");
        assert_eq!((found[0].line, found[0].last_line(), found[1].line), (1, 2, 3));
    }

    #[test]
    fn a_path_separator_is_one_mark() {
        let found: Vec<_> = tokens("a::b").iter().map(|t| t.text).collect();
        assert_eq!(found, ["a", "::", "b"]);
    }

    #[test]
    fn broken_source_is_read_to_its_end() {
        for source in ["/* open", "\"open", "r#\"open", "'", "b'", "'\\", "r#"] {
            assert!(tokens(source).len() <= 2, "{source}");
        }
    }
}
