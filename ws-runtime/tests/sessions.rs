//! Runs every transcript of `docs/sessions` between real sessions, in every format.
//!
//! The grammar is described in `docs/sessions/README.md`.

use crate::transcript::{run_block, run_text};
use std::{fs, path::PathBuf};
use ws_proto::Format;

#[test]
fn every_transcript_holds_in_json() {
    run_all(Format::Json);
}

#[test]
fn every_transcript_holds_in_message_pack() {
    run_all(Format::MessagePack);
}

#[test]
fn an_unshown_frame_fails() {
    let error = told("C app> connect\nC: $hello chat 1..3\nS app< hello 3\nS app> accept\n");
    assert!(error.contains("unshown") && error.contains("$welcome"), "{error}");
}

#[test]
fn an_unshown_event_fails() {
    let error = told("C app> connect\nC: $hello chat 1..3\n-- 1s\n");
    assert!(error.contains("unshown") && error.contains("hello 3"), "{error}");
}

#[test]
fn a_wrong_payload_fails_with_both_values() {
    let error = told("C app> connect\nC: $hello chat 1..4\n");
    assert!(error.contains("[1,4]") && error.contains("[1,3]"), "{error}");
}

#[test]
fn a_failure_names_file_and_line() {
    let error = told("C app> connect\nS: $ping\n");
    assert!(error.starts_with("story.md:3: "), "{error}");
}

#[test]
fn a_line_that_is_no_step_fails() {
    let error = told("C app> connect\nC says hello\n");
    assert!(error.contains("no step"), "{error}");
}

/// The failure of a story with one block.
fn told(block: &str) -> String {
    let text = format!("```session\n{block}```\n");
    run_text("story.md", &text, Format::Json).expect_err("the transcript is wrong")
}

fn run_all(format: Format) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/sessions");
    let mut paths: Vec<_> = fs::read_dir(&folder)
        .expect("the transcripts are part of the repository")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .filter(|path| path.file_name().is_some_and(|name| name != "README.md"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "no transcript was found");
    let mut failures = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).expect("a readable file");
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let blocks = crate::transcript::blocks(&format!("docs/sessions/{name}"), &text);
        assert!(!blocks.is_empty(), "{name} has no transcript");
        failures.extend(blocks.iter().filter_map(|block| run_block(block, format).err()));
    }
    assert!(failures.is_empty(), "in {format}:\n\n{}", failures.join("\n\n"));
}
