//! Cuts the connection at every message of every transcript: the applications on both sides must be
//! told the same as without the cut, each thing once and in order.

use super::cut::{Cut, Told, cut_block};
use std::{collections::BTreeMap, fs, path::PathBuf};
use ws_conformance::transcript::{self, Block};
use ws_proto::Format;

/// Pages whose story is not one of a session that lives on, and why.
const SKIPPED: &[(&str, &str)] = &[
    ("after-a-sleep", "its story is the time that passes"),
    ("callback-lost", "its sessions are not resumed"),
    ("connection-lost-and-again", "its sessions are not resumed"),
    ("credentials-expire", "its story is the end of a connection"),
    ("credentials-refused", "no session begins"),
    ("drain", "its story is the end of a connection"),
    ("heartbeat", "its story is a silent connection"),
    ("heartbeat-missed", "its story is a silent connection"),
    ("protocol-name-refused", "no session begins"),
    ("rate-limited", "its story is when messages leave"),
    ("renewal", "its story is one connection: the hello of the next one brings credentials"),
    (
        "renewal-refused",
        "its story is one connection: the hello of the next one brings credentials",
    ),
    ("resume-refused", "its sessions are not resumed"),
    ("resume-while-draining", "its story is the end of a connection"),
    ("server-stops", "its story is the end of a connection"),
    ("upload-and-heartbeat", "its story is a silent connection"),
    ("upload-lost", "its sessions are not resumed"),
    ("version-refused", "no session begins"),
];

#[test]
fn a_cut_at_any_message_changes_nothing_in_json() {
    cut_all(Format::Json);
}

#[test]
fn a_cut_at_any_message_changes_nothing_in_message_pack() {
    cut_all(Format::MessagePack);
}

#[test]
fn every_skipped_page_exists() {
    for (name, why) in SKIPPED {
        assert!(folder().join(format!("{name}.md")).exists(), "{name}: {why}");
    }
}

fn cut_all(format: Format) {
    let mut failures = Vec::new();
    let mut cuts = 0;
    for block in blocks() {
        let whole = match cut_block(&block, format, &Cut::default()) {
            Ok(whole) => whole,
            Err(error) => {
                failures.push(format!("without a cut: {error}"));
                continue;
            }
        };
        for cut in cuts_of(whole.messages) {
            cuts += 1;
            let told = cut_block(&block, format, &cut).and_then(|told| compare(&whole, &told));
            if let Err(error) = told {
                let line = block.lines.first().map_or(0, |line| line.number);
                failures.push(format!("{}:{line}: {cut:?}: {error}", block.file));
                break;
            }
        }
    }
    assert!(failures.is_empty(), "in {format}:\n\n{}", failures.join("\n\n"));
    assert!(cuts > 1000, "only {cuts} cuts were made");
}

/// One cut at each message, in each way; and two cuts, the second soon after the first, where the
/// resume is still under way.
fn cuts_of(messages: usize) -> Vec<Cut> {
    let mut cuts = Vec::new();
    for first in 0..messages {
        for (flushes, takes_over) in [(false, false), (true, false), (false, true), (true, true)] {
            cuts.push(Cut { at: vec![first], flushes, takes_over });
        }
        for after in 1..=5 {
            let takes_over = after % 2 == 0;
            cuts.push(Cut { at: vec![first, first + after], flushes: true, takes_over });
        }
        cuts.push(Cut { at: (first..first + 10).collect(), flushes: false, takes_over: false });
    }
    cuts
}

fn compare(whole: &Told, told: &Told) -> Result<(), String> {
    if whole.consumed != told.consumed {
        return Err(format!("consumed: {:?}\n  was {:?}", told.consumed, whole.consumed));
    }
    let about = |told: &Told| -> BTreeMap<String, Vec<String>> {
        told.events.iter().map(|(about, events)| (about.clone(), events.clone())).collect()
    };
    let (whole_events, events) = (about(whole), about(told));
    for (about, expected) in &whole_events {
        let got = events.get(about).cloned().unwrap_or_default();
        let may_miss = told.missed.iter().any(|channel| about.ends_with(channel.as_str()));
        let holds = if may_miss { is_part(&got, expected) } else { got == *expected };
        if !holds {
            return Err(format!("{about}: {got:#?}\n  was {expected:#?}"));
        }
    }
    match events.keys().find(|about| !whole_events.contains_key(*about)) {
        Some(about) => Err(format!("{about}: nothing was told without the cut")),
        None => Ok(()),
    }
}

/// Whether `part` is `whole` with some left out.
fn is_part(part: &[String], whole: &[String]) -> bool {
    let mut whole = whole.iter();
    part.iter().all(|event| whole.any(|other| other == event))
}

/// The blocks in which both sides are sessions, and no transport is full: what a full one holds
/// back may come or not, and both are right.
fn blocks() -> Vec<Block> {
    let mut paths: Vec<_> = fs::read_dir(folder())
        .expect("the transcripts are part of the repository")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    paths.sort();
    let mut blocks = Vec::new();
    for path in paths {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if SKIPPED.iter().any(|(skipped, _)| *skipped == name) {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a readable file");
        let all = transcript::blocks(&format!("docs/sessions/{name}.md"), &text);
        blocks.extend(all.into_iter().filter(|block| {
            !block
                .lines
                .iter()
                .any(|line| line.text.starts_with("peer ") || line.text.ends_with(" full"))
        }));
    }
    blocks
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/sessions")
}
