//! Requests, channels, events and versions that change: the chat's contract with one change each.

use serde_json::{Value, json};
use ws_schema::{Accepted, Level, Outcome, Report, Rollout};

/// As it was published: the present one goes on changing.
fn chat() -> Value {
    let published = include_str!("../../schema/history/chat-1.json");
    serde_json::from_str(published).expect("the chat's contract")
}

fn facts(document: &mut Value) -> &mut Value {
    &mut document["x-ws-protocol"]
}

/// The chat before and after a change.
fn changed(change: impl FnOnce(&mut Value)) -> Report {
    let mut new = chat();
    change(&mut new);
    assert_ne!(new, chat(), "nothing was changed");
    ws_schema::check(&chat(), &new)
}

fn remove(table: &mut Value, name: &str) -> Value {
    table.as_object_mut().expect("a table").remove(name).expect("an entry")
}

#[track_caller]
fn level(report: &Report, rule: &str, path: &str) -> Level {
    let here = |finding: &&ws_schema::Finding| finding.rule.id() == rule && finding.path == path;
    let found = report.findings().iter().find(here);
    found.unwrap_or_else(|| panic!("no {rule} at {path} in\n{report}")).level
}

#[test]
fn a_removed_request_breaks_its_callers() {
    let report = changed(|new| drop(remove(&mut facts(new)["requests"], "post")));
    assert_eq!(level(&report, "MESSAGE_REMOVED", "requests.post"), Level::Wire);
    assert_eq!(level(&report, "DEPRECATED_REMOVED_EARLY", "requests.post"), Level::Risk);
    assert_eq!(report.outcome(Level::Wire), Outcome::Breaking);
}

#[test]
fn a_removed_event_breaks_those_who_wait_for_it() {
    let report = changed(|new| drop(remove(&mut facts(new)["channels"]["room"]["events"], "said")));
    assert_eq!(level(&report, "MESSAGE_REMOVED", "channels.room.events.said"), Level::Wire);
}

#[test]
fn a_removed_channel_breaks_its_subscribers() {
    let report = changed(|new| drop(remove(&mut facts(new)["channels"], "lobby")));
    assert_eq!(level(&report, "MESSAGE_REMOVED", "channels.lobby"), Level::Wire);
}

#[test]
fn a_renamed_request_is_gone_and_new() {
    let report = changed(|new| {
        let entry = remove(&mut facts(new)["requests"], "post");
        facts(new)["requests"]["say"] = entry;
    });
    assert_eq!(level(&report, "MESSAGE_REMOVED", "requests.post"), Level::Wire);
    assert_eq!(level(&report, "MESSAGE_ADDED", "requests.say"), Level::Source);
    assert!(report.to_string().contains("as if it were `say` now"), "{report}");
}

#[test]
fn what_is_retired_in_the_declared_way_breaks_nobody() {
    let mut deprecated = chat();
    facts(&mut deprecated)["version"] = json!(2);
    facts(&mut deprecated)["requests"]["leave"]["deprecated"] = json!("just go");
    let mut removed = deprecated.clone();
    facts(&mut removed)["version"] = json!(3);
    facts(&mut removed)["requests"]["leave"]["removed"] = json!(3);
    let mut gone = removed.clone();
    facts(&mut gone)["version"] = json!(4);
    facts(&mut gone)["min_version"] = json!(3);
    drop(remove(&mut facts(&mut gone)["requests"], "leave"));
    for [old, new] in [[chat(), deprecated.clone()], [deprecated, removed.clone()], [removed, gone]]
    {
        let report = ws_schema::check(&old, &new);
        assert_eq!(report.outcome(Level::Risk), Outcome::Compatible, "{report}");
    }
}

#[test]
fn what_goes_in_a_version_that_is_spoken_breaks() {
    let removed = changed(|new| facts(new)["requests"]["leave"]["removed"] = json!(1));
    assert_eq!(level(&removed, "MESSAGE_REMOVED", "requests.leave"), Level::Wire);
    let late = changed(|new| {
        facts(new)["version"] = json!(2);
        facts(new)["requests"]["leave"]["since"] = json!(2);
    });
    assert_eq!(level(&late, "MESSAGE_REMOVED", "requests.leave"), Level::Wire);
}

