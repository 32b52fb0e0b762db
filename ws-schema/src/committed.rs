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
