//! The command as somebody runs it: what it says and its exit code.

use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// A folder of one test, with the chat's contract in it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a folder");
        let folder = Self(path);
        folder.write("old.json", &chat());
        folder
    }

    fn write(&self, name: &str, document: &Value) {
        fs::write(self.0.join(name), document.to_string()).expect("written");
    }

    fn wsp(&self, arguments: &[&str]) -> Output {
        let mut wsp = Command::new(env!("CARGO_BIN_EXE_wsp"));
        wsp.current_dir(&self.0).args(arguments).output().expect("wsp runs")
    }

    fn git(&self, arguments: &[&str]) {
        let mut git = Command::new("git");
        git.current_dir(&self.0).args(["-c", "user.name=a", "-c", "user.email=a@b"]);
        let ran = git.args(arguments).output().expect("git runs");
        assert!(ran.status.success(), "{ran:?}");
    }
}

fn chat() -> Value {
    serde_json::from_str(include_str!("../../schema/chat.json")).expect("the chat's contract")
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

/// What `schema check` says about the chat after a change, and its exit code.
fn check(name: &str, change: impl FnOnce(&mut Value), more: &[&str]) -> (Option<i32>, String) {
    let folder = Folder::new(name);
    let mut new = chat();
    change(&mut new);
    folder.write("new.json", &new);
    let mut arguments = vec!["schema", "check", "--against", "old.json", "new.json"];
    arguments.extend(more);
    let ran = folder.wsp(&arguments);
    (ran.status.code(), said(&ran))
}

fn rename_text(new: &mut Value) {
    let post = &mut new["$defs"]["Post"];
    let text = post["properties"].as_object_mut().expect("fields").remove("text");
    post["properties"]["body"] = text.expect("a text");
    post["required"] = json!(["room", "body"]);
}

#[test]
fn the_same_contract_is_compatible() {
    let (code, said) = check("same", |_| {}, &[]);
    assert_eq!((code, said.as_str()), (Some(0), "0 wire, 0 risk, 0 source\n"));
}

#[test]
fn a_renamed_field_is_said_with_rule_and_path() {
    let (code, said) = check("renamed", rename_text, &[]);
    assert_eq!(code, Some(1));
    assert!(said.contains("wire FIELD_RENAMED Post.text (from clients, in post)"), "{said}");
}

#[test]
fn a_removed_event_is_said_with_rule_and_path() {
    let remove = |new: &mut Value| {
        let events = &mut new["x-ws-protocol"]["channels"]["room"]["events"];
        events.as_object_mut().expect("events").remove("left").expect("an event");
    };
    let (code, said) = check("event", remove, &[]);
    assert_eq!(code, Some(1));
    assert!(said.contains("wire MESSAGE_REMOVED channels.room.events.left"), "{said}");
}

#[test]
fn a_new_enum_value_from_a_server_is_said_with_rule_and_path() {
    let add = |new: &mut Value| {
        let words = new["$defs"]["JoinError"]["enum"].as_array_mut();
        words.expect("words").push(json!("closed"));
    };
    let (code, said) = check("word", add, &[]);
    assert_eq!(code, Some(1));
    let line = "wire ENUM_VALUE_ADDED JoinError.closed (from servers, in join.err)";
    assert!(said.contains(line), "{said}");
}

#[test]
fn a_new_required_field_of_a_request_is_said_with_rule_and_path() {
    let add = |new: &mut Value| {
        let join = &mut new["$defs"]["Join"];
        join["properties"]["colour"] = json!({ "type": "string" });
        join["required"].as_array_mut().expect("names").push(json!("colour"));
    };
    let (code, said) = check("required", add, &[]);
    assert_eq!(code, Some(1));
    let line = "wire FIELD_ADDED_REQUIRED Join.colour (from clients, in join)";
    assert!(said.contains(line), "{said}");
}

#[test]
fn formats_say_the_same() {
    let (code, said) = check("json", rename_text, &["--format", "json"]);
    let report: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((code, &report["findings"][0]["path"]), (Some(1), &json!("Post.text")));
    let (code, said) = check("github", rename_text, &["--format", "github"]);
    assert_eq!(code, Some(1));
    assert!(said.starts_with("::error file=new.json,title=FIELD_RENAMED::wire Post.text: "));
}

#[test]
fn a_level_makes_a_risk_fail() {
    let shorten = |new: &mut Value| {
        new["x-ws-protocol"]["channels"]["room"]["history"] = json!(1);
    };
    assert_eq!(check("lenient", shorten, &[]).0, Some(0));
    assert_eq!(check("strict", shorten, &["--level", "risk"]).0, Some(1));
}

#[test]
fn what_cannot_be_compared_or_read_exits_with_2() {
    let folder = Folder::new("unreadable");
    folder.write("other.json", &json!({}));
    fs::write(folder.0.join("torn.json"), "{").expect("written");
    for against in ["other.json", "torn.json", "missing.json", "git:no-such-ref", "git:--help"] {
        let ran = folder.wsp(&["schema", "check", "--against", against, "old.json"]);
        assert_eq!(ran.status.code(), Some(2), "{against}");
    }
    let accept = ["schema", "check", "--against", "old.json", "old.json", "--accept", "torn.json"];
    assert_eq!(folder.wsp(&accept).status.code(), Some(2));
}

#[test]
fn accepted_changes_pass_and_stale_ones_are_said() {
    let folder = Folder::new("accepted");
    let mut new = chat();
    rename_text(&mut new);
    folder.write("new.json", &new);
    let accepted = "FIELD_RENAMED Post.text nobody posts\nFIELD_REMOVED Join.room a leftover\n";
    fs::write(folder.0.join("accepted"), accepted).expect("written");
    let arguments =
        ["schema", "check", "--against", "old.json", "new.json", "--accept", "accepted"];
    let ran = folder.wsp(&arguments);
    assert_eq!(ran.status.code(), Some(0));
    assert!(said(&ran).contains("accepted FIELD_RENAMED Post.text"));
    assert!(said(&ran).contains("accepted, but not found: FIELD_REMOVED Join.room"));
}

#[test]
fn the_older_contract_may_be_in_the_history() {
    let folder = Folder::new("history");
    folder.git(&["init", "-q"]);
    folder.git(&["add", "old.json"]);
    folder.git(&["commit", "-q", "-m", "one"]);
    folder.git(&["tag", "v1"]);
    let arguments = ["schema", "check", "--against", "git:v1", "old.json"];
    assert_eq!(folder.wsp(&arguments).status.code(), Some(0));
    let mut new = chat();
    rename_text(&mut new);
    folder.write("old.json", &new);
    let ran = folder.wsp(&arguments);
    assert_eq!(ran.status.code(), Some(1));
    assert!(said(&ran).contains("wire FIELD_RENAMED Post.text"));
}

#[test]
fn a_side_has_what_it_reaches_and_no_more() {
    let folder = Folder::new("sides");
    let export = |format: &str| -> Value {
        let ran = folder.wsp(&["schema", "export", "old.json", "--format", format]);
        serde_json::from_slice(&ran.stdout).expect("JSON")
    };
    let (client, server) = (export("client"), export("server"));
    assert!(client["$defs"]["Join"].is_object() && client["$defs"]["Joined"].is_null());
    assert!(server["$defs"]["Join"].is_null() && server["$defs"]["Joined"].is_object());
    assert!(client["$defs"]["ServerMessage"].is_null());
}

#[test]
fn draft_07_has_definitions() {
    let folder = Folder::new("draft");
    let ran = folder.wsp(&["schema", "export", "old.json", "--draft", "07"]);
    let text = said(&ran);
    assert!(!text.contains("$defs"), "{text}");
    let schema: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
    let reference = &schema["definitions"]["JoinMessage"]["properties"]["payload"]["$ref"];
    assert_eq!(reference, "#/definitions/Join");
}

#[test]
fn asyncapi_has_every_message_and_no_dangling_reference() {
    let folder = Folder::new("asyncapi");
    let ran = folder.wsp(&["schema", "export", "old.json", "--format", "asyncapi"]);
    let document: Value = serde_json::from_slice(&ran.stdout).expect("JSON");
    assert_eq!(document["asyncapi"], "3.0.0");
    let join = &document["operations"]["join"];
    assert_eq!(join["action"], "receive");
    assert_eq!(join["reply"]["messages"].as_array().map(Vec::len), Some(2));
    assert_eq!(document["channels"]["room"]["address"], "room/{name}");
    let messages = document["components"]["messages"].as_object().map(serde_json::Map::len);
    let sent = |union: &str| chat()["$defs"][union]["oneOf"].as_array().map_or(0, Vec::len);
    assert_eq!(messages, Some(sent("ClientMessage") + sent("ServerMessage")));
    dangling(&document, &document);
}

fn dangling(document: &Value, part: &Value) {
    match part {
        Value::Object(object) => {
            if let Some(Value::String(to)) = object.get("$ref") {
                let pointer = to.strip_prefix('#').expect("a place in the document");
                assert!(document.pointer(pointer).is_some(), "{to} leads nowhere");
            }
            object.values().for_each(|value| dangling(document, value));
        }
        Value::Array(items) => items.iter().for_each(|item| dangling(document, item)),
        _ => {}
    }
}

#[test]
fn lint_finds_what_other_languages_do_badly() {
    let folder = Folder::new("lint");
    assert_eq!(folder.wsp(&["schema", "lint", "old.json"]).status.code(), Some(0));
    let mut new = chat();
    new["$defs"]["Join"]["properties"]["at"] = json!({ "prefixItems": [{}, {}] });
    folder.write("new.json", &new);
    let ran = folder.wsp(&["schema", "lint", "new.json"]);
    assert_eq!(ran.status.code(), Some(1));
    assert!(said(&ran).starts_with("`Join.at` is a tuple"), "{}", said(&ran));
}

#[test]
fn types_are_written_where_one_says() {
    let folder = Folder::new("typescript");
    let ran = folder.wsp(&["gen", "typescript", "old.json", "--out", "chat.ts"]);
    assert_eq!((ran.status.code(), said(&ran).as_str()), (Some(0), ""));
    let text = fs::read_to_string(folder.0.join("chat.ts")).expect("written");
    assert!(text.contains("join: { payload: Join; reply: Joined; error: JoinError };"));
}

#[test]
fn a_document_that_is_no_contract_has_no_types() {
    let folder = Folder::new("no-types");
    folder.write("other.json", &json!({}));
    for language in ["typescript", "python"] {
        let ran = folder.wsp(&["gen", language, "other.json"]);
        assert_eq!((ran.status.code(), said(&ran).as_str()), (Some(2), ""));
        assert!(String::from_utf8_lossy(&ran.stderr).contains("no contract of a protocol"));
    }
}

#[test]
fn every_command_shows_examples() {
    let folder = Folder::new("help");
    for command in [
        &["--help"][..],
        &["schema", "check", "--help"],
        &["schema", "export", "--help"],
        &["schema", "lint", "--help"],
        &["gen", "typescript", "--help"],
        &["gen", "python", "--help"],
        &["connect", "--help"],
        &["bench", "--help"],
    ] {
        assert!(said(&folder.wsp(command)).contains("Examples:\n  wsp "), "{command:?}");
    }
}