#[test]
fn a_new_request_needs_a_new_version() {
    let add = |new: &mut Value, since: u32| {
        let entry = facts(new)["requests"]["leave"].clone();
        facts(new)["requests"]["kick"] = entry;
        facts(new)["requests"]["kick"]["since"] = json!(since);
        facts(new)["version"] = json!(since);
    };
    let same = changed(|new| add(new, 1));
    assert_eq!(level(&same, "VERSION_NOT_BUMPED", "requests.kick"), Level::Risk);
    let next = changed(|new| add(new, 2));
    assert_eq!(next.outcome(Level::Risk), Outcome::Compatible, "{next}");
    assert_eq!(level(&next, "MESSAGE_ADDED", "requests.kick"), Level::Source);
}

#[test]
fn a_name_that_means_something_else_breaks() {
    let report = changed(|new| {
        let entry = remove(&mut facts(new)["requests"], "leave");
        facts(new)["callbacks"] = json!({ "leave": entry });
    });
    assert_eq!(level(&report, "KIND_CHANGED", "requests.leave"), Level::Wire);
}

#[test]
fn another_way_to_answer_breaks() {
    let report = changed(|new| drop(remove(&mut facts(new)["requests"]["history"], "stream")));
    assert_eq!(level(&report, "REQUEST_RESPONSE_CHANGED", "requests.history"), Level::Wire);
    let report = changed(|new| facts(new)["requests"]["leave"]["error"] = json!("JoinError"));
    assert_eq!(level(&report, "REQUEST_ERROR_ADDED", "requests.leave"), Level::Risk);
}

#[test]
fn promises_that_are_broken_are_risks() {
    for (request, key, value, rule) in [
        ("join", "resend", json!("never"), "RESEND_CHANGED"),
        ("post", "ordered", json!(false), "ORDER_CHANGED"),
        ("post", "ack", json!("handled"), "ACK_CHANGED"),
    ] {
        let report = changed(|new| facts(new)["requests"][request][key] = value);
        assert_eq!(level(&report, rule, &format!("requests.{request}")), Level::Risk);
    }
}

#[test]
fn another_channel_under_the_same_name_breaks() {
    for (channel, key, value, rule) in [
        ("room", "address", json!("room/{house}/{name}"), "ADDRESS_CHANGED"),
        ("room", "delivery", json!("best_effort"), "DELIVERY_CHANGED"),
        ("typing", "publish", json!("server"), "PUBLISH_FORBIDDEN"),
    ] {
        let report = changed(|new| facts(new)["channels"][channel][key] = value);
        assert_eq!(level(&report, rule, &format!("channels.{channel}")), Level::Wire);
    }
    let report = changed(|new| facts(new)["channels"]["room"]["address"] = json!("room/{id}"));
    assert_eq!(report.findings(), [], "names of fields do not travel");
}

#[test]
fn a_shorter_history_is_a_risk_and_a_longer_one_is_nothing() {
    let report = changed(|new| facts(new)["channels"]["room"]["history"] = json!(16));
    assert_eq!(level(&report, "HISTORY_SHORTENED", "channels.room"), Level::Risk);
    let report = changed(|new| facts(new)["channels"]["room"]["history_secs"] = json!(60));
    assert_eq!(level(&report, "HISTORY_SHORTENED", "channels.room"), Level::Risk);
    let report = changed(|new| facts(new)["channels"]["room"]["latest"] = json!(true));
    assert_eq!(level(&report, "HISTORY_SHORTENED", "channels.room"), Level::Risk);
    let report = changed(|new| facts(new)["channels"]["room"]["history"] = json!(999));
    assert_eq!(report.findings(), []);
}

#[test]
fn snapshots_belong_to_a_channel_for_good() {
    let mut with = chat();
    facts(&mut with)["channels"]["room"]["snapshot"] = json!("Joined");
    let report = ws_schema::check(&chat(), &with);
    assert_eq!(level(&report, "SNAPSHOT_ADDED", "channels.room"), Level::Risk);
    let report = ws_schema::check(&with, &chat());
    assert_eq!(level(&report, "SNAPSHOT_REMOVED", "channels.room"), Level::Wire);
}

#[test]
fn another_header_breaks_and_a_new_optional_field_does_not() {
    let report = changed(|new| {
        let required = new["$defs"]["JoinMessage"]["required"].as_array_mut();
        required.expect("required fields").push(json!("key"));
    });
    assert_eq!(level(&report, "ENVELOPE_CHANGED", "join"), Level::Wire);
    let report = changed(|new| {
        new["$defs"]["JoinMessage"]["properties"]["later"] = json!({ "type": "integer" });
    });
    assert_eq!(report.findings(), []);
}

