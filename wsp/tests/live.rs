//! The live commands against the real chat, and the conformance command: what they say and their
//! exit codes.

use chat::protocol::Chat;
use serde_json::{Value, json};
use std::{
    process::{Command, Output},
    time::Duration,
};
use ws_runtime::{Server, ServerConfig};

const CONTRACT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../schema/chat.json");

#[tokio::test(flavor = "multi_thread")]
async fn a_call_prints_the_answer() {
    let (_server, url) = started().await;
    let ran = wsp(&["call", &url, "join", r#"{"room":"den"}"#, "--token", "ann"]).await;
    assert_eq!(ran.status.code(), Some(0), "{}", errors(&ran));
    assert_eq!(lines(&ran)[0]["members"], json!(["ann"]));
    // The same in the other format, with the contract.
    let more = ["--format", "msgpack", "--contract", CONTRACT];
    let call = ["call", &url, "list_rooms", "{}", "--token", "bob"];
    let ran = wsp(&[&call[..], &more[..]].concat()).await;
    assert_eq!(ran.status.code(), Some(0), "{}", errors(&ran));
    assert_eq!(lines(&ran)[0]["rooms"][0]["name"], json!("den"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_is_printed_and_is_an_exit_code_of_one() {
    let (_server, url) = started().await;
    let post = r#"{"room":"den","text":"hello"}"#;
    let ran = wsp(&["call", &url, "post", post, "--token", "ann"]).await;
    assert_eq!(ran.status.code(), Some(1), "{}", errors(&ran));
    assert_eq!(lines(&ran), [json!({"err": "not_a_member"})]);
    let ran = wsp(&["call", &url, "dance", "{}", "--token", "ann"]).await;
    assert_eq!(ran.status.code(), Some(1));
    assert!(errors(&ran).contains("unimplemented"), "{}", errors(&ran));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_contract_nothing_wrong_is_sent() {
    let (_server, url) = started().await;
    let call = |kind: &'static str, payload: &'static str| {
        let url = url.clone();
        async move {
            wsp(&["call", &url, kind, payload, "--token", "ann", "--contract", CONTRACT]).await
        }
    };
    let ran = call("join", r#"{"room":7}"#).await;
    assert_eq!(ran.status.code(), Some(2));
    assert!(errors(&ran).contains("/room"), "{}", errors(&ran));
    let ran = call("dance", "{}").await;
    assert_eq!(ran.status.code(), Some(2));
    assert!(errors(&ran).contains("list_rooms"), "{}", errors(&ran));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_let_in_and_who_reaches_nobody_is_told_so() {
    let (_server, url) = started().await;
    let ran = wsp(&["call", &url, "list_rooms", "{}"]).await;
    assert_eq!(ran.status.code(), Some(2));
    assert!(errors(&ran).contains("refused with 4600"), "{}", errors(&ran));
    let ran = wsp(&["call", "ws://127.0.0.1:9/", "list_rooms", "{}"]).await;
    assert_eq!(ran.status.code(), Some(2));
    assert!(errors(&ran).contains("cannot be reached"), "{}", errors(&ran));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_prints_the_events_after_a_position() {
    let (_server, url) = started().await;
    let joined = wsp(&["call", &url, "join", r#"{"room":"den"}"#, "--token", "ann"]).await;
    let epoch = lines(&joined)[0]["epoch"].as_str().expect("an epoch").to_owned();
    let since = format!("{epoch}:0");
    let tail = ["tail", &url, "room/den", "--token", "ann", "--since", &since, "--count", "1"];
    let ran = wsp(&tail).await;
    assert_eq!(ran.status.code(), Some(0), "{}", errors(&ran));
    let said = lines(&ran);
    assert_eq!(said[0]["subscribed"]["recovered"], json!(true));
    assert_eq!(said[1]["type"], json!("room.entered"));
    assert_eq!(said[1]["payload"], json!({"who": "ann"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_is_refused_is_an_exit_code_of_one() {
    let (_server, url) = started().await;
    let ran = wsp(&["tail", &url, "room/attic", "--token", "ann"]).await;
    assert_eq!(ran.status.code(), Some(1));
    assert!(errors(&ran).contains("join the room first"), "{}", errors(&ran));
}

#[tokio::test(flavor = "multi_thread")]
async fn conformance_has_three_exit_codes_and_a_report() {
    // The chat is no server of the contract: it knows another protocol.
    let (_server, url) = started().await;
    let path = format!("{}/report.json", env!("CARGO_TARGET_TMPDIR"));
    let judge = |case: &'static str, url: &str| {
        let url = url.to_owned();
        let path = path.clone();
        async move { wsp(&["conformance", "server", &url, "--case", case, "--report", &path]).await }
    };
    let ran = judge("1.1", &url).await;
    assert_eq!(ran.status.code(), Some(0), "{}", errors(&ran));
    let ran = judge("4.1", &url).await;
    assert_eq!(ran.status.code(), Some(1), "{}", errors(&ran));
    let report = std::fs::read_to_string(&path).expect("a report");
    let report: Value = serde_json::from_str(&report).expect("a document");
    assert_eq!(report["totals"], json!({"passed": 0, "failed": 1, "skipped": 0}));
    assert_eq!(report["cases"][0]["section"], json!(4));
    assert_eq!(judge("4.1", "ws://127.0.0.1:9/").await.status.code(), Some(2));
    assert_eq!(judge("0.1", &url).await.status.code(), Some(2));
}

async fn started() -> (Server<Chat>, String) {
    let server = chat::server(ServerConfig::default(), Duration::from_secs(60)).expect("a server");
    let address = server.spawn("127.0.0.1:0").await.expect("a free port");
    (server, format!("ws://{address}/"))
}

async fn wsp(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wsp"));
    command.args(arguments).env_remove("WSP_TOKEN");
    let ran = tokio::task::spawn_blocking(move || command.output()).await;
    ran.expect("no panic").expect("wsp runs")
}

fn lines(ran: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&ran.stdout).into_owned();
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

fn errors(ran: &Output) -> String {
    String::from_utf8_lossy(&ran.stderr).into_owned()
}
