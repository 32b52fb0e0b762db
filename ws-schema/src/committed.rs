//! One line in a user's tests.

use crate::{Level, Outcome, Report, check};
use serde_json::Value;
use std::{fs, path::Path};
use ws_proto::{Protocol, schema};

/// Fails when the protocol, as it is now, would break peers of an older contract: one line in a
/// user's tests, and a file that is committed on the day of a release.
///
/// ```no_run
/// # use ws_proto::Protocol;
/// # fn chat<Chat: Protocol>() {
/// ws_schema::assert_compatible::<Chat>("schema/history/1.json");
/// # }
/// ```
///
/// The path starts at the package's root, where `cargo test` runs. Beside the file there may be
/// one with the ending `.accepted` ([`Accepted`](crate::Accepted)): `schema/history/1.accepted`.
///
/// # Panics
///
/// When a change breaks on the wire (with every one, its place and what to do), when something
/// could not be compared, when the protocol has no schema, and when a file cannot be read.
#[track_caller]
pub fn assert_compatible<P: Protocol>(older: impl AsRef<Path>) {
    let older = older.as_ref();
    let now = schema::document::<P>();
    let judged = now.map_err(|error| error.to_string()).and_then(|now| judge(older, &now));
    if let Err(reason) = judged {
        panic!("protocol `{}`, compared with `{}`:\n{reason}", P::NAME, older.display());
    }
}

fn judge(older: &Path, now: &Value) -> Result<(), String> {
    let text = fs::read_to_string(older).map_err(|error| format!("cannot read it: {error}"))?;
    let old = serde_json::from_str(&text).map_err(|error| format!("it is no JSON: {error}"))?;
    let report = accepting(check(&old, now), &older.with_extension("accepted"))?;
    match report.outcome(Level::Wire) {
        Outcome::Compatible => Ok(()),
        Outcome::Breaking | Outcome::NotCompared => Err(report.to_string()),
    }
}

fn accepting(report: Report, file: &Path) -> Result<Report, String> {
    if !file.exists() {
        return Ok(report);
    }
    let name = file.display();
    let text =
        fs::read_to_string(file).map_err(|error| format!("cannot read `{name}`: {error}"))?;
    let accepted = text.parse().map_err(|error| format!("`{name}`, {error}"))?;
    Ok(report.accept(&accepted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::{env, process};

    fn chat() -> Value {
        serde_json::from_str(include_str!("../../schema/chat.json")).unwrap()
    }

    #[test]
    fn an_older_contract_that_breaks_fails_until_it_is_accepted() {
        let folder = env::temp_dir().join(format!("ws-schema-committed-{}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        let older = folder.join("1.json");
        assert!(judge(&older, &chat()).unwrap_err().starts_with("cannot read it"));

        fs::write(&older, chat().to_string()).unwrap();
        assert_eq!(judge(&older, &chat()), Ok(()));

        let mut now = chat();
        now["$defs"]["Join"]["properties"]["room"] = json!({ "type": "integer" });
        let reason = judge(&older, &now).unwrap_err();
        assert!(reason.contains("wire TYPE_CHANGED Join.room"), "{reason}");

        fs::write(folder.join("1.accepted"), "TYPE_CHANGED Join.room all rooms have numbers")
            .unwrap();
        assert_eq!(judge(&older, &now), Ok(()));
        fs::write(folder.join("1.accepted"), "TYPE_CHANGED Join.room").unwrap();
        assert!(judge(&older, &now).unwrap_err().contains("say why"));

        fs::write(&older, "{}").unwrap();
        assert!(judge(&older, &chat()).is_err());
        fs::remove_dir_all(folder).unwrap();
    }
}