#[test]
fn peers_that_the_handshake_refuses_cannot_be_broken() {
    let report = changed(|new| {
        facts(new)["version"] = json!(2);
        facts(new)["min_version"] = json!(2);
        drop(remove(&mut facts(new)["requests"], "post"));
        new["$defs"]["Join"]["properties"]["room"]["type"] = json!("integer");
    });
    assert_eq!(report.outcome(Level::Wire), Outcome::Compatible, "{report}");
    assert_eq!(level(&report, "VERSION_REFUSED", "min_version"), Level::Risk);
}

#[test]
fn what_cannot_be_compared_never_looks_clean() {
    let not_compared = |report: &Report| {
        assert_eq!(report.outcome(Level::Wire), Outcome::NotCompared, "{report}");
        assert_eq!(report.outcome(Level::Wire).exit_code(), 2);
        assert!(!report.not_compared().is_empty());
    };
    not_compared(&ws_schema::check(&json!([]), &chat()));
    not_compared(&ws_schema::check(&chat(), &json!({ "$defs": {} })));
    not_compared(&changed(|new| facts(new)["name"] = json!("chess")));
    not_compared(&changed(|new| facts(new)["version"] = json!(0)));
    not_compared(&changed(|new| drop(remove(&mut new["$defs"], "Joined"))));
    not_compared(&changed(|new| drop(remove(&mut new["$defs"], "JoinMessage"))));
    not_compared(&changed(|new| {
        new["$defs"]["ServerMessage"]["oneOf"].as_array_mut().expect("messages").clear();
    }));
    not_compared(&changed(|new| {
        new["$defs"]["Join"]["properties"]["room"] = json!({ "if": {}, "then": {} });
    }));
    not_compared(&changed(|new| new["$defs"]["Join"]["propertyNames"] = json!({ "maxLength": 3 })));
    not_compared(&changed(|new| new["$defs"]["Join"] = json!({ "$ref": "#/$defs/Join" })));
}

#[test]
fn what_is_not_known_and_has_not_changed_is_no_matter() {
    let mut old = chat();
    old["$defs"]["Join"]["propertyNames"] = json!({ "maxLength": 9 });
    old["$defs"]["Post"]["properties"]["text"] = json!({ "if": {}, "then": {} });
    assert_eq!(ws_schema::check(&old, &old.clone()), Report::default());
}

#[test]
fn the_order_of_deployment_decides_whom_a_change_breaks() {
    let mut new = chat();
    facts(&mut new)["requests"]["kick"] = facts(&mut new)["requests"]["leave"].clone();
    drop(remove(&mut facts(&mut new)["requests"], "post"));
    let report = ws_schema::check_rollout(&chat(), &new, Rollout::ClientFirst);
    assert_eq!(level(&report, "MESSAGE_REMOVED", "requests.post"), Level::Source);
    let report = ws_schema::check_rollout(&chat(), &new, Rollout::AnyOrder);
    assert_eq!(level(&report, "MESSAGE_REMOVED", "requests.post"), Level::Wire);
}

#[test]
fn an_accepted_change_breaks_no_more_and_a_stale_one_is_named() {
    let report = changed(|new| drop(remove(&mut facts(new)["channels"], "lobby")));
    let accepted: Accepted = "MESSAGE_REMOVED channels.lobby nobody looked\n\
                              DEPRECATED_REMOVED_EARLY channels.lobby nobody looked\n\
                              FIELD_REMOVED Join.room a leftover"
        .parse()
        .expect("a file of accepted changes");
    let report = report.accept(&accepted);
    assert_eq!(report.outcome(Level::Source), Outcome::Compatible, "{report}");
    assert_eq!(report.accepted().len(), 2);
    assert_eq!(report.stale(), ["FIELD_REMOVED Join.room"]);
}

#[test]
fn every_rule_has_a_test() {
    let tests = [
        include_str!("tables.rs"),
        include_str!("decoding/fields.rs"),
        include_str!("decoding/choices.rs"),
        include_str!("decoding/values.rs"),
    ];
    for rule in ws_schema::Rule::ALL {
        let quoted = format!("\"{rule}\"");
        assert!(tests.iter().any(|test| test.contains(&quoted)), "{rule} has no test");
    }
}
