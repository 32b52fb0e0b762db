//! The committed schema and the built one must be the same bytes.

use super::{document, to_text};
use crate::message::Protocol;
use std::{env, fs, io, path::Path};

/// Compares the schema of a protocol with the committed file, byte for byte: one line in a user's
/// tests, so that no change of the contract passes unseen.
///
/// ```no_run
/// # use ws_proto::Protocol;
/// # fn chat<Chat: Protocol>() {
/// ws_proto::schema::assert_committed::<Chat>("schema/chat.json");
/// # }
/// ```
///
/// The path starts at the package's root, where `cargo test` runs. With the environment variable
/// `WS_PROTO_BLESS=1` the file is written instead.
///
/// # Panics
///
/// When the protocol has no schema (with every problem), when the file is missing or differs (with
/// the first line that does and what to run), or when it cannot be written.
#[track_caller]
pub fn assert_committed<P: Protocol>(path: impl AsRef<Path>) {
    match document::<P>() {
        Ok(document) => assert_committed_text(path, &to_text(&document)),
        Err(error) => panic!("protocol `{}`: {error}", P::NAME),
    }
}

/// The same for any generated text: [`super::control`], [`super::codes`].
///
/// # Panics
///
/// As [`assert_committed`].
#[track_caller]
pub fn assert_committed_text(path: impl AsRef<Path>, text: &str) {
    let bless = env::var_os("WS_PROTO_BLESS").is_some_and(|value| value == "1");
    if let Err(reason) = settle(path.as_ref(), text, bless) {
        panic!("{reason}");
    }
}

fn settle(path: &Path, text: &str, bless: bool) -> Result<(), String> {
    let name = path.display();
    let committed = match fs::read_to_string(path) {
        Ok(committed) => Some(committed),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(format!("cannot read `{name}`: {error}")),
    };
    if committed.as_deref() == Some(text) {
        return Ok(());
    }
    if bless {
        return write(path, text).map_err(|error| format!("cannot write `{name}`: {error}"));
    }
    let what = committed.map_or_else(
        || format!("`{name}` is missing"),
        |committed| format!("`{name}` is not what the code says: {}", difference(&committed, text)),
    );
    Err(format!(
        "{what}\nIf the change is meant, run `WS_PROTO_BLESS=1 cargo test` and commit the file."
    ))
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text)
}

/// The first line that differs. Lines are split at `\n` alone, so that another line end is seen.
fn difference(committed: &str, built: &str) -> String {
    let (mut old, mut new) = (committed.split('\n'), built.split('\n'));
    let mut number = 1;
    loop {
        match (old.next(), new.next()) {
            (Some(old), Some(new)) if old == new => number += 1,
            (old, new) => {
                let show = |line: Option<&str>| {
                    line.map_or_else(
                        || "the end".to_owned(),
                        |line| format!("{:?}", line.trim_start_matches(' ')),
                    )
                };
                return format!(
                    "line {number}\n  committed: {}\n  built:     {}",
                    show(old),
                    show(new)
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process;

    #[test]
    fn a_difference_fails_with_the_line_and_the_command() {
        let folder = env::temp_dir().join(format!("ws-proto-committed-{}", process::id()));
        let path = folder.join("deep/chat.json");
        let missing = settle(&path, "{}\n", false).unwrap_err();
        assert!(missing.contains("is missing") && missing.contains("WS_PROTO_BLESS=1"));

        settle(&path, "{\n  \"a\": 1\n}\n", true).unwrap();
        assert_eq!(settle(&path, "{\n  \"a\": 1\n}\n", false), Ok(()));

        let differs = settle(&path, "{\n  \"a\": 2\n}\n", false).unwrap_err();
        assert!(differs.contains("line 2"), "{differs}");
        assert!(differs.contains("WS_PROTO_BLESS=1"), "{differs}");
        assert!(settle(&path, "{\n  \"a\": 1\n}", false).is_err());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn the_first_line_that_differs_is_named() {
        assert!(difference("a\r\nb", "a\nb").starts_with("line 1\n"));
        assert!(difference("a\n", "a\nb\n").starts_with("line 2\n"));
    }
}
