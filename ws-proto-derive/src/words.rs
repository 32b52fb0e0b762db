//! The words of the attributes, and what is said about a word that is none of them.

/// One word of an attribute.
#[derive(Debug)]
pub(crate) struct Word {
    pub(crate) name: &'static str,
    pub(crate) takes: Takes,
}

/// What stands behind the `=` of a word.
#[derive(Debug)]
pub(crate) enum Takes {
    Nothing,
    Type,
    Number,
    Text,
    Name,
    Path,
    Choice(&'static [&'static str]),
}

impl Takes {
    /// The word as it is written.
    pub(crate) fn example(&self, name: &str) -> String {
        match self {
            Self::Nothing => format!("`{name}`"),
            Self::Type => format!("`{name} = SomeType`"),
            Self::Number => format!("`{name} = 1`"),
            Self::Text => format!("`{name} = \"..\"`"),
            Self::Name => format!("`{name} = SomeName`"),
            Self::Path => format!("`{name} = some::path`"),
            Self::Choice(choices) => {
                let all: Vec<_> = choices.iter().map(|c| format!("`{name} = {c}`")).collect();
                all.join(" or ")
            }
        }
    }
}

const fn word(name: &'static str, takes: Takes) -> Word {
    Word { name, takes }
}

pub(crate) const PROTOCOL: &[Word] = &[
    word("name", Takes::Text),
    word("version", Takes::Number),
    word("min_version", Takes::Number),
    word("requests", Takes::Type),
    word("channels", Takes::Type),
    word("callbacks", Takes::Type),
];
pub(crate) const REQUESTS: &[Word] = &[word("handler", Takes::Name), word("call", Takes::Name)];
pub(crate) const RPC: &[Word] = &[
    word("reply", Takes::Type),
    word("error", Takes::Type),
    word("stream", Takes::Type),
    word("upload", Takes::Type),
    word("idempotent", Takes::Nothing),
    word("dedup", Takes::Nothing),
    word("ordered", Takes::Nothing),
    word("cancel", Takes::Nothing),
    word("ack", Takes::Choice(&["received", "handled"])),
    word("since", Takes::Number),
    word("removed", Takes::Number),
    word("name", Takes::Text),
];
pub(crate) const CHANNEL: &[Word] = &[
    word("event", Takes::Type),
    word("delivery", Takes::Choice(&["at_least_once", "best_effort"])),
    word("history", Takes::Number),
    word("history_bytes", Takes::Number),
    word("history_secs", Takes::Number),
    word("latest", Takes::Nothing),
    word("snapshot", Takes::Type),
    word("publish", Takes::Choice(&["client"])),
    word("since", Takes::Number),
    word("removed", Takes::Number),
    word("name", Takes::Text),
];
pub(crate) const EVENT: &[Word] = &[
    word("unknown", Takes::Nothing),
    word("since", Takes::Number),
    word("removed", Takes::Number),
    word("name", Takes::Text),
];
pub(crate) const WS_CONTAINER: &[Word] = &[word("crate", Takes::Path)];
pub(crate) const WS_FIELD: &[Word] = &[
    word("redact", Takes::Nothing),
    word("bounded", Takes::Nothing),
    word("text", Takes::Nothing),
    word("latest", Takes::Nothing),
];

/// The attributes of the derives and where each belongs.
pub(crate) const HOMES: &[(&str, &str)] = &[
    ("protocol", "beside `#[derive(Protocol)]`"),
    ("requests", "on a request enum, beside `#[derive(Requests)]`"),
    ("rpc", "on a variant of a request enum"),
    ("channel", "on a variant of a channel enum"),
    ("event", "on a variant of an event enum"),
    ("ws", "on a named field, or beside the derive as `#[ws(crate = ..)]`"),
];

/// "expected one of `a`, `b` (did you mean `a`?)".
pub(crate) fn expected(word: &str, known: &[&str]) -> String {
    let all: Vec<_> = known.iter().map(|k| format!("`{k}`")).collect();
    let list = if let [only] = all.as_slice() {
        format!("expected {only}")
    } else {
        format!("expected one of {}", all.join(", "))
    };
    match closest(word, known) {
        Some(meant) => format!("{list} (did you mean `{meant}`?)"),
        None => list,
    }
}

/// The known word that is so close that it must be meant; the first of several.
pub(crate) fn closest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|known| (distance(word, known), *known))
        .filter(|(distance, known)| *distance <= (known.len().max(word.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// Insertions, deletions, replacements and swaps of neighbours between two words (optimal string
/// alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: [&str; 4] = ["reply", "error", "idempotent", "ordered"];

    #[test]
    fn a_swap_is_one_edit() {
        assert_eq!(distance("rpley", "reply"), 2);
        assert_eq!(distance("erply", "reply"), 1);
        assert_eq!(distance("", "reply"), 5);
        assert_eq!(distance("reply", "reply"), 0);
    }

    #[test]
    fn a_typo_has_a_hint() {
        for (typo, meant) in [
            ("replly", "reply"),
            ("erply", "reply"),
            ("eror", "error"),
            ("idempotant", "idempotent"),
            ("indempotnet", "idempotent"),
            ("orderd", "ordered"),
        ] {
            assert_eq!(closest(typo, &WORDS), Some(meant), "{typo}");
        }
    }

    #[test]
    fn another_word_has_no_hint() {
        for other in ["timeout", "x", "answer", "retry_after"] {
            assert_eq!(closest(other, &WORDS), None, "{other}");
        }
    }

    #[test]
    fn the_sentence_lists_all_words_and_hints_last() {
        assert_eq!(
            expected("replly", &["reply", "error"]),
            "expected one of `reply`, `error` (did you mean `reply`?)"
        );
        assert_eq!(expected("server", &["client"]), "expected `client`");
    }
}
