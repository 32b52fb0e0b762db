//! What `docs/wsp.md` shows of sessions is what they print, up to what differs from run to run.

use crate::places::chat;
use serde_json::Value;
use std::process::Stdio;
use tokio::{io::AsyncWriteExt, process::Command};

/// Fields whose values nobody knows before.
const DIFFERENT: [&str; 4] = ["session", "epoch", "at", "number"];

/// What is shown of a command: its arguments, its input and what it prints.
fn shown(command: &str) -> (Vec<String>, String, String) {
    let page = std::fs::read_to_string("../docs/wsp.md").expect("the page");
    let begin = format!("```text\n$ wsp {command} ");
    let (_, block) = page.split_once(&begin).expect("a block");
    let (block, _) = block.split_once("```").expect("the end of the block");
    let (line, rest) = block.split_once('\n').expect("what it prints");
    let (line, input, output) = match line.strip_suffix(" << END") {
        Some(line) => {
            let (input, output) = rest.split_once("END\n").expect("the end of the input");
            (line, input, output)
        }
        None => (line, "", rest),
    };
    let words = line.split(' ').map(|word| word.trim_matches('\'').to_owned());
    (words.collect(), input.to_owned(), output.to_owned())
}

async fn printed(command: &str, arguments: &[String], input: &str) -> String {
    let (_server, address) = chat().await;
    let url = format!("ws://{address}/");
    let here = arguments.iter().map(|word| match word.as_str() {
        word if word.starts_with("ws://") => url.clone(),
        // Nobody waits so long for a test.
        "10s" => "200ms".to_owned(),
        word => word.to_owned(),
    });
    let mut wsp = Command::new(env!("CARGO_BIN_EXE_wsp"));
    wsp.current_dir("..").arg(command).args(here).env_remove("WSP_TOKEN");
    wsp.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = wsp.spawn().expect("wsp runs");
    let mut to = child.stdin.take().expect("a pipe");
    to.write_all(input.as_bytes()).await.expect("wsp reads");
    drop(to);
    let ran = child.wait_with_output().await.expect("it ends");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).expect("text")
}

/// The lines without what differs; an event and an answer may come in either order.
fn lines(text: &str) -> Vec<String> {
    let masked = |line: &str| {
        let mut line: Value = serde_json::from_str(line).expect("a line of JSON");
        mask(&mut line);
        line.to_string()
    };
    let mut lines: Vec<_> = text.lines().map(masked).collect();
    lines.sort();
    lines
}

fn mask(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if DIFFERENT.contains(&name.as_str()) {
                    *value = Value::Null;
                } else {
                    mask(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_session_that_is_shown_is_the_one_that_runs() {
    let (arguments, input, wanted) = shown("connect");
    assert_eq!(lines(&printed("connect", &arguments, &input).await), lines(&wanted));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_that_is_shown_is_the_one_that_is_printed() {
    let (arguments, _, wanted) = shown("bench");
    // Numbers differ, and how wide they are.
    let form = |text: &str| {
        let is_number = |letter: char| letter.is_ascii_digit() || letter == '.';
        let words = text.split([' ', '\n']).filter(|word| !word.is_empty());
        let masked = words.map(|word| match word.trim_end_matches(',') {
            number if number.chars().all(is_number) => "#".to_owned(),
            _ => word.to_owned(),
        });
        masked.collect::<Vec<_>>()
    };
    assert_eq!(form(&printed("bench", &arguments, "").await), form(&wanted));
}
