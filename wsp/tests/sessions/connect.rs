//! `wsp connect` in a pipe, against the real chat.

use crate::places::{CONTRACT, Relay, chat};
use serde_json::{Value, json};
use std::process::{Output, Stdio};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

/// A session of somebody, line by line.
struct Talk {
    child: Child,
    to: Option<ChildStdin>,
    from: Lines<BufReader<ChildStdout>>,
}

impl Talk {
    fn new(url: &str, more: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wsp"));
        command.args(["connect", url, "--token", "ann"]).args(more).env_remove("WSP_TOKEN");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().expect("wsp runs");
        let to = child.stdin.take();
        let from = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        Self { child, to, from }
    }

    async fn say(&mut self, line: &str) {
        let to = self.to.as_mut().expect("it is open");
        to.write_all(format!("{line}\n").as_bytes()).await.expect("wsp reads");
    }

    async fn hear(&mut self) -> Value {
        let line = self.from.next_line().await.expect("a line").expect("wsp runs");
        serde_json::from_str(&line).expect("a line of JSON")
    }

    /// The next line that has this name.
    async fn hear_of(&mut self, name: &str) -> Value {
        loop {
            let line = self.hear().await;
            if line.get(name).is_some() {
                return line;
            }
        }
    }

    /// Ends the input: what is still printed, the exit code and the standard error.
    async fn end(mut self) -> (Vec<Value>, Option<i32>, String) {
        drop(self.to.take());
        self.end_of_itself().await
    }

