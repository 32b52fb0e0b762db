//! The proxy between `wsp call` and the real chat: what it prints.

use serde_json::{Value, json};
use std::{process::Stdio, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};
use ws_runtime::ServerConfig;

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_prints_both_directions_and_pairs_answers_with_requests() {
    for format in ["json", "msgpack"] {
        let printed = printed(format, &[]).await;
        let ask = frame(&printed, "C", "join");
        assert_eq!(ask["C"]["payload"], json!({ "room": "den" }));
        let answer = frame(&printed, "S", "join.ok");
        assert_eq!(answer["S"]["payload"]["members"], json!(["ann"]));
        assert_eq!(answer["S"]["re"], ask["C"]["id"], "{format}");
        assert_eq!(answer["answers"]["type"], json!("join"), "{format}");
        assert!(answer["answers"]["after_ms"].is_number());
        let last = printed.last().expect("a line");
        assert_eq!((&last["closed_by"], &last["code"]), (&json!("C"), &json!(1000)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_never_printed_and_named_fields_are_not_either() {
    for format in ["json", "msgpack"] {
        let printed = printed(format, &["--redact", "room"]).await;
        assert_eq!(frame(&printed, "C", "$hello")["C"]["payload"]["auth"]["token"], json!("***"));
        assert_eq!(frame(&printed, "C", "join")["C"]["payload"], json!({ "room": "***" }));
        let welcome = frame(&printed, "S", "$welcome").to_string();
        assert!(welcome.contains(r#""ticket":"***""#), "{welcome}");
    }
}

/// What the proxy prints of one `join`, up to the end of its connection.
async fn printed(format: &str, more: &[&str]) -> Vec<Value> {
    let server = chat::server(ServerConfig::default(), Duration::from_secs(60)).expect("a server");
    let address = server.spawn("127.0.0.1:0").await.expect("a free port");
    let url = format!("ws://{address}/");
    let arguments = [&["proxy", "127.0.0.1:0", url.as_str()], more].concat();
    let (_proxy, mut lines) = started(&arguments);
    let first = next(&mut lines).await;
    let through = first["listening"].as_str().expect("where it listens");
    let join = ["call", through, "join", r#"{"room":"den"}"#, "--token", "ann"];
    let ran = wsp().args(join).args(["--format", format]).output().await.expect("wsp runs");
    assert!(ran.status.success(), "{ran:?}");
    // The first connection only asks for the name of the protocol.
    let mut printed = Vec::new();
    loop {
        let line = next(&mut lines).await;
        let is_last = line["n"] == json!(2) && line.get("closed_by").is_some();
        if line["n"] == json!(2) {
            printed.push(line);
        }
        if is_last {
            return printed;
        }
    }
}

fn frame<'a>(printed: &'a [Value], side: &str, kind: &str) -> &'a Value {
    let found = printed.iter().find(|line| line[side]["type"] == json!(kind));
    found.unwrap_or_else(|| panic!("no {kind} in {printed:?}"))
}

fn wsp() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wsp"));
    command.env_remove("WSP_TOKEN").kill_on_drop(true);
    command
}

fn started(arguments: &[&str]) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut child = wsp().args(arguments).stdout(Stdio::piped()).spawn().expect("wsp runs");
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    (child, lines)
}

async fn next(lines: &mut Lines<BufReader<ChildStdout>>) -> Value {
    let line = lines.next_line().await.expect("a line").expect("the proxy runs");
    serde_json::from_str(&line).expect("a line of JSON")
}
