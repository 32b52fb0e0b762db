//! `wsp bench` against the real chat: what it counts, and its exit codes.

use crate::places::{CONTRACT, Relay, chat};
use serde_json::{Value, json};
use std::process::{Output, Stdio};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

fn bench(url: &str, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wsp"));
    command.args(["bench", url, "--token", "user{c}", "--json"]).args(more);
    command.env_remove("WSP_TOKEN").stdout(Stdio::piped()).stderr(Stdio::piped());
    command.kill_on_drop(true);
    command
}

fn report(ran: &Output) -> (Value, Option<i32>) {
    let report = serde_json::from_slice(&ran.stdout);
    let errors = String::from_utf8_lossy(&ran.stderr);
    (report.unwrap_or_else(|_| panic!("no report: {errors}")), ran.status.code())
}

fn errors(ran: &Output) -> String {
    String::from_utf8_lossy(&ran.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_requests_are_asked_and_each_is_counted_once() {
    let (_server, address) = chat().await;
    let url = format!("ws://{address}/");
    for format in ["json", "msgpack"] {
        let load =
            ["--connections", "4", "--in-flight", "3", "--requests", "50", "--format", format];
        let call = ["--call", "list_rooms", "--contract", CONTRACT];
        let ran = bench(&url, &[&load[..], &call].concat()).output().await.expect("wsp runs");
        let (report, code) = report(&ran);
        assert_eq!(code, Some(0), "{report}");
        assert_eq!((&report["calls"]["asked"], &report["calls"]["ok"]), (&json!(50), &json!(50)));
        assert_eq!(report["model"], json!("closed"));
        let latency = |name: &str| report["latency_ms"][name].as_f64().expect("a latency");
        assert!(latency("p50") > 0.0 && latency("p50") <= latency("p99_9"));
        assert!(latency("p99_9") <= latency("max"));
        let received = report["bytes"]["received"].as_u64().expect("a number");
        assert!(received > 50 * 20, "{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_reaches_every_receiver() {
    let (_server, address) = chat().await;
    let url = format!("ws://{address}/");
    let who = ["--connections", "5", "--callers", "1", "--first", "join", r#"{"room":"den"}"#];
    let what = ["--subscribe", "room/den", "--requests", "20", "--call", "post"];
    // The last is answered when every event before it was published.
    let payload = [r#"{"room":"den","text":"{n} of {c}"}"#];
    let ran = bench(&url, &[&who[..], &what, &payload].concat()).output().await.expect("wsp runs");
    let (report, code) = report(&ran);
    assert_eq!(code, Some(0), "{report}");
    assert_eq!(report["calls"]["ok"], json!(20));
    // Each connection that counts before a later one subscribes sees it enter, no more.
    let events = report["events"]["received"].as_u64().expect("a number");
    assert!(events >= 19, "{report}");
    assert_eq!(report["events"]["gaps"], json!(0));
    let url = format!("ws://{address}/");
    let call = ["call", &url, "history", r#"{"room":"den","limit":1}"#, "--token", "user0"];
    let mut wsp = Command::new(env!("CARGO_BIN_EXE_wsp"));
    let ran = wsp.args(call).env_remove("WSP_TOKEN").output().await.expect("wsp runs");
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(said.contains(r#""text":"19 of 0""#), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_counted_by_their_code_and_are_an_exit_code_of_one() {
    let (_server, address) = chat().await;
    let url = format!("ws://{address}/");
    let post = ["--requests", "10", "--call", "post", r#"{"room":"attic","text":"x"}"#];
    let ran = bench(&url, &post).output().await.expect("wsp runs");
    let (posted, code) = report(&ran);
    assert_eq!(code, Some(1), "{posted}");
    assert_eq!(posted["calls"]["errors"], json!({ "err \"not_a_member\"": 10 }));
    assert_eq!(posted["latency_ms"], Value::Null);
    let dance = ["--requests", "3", "--call", "dance"];
    let ran = bench(&url, &dance).output().await.expect("wsp runs");
    assert_eq!(report(&ran).0["calls"]["errors"], json!({ "fault unimplemented": 3 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_rate_a_latency_begins_when_the_request_was_due() {
    let (_server, address) = chat().await;
    let url = format!("ws://{address}/");
    // The server takes 400 at once and then 200 each second: the last of 600 that are due within
    // 300 ms cannot leave before a second is over, and with one in flight each waits a few
    // milliseconds from when it was sent.
    let load = ["--rate", "2000", "--requests", "600", "--in-flight", "1", "--call", "list_rooms"];
    let ran = bench(&url, &load).output().await.expect("wsp runs");
    let (report, code) = report(&ran);
    assert_eq!(code, Some(0), "{report}");
    assert_eq!((&report["model"], &report["calls"]["ok"]), (&json!("open"), &json!(600)));
    let slow = report["latency_ms"]["p90"].as_f64().expect("a latency");
    assert!(slow > 300.0, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_due_and_could_not_be_asked_is_said() {
    let (_server, address) = chat().await;
    let url = format!("ws://{address}/");
    let load =
        ["--rate", "5000", "--duration", "300ms", "--in-flight", "1", "--call", "list_rooms"];
    let ran = bench(&url, &load).output().await.expect("wsp runs");
    let (report, code) = report(&ran);
    assert_eq!(code, Some(0), "{report}");
    let number = |name: &str| report["calls"][name].as_u64().expect("a number");
    // 1,500 were due at least, and 400 and a few more could leave.
    assert!(number("unsent") > 900, "{report}");
    assert!(number("unsent") + number("asked") >= 1500, "{report}");
    assert!(errors(&ran).contains("were due and could not be asked"), "{}", errors(&ran));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_ends_the_load_with_its_report() {
    let (_server, address) = chat().await;
    let url = format!("ws://{address}/");
    let load = ["--duration", "10m", "--connections", "2", "--call", "list_rooms"];
    let mut child = bench(&url, &load).spawn().expect("wsp runs");
    let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let line = lines.next_line().await.expect("a line").expect("wsp runs");
    assert!(line.contains("2 connected"), "{line}");
    let id = child.id().expect("it runs").to_string();
    let killed = Command::new("kill").args(["-INT", &id]).status().await.expect("kill runs");
    assert!(killed.success());
    let ran = child.wait_with_output().await.expect("it ends");
    let (report, code) = report(&ran);
    assert_eq!((code, &report["interrupted"]), (Some(0), &json!(true)), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_connections_are_counted_and_come_back() {
    let (_server, address) = chat().await;
    let relay = Relay::to(address).await;
    let load = ["--connections", "2", "--requests", "600", "--rate", "200", "--call", "list_rooms"];
    let mut child = bench(&relay.url, &load).spawn().expect("wsp runs");
    let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    lines.next_line().await.expect("a line").expect("wsp runs");
    relay.cut();
    let ran = child.wait_with_output().await.expect("it ends");
    let (report, code) = report(&ran);
    // The sessions are resumed, and no answer is missing.
    assert_eq!((code, &report["calls"]["ok"]), (Some(0), &json!(600)), "{report}");
    assert_eq!((&report["lost"], &report["reconnects"]), (&json!(2), &json!(2)), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_measured_is_an_exit_code_of_two() {
    let (_server, address) = chat().await;
    let url = format!("ws://{address}/");
    let join = r#"{"room":7}"#;
    let cases: [(&[&str], &str); 7] = [
        (&["--call", "jion", "{}", "--contract", CONTRACT], "did you mean `join`?"),
        (&["--call", "join", join, "--contract", CONTRACT], "/room: 7"),
        (&["--call", "join", "{"], "is no JSON"),
        (&["--call", "join", "@no-such-file"], "no-such-file"),
        (&["--subscribe", "room/attic"], "connection 1: room/attic was refused"),
        (&["--first", "post", r#"{"room":"x","text":""}"#, "--call", "post"], "\"not_a_member\""),
        (&["--duration", "10", "--call", "list_rooms"], "`10s`"),
    ];
    for (arguments, said) in cases {
        let ran = bench(&url, arguments).output().await.expect("wsp runs");
        assert_eq!(ran.status.code(), Some(2), "{arguments:?}: {}", errors(&ran));
        assert!(errors(&ran).contains(said), "{arguments:?}: {}", errors(&ran));
    }
    let ran = bench("ws://127.0.0.1:9/", &["--call", "x"]).output().await.expect("wsp runs");
    assert_eq!(ran.status.code(), Some(2));
    assert!(errors(&ran).contains("cannot be reached"), "{}", errors(&ran));
}