    /// The same with an input that goes on.
    async fn end_of_itself(mut self) -> (Vec<Value>, Option<i32>, String) {
        let input = self.to.take();
        let mut lines = Vec::new();
        while let Some(line) = self.from.next_line().await.expect("a line") {
            lines.push(serde_json::from_str(&line).expect("a line of JSON"));
        }
        drop(input);
        let Output { status, stderr, .. } = self.child.wait_with_output().await.expect("it ends");
        (lines, status.code(), String::from_utf8_lossy(&stderr).into_owned())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_is_answered_line_by_line_and_ends_with_its_last_answer() {
    let (_server, address) = chat().await;
    for format in ["json", "msgpack"] {
        let url = format!("ws://{address}/");
        let mut talk = Talk::new(&url, &["--contract", CONTRACT, "--format", format]);
        for line in [
            r#"call join {"room":"den"}"#,
            "sub room/den",
            r#"call post {"room":"den","text":"hello"}"#,
            "wait 1",
            r#"call history {"room":"den","limit":1}"#,
            r#"publish typing/den keys {"who":"ann"}"#,
            "unsub room/den",
            r#"call leave {"room":"den"}"#,
        ] {
            talk.say(line).await;
        }
        let (lines, code, errors) = talk.end().await;
        assert_eq!((code, errors.as_str()), (Some(0), ""), "{lines:?}");
        let connected = &lines[0]["connected"];
        assert_eq!((&connected["protocol"], &connected["version"]), (&json!("chat"), &json!(2)));
        assert_eq!(lines[1]["ok"]["members"], json!(["ann"]));
        assert_eq!(lines[2]["channel"], json!("room/den"));
        assert!(lines[2]["subscribed"]["epoch"].is_string());
        let said = lines.iter().find(|line| line["type"] == json!("room.said")).expect("an event");
        assert_eq!(said["payload"]["text"], json!("hello"));
        let item = lines.iter().find(|line| line.get("item").is_some()).expect("an item");
        assert_eq!((&item["call"], &item["type"]), (&json!(3), &json!("history")));
        let published = lines.iter().find(|line| line["call"] == json!(4)).expect("an answer");
        assert_eq!(published["type"], json!("typing.keys"));
        assert!(published.get("ok").is_some());
        assert!(lines.contains(&json!({ "channel": "room/den", "unsubscribed": true })));
        // An answer without fields is empty in each format's own way.
        let last = lines.last().expect("a line");
        assert_eq!((&last["call"], &last["type"]), (&json!(5), &json!("leave")));
        assert!(last.get("ok").is_some(), "{last}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_a_refusal_and_a_wrong_line_are_the_exit_codes_of_call() {
    let (_server, address) = chat().await;
    let url = format!("ws://{address}/");
    let run = async |lines: &[&str], more: &[&str]| {
        let mut talk = Talk::new(&url, more);
        for line in lines {
            talk.say(line).await;
        }
        talk.end().await
    };
    let post = r#"call post {"room":"den","text":"hello"}"#;
    let (lines, code, _) = run(&[post], &[]).await;
    assert_eq!((code, &lines[1]["err"]), (Some(1), &json!("not_a_member")));
    let (lines, code, _) = run(&["call dance"], &[]).await;
    assert_eq!((code, &lines[1]["fault"]["code"]), (Some(1), &json!("unimplemented")));
    let (lines, code, _) = run(&["sub room/den"], &[]).await;
    assert_eq!((code, &lines[1]["refused"]["code"]), (Some(1), &json!("forbidden")));
    let wrong = ["call list_rooms", r#"  call join {"room": 7}"#, "call list_rooms"];
    let (lines, code, errors) = run(&wrong, &["--contract", CONTRACT]).await;
    assert_eq!((code, lines.len()), (Some(2), 3), "{errors}");
    assert!(errors.contains("line 2, column 13: /room: 7 is not of type"), "{errors}");
    let (_, code, errors) = run(&["cal list_rooms", "unsub lobby"], &[]).await;
    assert_eq!(code, Some(2));
    assert!(errors.contains("line 1, column 1: no command is `cal`: did you mean `call`?"));
    assert!(errors.contains("line 2, column 1: not subscribed to this channel"), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_sent_on_purpose() {
    let (_server, address) = chat().await;
    let url = format!("ws://{address}/");
    let mut talk = Talk::new(&url, &["--contract", CONTRACT, "--no-check"]);
    talk.say(r#"call join {"room":7}"#).await;
    let (lines, code, _) = talk.end().await;
    assert_eq!((code, &lines[1]["fault"]["code"]), (Some(1), &json!("invalid")));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_do_not_come_end_the_wait() {
    let (_server, address) = chat().await;
    let url = format!("ws://{address}/");
    let mut talk = Talk::new(&url, &["--timeout", "50"]);
    talk.say("wait 1").await;
    talk.say("quit").await;
    let (_, code, errors) = talk.end().await;
    assert_eq!(code, Some(1));
    assert!(errors.contains("line 1, column 1: the events did not come in time"), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_is_shown_and_the_session_goes_on() {
    let (_server, address) = chat().await;
    let relay = Relay::to(address).await;
    let mut talk = Talk::new(&relay.url, &["--contract", CONTRACT]);
    talk.say(r#"call join {"room":"den"}"#).await;
    talk.say("sub room/den").await;
    let first = talk.hear_of("connected").await;
    talk.hear_of("subscribed").await;
    relay.cut();
    let lost = talk.hear_of("lost").await;
    assert!(lost["again_ms"].is_number(), "{lost}");
    // Typed while there is no connection: it is sent over the next.
    talk.say(r#"call post {"room":"den","text":"later"}"#).await;
    let again = talk.hear_of("connected").await;
    assert_eq!(again["connected"]["resumed"], json!(true));
    assert_eq!(again["connected"]["session"], first["connected"]["session"]);
    assert_eq!(talk.hear_of("off").await["payload"]["text"], json!("later"));
    let (_, code, _) = talk.end().await;
    assert_eq!(code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_begins_a_new_session_and_what_is_missing_is_shown() {
    let (_first, address) = chat().await;
    let (_second, other) = chat().await;
    let relay = Relay::to(address).await;
    let mut talk = Talk::new(&relay.url, &["--contract", CONTRACT]);
    talk.say("sub lobby").await;
    talk.hear_of("subscribed").await;
    relay.turn_to(other);
    talk.hear_of("lost").await;
    assert_eq!(talk.hear_of("connected").await["connected"]["resumed"], json!(false));
    let again = talk.hear_of("subscribed").await;
    assert_eq!(again["subscribed"]["recovered"], json!(false), "{again}");
    talk.say(r#"call join {"room":"den"}"#).await;
    assert_eq!(talk.hear_of("off").await["type"], json!("lobby.room_opened"));
    talk.say("quit").await;
    let (_, code, _) = talk.end().await;
    assert_eq!(code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lets_nobody_in_is_an_exit_code_of_two() {
    let (server, address) = chat().await;
    let url = format!("ws://{address}/");
    let (lines, code, errors) = Talk::new("ws://127.0.0.1:9/", &[]).end().await;
    assert_eq!((lines.len(), code), (0, Some(2)));
    assert!(errors.contains("cannot be reached"), "{errors}");
    // Thrown out for good while it listens.
    let mut talk = Talk::new(&url, &[]);
    talk.hear_of("connected").await;
    assert_eq!(server.kick("ann", "enough"), 1);
    let (_, code, errors) = talk.end_of_itself().await;
    assert_eq!(code, Some(2));
    assert!(errors.contains("enough"), "{errors}");
}
