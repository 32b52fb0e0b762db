//! What goes wrong between bytes and values, in words that never repeat the value.

use std::fmt;

/// Why bytes are not an envelope, or not a payload of the expected type.
///
/// The text names the rule and the place. It never holds a value of the message: a payload can
/// carry a token, and errors are logged. Field names and the names of expected types come from
/// the receiver's own code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes are not what the format or the type says; where and why.
    #[error("{0}")]
    Invalid(String),
    /// No message of this protocol has this type.
    #[error("unknown type `{0}`")]
    UnknownKind(String),
}

/// Why a value cannot be expressed in a format.
///
/// The text is ours, or that of the value's own `Serialize`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EncodeError(pub String);

/// A rule of the envelope that the bytes break, and the byte at which they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) rule: &'static str,
    pub(super) at: usize,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.rule, self.at)
    }
}

impl From<Broken> for DecodeError {
    fn from(broken: Broken) -> Self {
        Self::Invalid(broken.to_string())
    }
}

impl From<DecodeError> for EncodeError {
    /// For a payload that has to change its format before it can be written.
    fn from(error: DecodeError) -> Self {
        Self(error.to_string())
    }
}

/// The sentences of this crate's own checks, which `serde` hands through as custom errors.
pub(super) mod rule {
    pub(crate) const INTEGER: &str = "integer past 2^53 - 1";
    pub(crate) const FINITE: &str = "number that is not finite";
    pub(crate) const FLOAT: &str = "number past the range of a 32-bit float";
    pub(crate) const KEY: &str = "map key that is not text";
    pub(crate) const TWICE: &str = "duplicate key";
    pub(crate) const BASE64: &str = "text that is not base64 with padding";
    pub(crate) const ONE_ENTRY: &str = "enum value that is not a map of one entry";
    pub(crate) const DEPTH: &str = "nesting too deep";
    pub(crate) const LENGTH: &str = "value whose length is not the one it declared";
    pub(crate) const TRAILING: &str = "bytes after the value";
    pub(crate) const MORE: &str = "more elements than the type has";
    pub(crate) const VALUE: &str = "expected a value";
    pub(super) const ALL: &[&str] = &[
        INTEGER, FINITE, FLOAT, KEY, TWICE, BASE64, ONE_ENTRY, DEPTH, LENGTH, TRAILING, MORE, VALUE,
    ];
}

/// Rewrites the text of an error of `serde` so that nothing of the peer's value is left.
///
/// `serde` quotes the value between the name of its kind and `, expected ..`; only text whose
/// shape is known is kept, and of that only the parts before and after the value.
pub(super) fn without_values(error: &dyn fmt::Display) -> String {
    let text = error.to_string();
    if rule::ALL.contains(&text.as_str()) {
        return text;
    }
    if let Some(rest) = text.strip_prefix("missing field ") {
        return format!("missing field {}", own_name(rest));
    }
    if let Some(rest) = text.strip_prefix("duplicate field ") {
        return format!("duplicate field {}", own_name(rest));
    }
    let known = ["invalid type", "invalid value", "invalid length"];
    if let Some(what) = known.into_iter().find(|what| text.starts_with(what)) {
        return match text.rsplit_once(", expected ") {
            Some((_, expected)) => format!("{what}, expected {}", clipped(expected)),
            None => what.to_owned(),
        };
    }
    if text.starts_with("unknown variant ") {
        return "unknown variant".to_owned();
    }
    if text.starts_with("unknown field ") {
        return "unknown field".to_owned();
    }
    "the value is not one of its type".to_owned()
}

/// A name between backticks comes from the receiver's type; anything else is not repeated.
pub(super) fn own_name(rest: &str) -> &str {
    let name = rest.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'));
    if name.is_some_and(|name| name.len() <= 64) { rest } else { "of its type" }
}

pub(super) fn clipped(expected: &str) -> &str {
    expected.char_indices().nth(120).map_or(expected, |(end, _)| &expected[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_value_is_not_repeated() {
        let cases = [
            "invalid type: string \"secret\", expected u64",
            "invalid value: integer `77331`, expected a number below 5",
            "unknown variant `secret`, expected `a` or `b`",
            "unknown field `secret`, expected `a`",
            "the application says secret",
        ];
        for case in cases {
            let text = without_values(&case);
            assert!(!text.contains("secret") && !text.contains("77331"), "{text}");
        }
    }

    #[test]
    fn rule_and_field_are_kept() {
        let cases = ["missing field `room`", "duplicate field `room`", "integer past 2^53 - 1"];
        for case in cases {
            assert_eq!(without_values(&case), case);
        }
        assert_eq!(
            without_values(&"invalid type: string \"a, expected b\", expected u64"),
            "invalid type, expected u64"
        );
    }
}
