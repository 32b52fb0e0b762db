//! The page that shows a live server: who sees it, what it says, what it hides, and what it costs.
#![cfg(feature = "inspect")]

mod vault;

use http::{Request, StatusCode, header};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::yield_now,
    time::advance,
};
use vault::{
    App, Door, DoorEvent, Unlock, Vault, accepted, answered, asked, figures, frames, hello, open,
    welcomed,
};
use ws_proto::{CloseCode, Format, Secret};
use ws_runtime::{Server, ServerConfig, server::Inspect, testing, transport::Received};

fn kinds(answer: &Value) -> Vec<&str> {
    let frames = answer["frames"].as_array().unwrap().iter();
    frames.filter_map(|frame| frame["type"].as_str()).collect()
}

/// Everything that was given to the tasks of a server is done.
async fn settled() {
    for _ in 0..256 {
        yield_now().await;
    }
}

#[tokio::test]
async fn a_server_that_was_given_no_page_has_none() {
    let server = Server::<Vault>::new(App);
    let (status, text) = asked(&server, "").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(text, "There is nothing here.\n");
    let got = got(server.spawn("127.0.0.1:0").await.unwrap(), "/live").await;
    assert!(got.starts_with("HTTP/1.1 426 "), "{got}");
}

#[tokio::test]
async fn who_may_not_look_learns_nothing() {
    let token = Secret::new("open sesame");
    let server = Server::<Vault>::new(App).inspect(Inspect::by_token("/live", token));
    let (_ann, id, _) = welcomed(&server, "ann").await;
    let refused = (StatusCode::FORBIDDEN, "You may not look at this server.\n".to_owned());
    let of = format!("show=frames&look=me&of={id}");
    let shows = ["", "show=connections&look=me", &of, "show=frames&look=me&of=999", "show=x"];
    for show in shows {
        for token in ["", "token=", "token=open%20sesam", "token=open%20sesame1"] {
            assert_eq!(asked(&server, &format!("{show}&{token}")).await, refused, "{show} {token}");
        }
    }
    let (status, text) = asked(&server, "show=connections&look=me&token=open%20sesame").await;
    assert!(status == StatusCode::OK && text.contains("ann"), "{text}");
    let bearer = Request::get("/live?show=connections&look=me");
    let bearer = bearer.header(header::AUTHORIZATION, "Bearer open sesame").body(()).unwrap();
    assert_eq!(answered(&server, &bearer).await.0, StatusCode::OK);
    let empty = Server::<Vault>::new(App).inspect(Inspect::by_token("/live", Secret::default()));
    assert_eq!(asked(&empty, "token=").await, refused, "no token is no right");
}

#[tokio::test]
async fn the_application_judges_each_request_by_all_that_it_shows() {
    let server = Server::<Vault>::new(App).inspect(Inspect::new("/live", |looking| {
        let cookie = looking.headers().get(header::COOKIE);
        let is_near = looking.remote().is_some_and(|remote| remote.ip().to_string() == "192.0.2.1");
        is_near && looking.uri().path() == "/live" && cookie.is_some_and(|it| it == "staff=1")
    }));
    let request = |cookie| Request::get("/live").header(header::COOKIE, cookie).body(()).unwrap();
    assert_eq!(answered(&server, &request("staff=1")).await.0, StatusCode::OK);
    assert_eq!(answered(&server, &request("staff=0")).await.0, StatusCode::FORBIDDEN);
    let data = |site| {
        let data = Request::get("/live?show=connections&look=me").header("sec-fetch-site", site);
        data.header(header::COOKIE, "staff=1").body(()).unwrap()
    };
    assert_eq!(answered(&server, &data("same-origin")).await.0, StatusCode::OK);
    for site in ["cross-site", "same-site"] {
        assert_eq!(answered(&server, &data(site)).await.0, StatusCode::FORBIDDEN, "{site}");
    }
    let post = Request::post("/live").header(header::COOKIE, "staff=1").body(()).unwrap();
    assert_eq!(answered(&server, &post).await.0, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_name_that_is_not_the_server_s_own_sees_nothing() {
    let mut config = ServerConfig::default();
    config.upgrade.hosts = vec!["vault.example".to_owned()];
    let server = Server::<Vault>::with_config(App, config).unwrap();
    let server = server.inspect(Inspect::new("/live", |_| true));
    for (host, status) in [("vault.example", 200), ("evil.example", 421)] {
        let request = Request::get("/live").header(header::HOST, host).body(()).unwrap();
        assert_eq!(answered(&server, &request).await.0, status, "{host}");
    }
}

#[tokio::test]
async fn a_server_that_listens_alone_shows_its_page_at_its_path() {
    let address = open().spawn("127.0.0.1:0").await.unwrap();
    let page = got(address, "/live").await;
    assert!(page.starts_with("HTTP/1.1 200 "), "{page}");
    let (head, body) = page.split_once("\r\n\r\n").unwrap();
    let nonce = head.split_once("script-src 'nonce-").unwrap().1.split_once('\'').unwrap().0;
    assert_eq!(body.matches(&format!("nonce=\"{nonce}\"")).count(), 2, "a script and a style");
    assert_eq!(body.matches("<script").count() + body.matches("<style").count(), 2);
    assert!(!body.contains("{nonce}") && !body.contains("{script}"), "all is filled in");
    let again = got(address, "/live").await;
    assert!(!again.contains(nonce), "a nonce counts once");
    assert!(got(address, "/live/").await.starts_with("HTTP/1.1 426 "));
    assert!(got(address, "/healthz").await.ends_with("ok\n"));
    let data = got(address, "/live?show=connections&look=me").await;
    assert!(data.contains("\"protocol\":\"vault\""), "{data}");
}

#[tokio::test]
async fn credentials_and_redacted_fields_are_never_shown() {
    let page = Inspect::new("/live", |_| true).redact("note");
    let server = Server::<Vault>::new(App).inspect(page);
    let (mut ann, id) = accepted(&server).await;
    frames(&server, id, 0, 0).await;
    ann.send("$hello", json!({}), &hello("LEAK-token"));
    let welcome = ann.message().await;
    let ticket = welcome["payload"]["session"]["ticket"].as_str().unwrap().to_owned();
    let unlock = json!({"door": "front", "pin": "LEAK-pin", "note": "LEAK-note"});
    ann.send("unlock", json!({"seq": 1}), &unlock);
    assert_eq!(ann.message().await["type"], "unlock.ok");
    // Not what its type says, but a field of that name all the same.
    let nested = json!({"list": [{"pin": "LEAK-nested"}], "ticket": {"deep": "LEAK-deep"}});
    ann.send("unlock", json!({"seq": 2}), &nested);
    assert_eq!(ann.message().await["type"], "$err");
    ann.send("$auth", json!({}), &json!({"token": "LEAK-renewed"}));
    ann.send("$of_the_future", json!({}), &json!({"secret": "LEAK-future"}));
    settled().await;
    let shown = frames(&server, id, 0, 0).await;
    let text = shown.to_string();
    assert!(text.contains("front") && text.contains("(hidden)"), "{text}");
    let seen: BTreeSet<_> = kinds(&shown).into_iter().collect();
    for kind in ["$hello", "$welcome", "unlock", "unlock.ok", "$auth", "$of_the_future"] {
        assert!(seen.contains(kind), "{kind} in {seen:?}");
    }
    // The principal is the name behind the token, and is shown as such.
    let text = text.replace("LEAK-token opens", "");
    for secret in ["LEAK", &ticket] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[tokio::test]
async fn a_message_pack_client_is_shown_as_json_and_as_carefully() {
    let server = open();
    let client = testing::connect(&server, Some("key of bob"), Format::MessagePack).await.unwrap();
    let id = server.connections()[0].id.0;
    let run = frames(&server, id, 0, 0).await["run"].as_u64().unwrap();
    let (door, code, note) = ("back".to_owned(), "LEAK".to_owned(), "a bell".to_owned());
    assert_eq!(client.call(Unlock { door, code, note }).await.unwrap(), "bob opens back");
    let shown = frames(&server, id, run, 0).await;
    let unlock = &shown["frames"][0];
    assert_eq!(unlock["from"], "client");
    let payload: Value = serde_json::from_str(unlock["payload"].as_str().unwrap()).unwrap();
    assert_eq!(payload, json!({"door": "back", "pin": "(hidden)", "note": "a bell"}));
    assert!(!shown.to_string().contains("LEAK"));
    assert_eq!(figures(&server, id).await["format"], "MessagePack");
    client.close().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_says_what_it_answers_and_after_how_long() {
    let server = open();
    let (mut ann, id, _) = welcomed(&server, "ann").await;
    let run = frames(&server, id, 0, 0).await["run"].as_u64().unwrap();
    let wait = ann.send("wait", json!({"seq": 1, "ttl": 5000}), &json!({}));
    settled().await;
    advance(Duration::from_secs(5)).await;
    while ann.message().await["re"] != json!(wait) {}
    let shown = frames(&server, id, run, 0).await;
    assert_eq!(kinds(&shown), ["wait", "$ack", "$err"], "{shown}");
    assert_eq!(shown["frames"][1].get("answers"), None);
    let answers = &shown["frames"][2]["answers"];
    assert_eq!(answers["n"], shown["frames"][0]["n"]);
    assert_eq!(answers["type"], "wait");
    let after = answers["after_ms"].as_f64().unwrap();
    assert!((5_000.0..5_100.0).contains(&after), "{after}");
}

#[tokio::test(start_paused = true)]
async fn the_figures_are_those_of_the_session() {
    let server = open();
    let (mut ann, id, _) = welcomed(&server, "ann").await;
    let before = figures(&server, id).await;
    assert_eq!(before["principal"], "ann");
    assert_eq!([&before["state"], &before["client"]], ["connected", "hand 1"]);
    assert_eq!([&before["version"], &before["in"]["messages"]], [1, 1]);
    ann.send("$sub", json!({"seq": 1, "ch": "door/front"}), &json!({}));
    ann.send("wait", json!({"seq": 2}), &json!({}));
    let unlock = json!({"door": "front", "pin": "1", "note": ""});
    ann.send("unlock", json!({"seq": 3}), &unlock);
    for _ in 0..3 {
        let front = Door { name: "front".to_owned() };
        let opened = DoorEvent::Opened { by: "bob".to_owned() };
        settled().await;
        server.publish(front, &opened).await.unwrap();
    }
    let mut received = 0;
    for _ in 0..5 {
        received += ann.message().await.to_string().len() as u64;
    }
    advance(Duration::from_millis(400)).await;
    let row = figures(&server, id).await;
    assert_eq!([&row["channels"], &row["behind"], &row["unconsumed"]], [1, 0, 3], "{row}");
    assert_eq!([&row["requests"], &row["calls"]], [1, 0], "{row}");
    assert_eq!(row["queued"], json!({"messages": 0, "bytes": 0}), "{row}");
    assert_eq!(row["unacknowledged"]["messages"], 2, "{row}");
    assert_eq!(row["in"]["messages"], 4, "{row}");
    let more = |way: &str, what: &str| {
        row[way][what].as_u64().unwrap() - before[way][what].as_u64().unwrap()
    };
    assert_eq!(more("out", "messages"), 5, "{row}");
    assert_eq!(more("out", "bytes"), received, "{row}");
    ann.send("$ack", json!({"ack": 2}), &json!({"ch": {"door/front": 2}}));
    let row = figures(&server, id).await;
    assert_eq!([&row["unacknowledged"]["messages"], &row["unconsumed"]], [0, 1], "{row}");
}

#[tokio::test(start_paused = true)]
async fn rates_are_what_passed_in_a_second() {
    let server = open();
    let (mut ann, id, _) = welcomed(&server, "ann").await;
    assert_eq!(figures(&server, id).await["in"]["messages_per_s"], Value::Null);
    for _ in 0..20 {
        ann.send("$ping", json!({}), &json!({"t": 1}));
    }
    settled().await;
    advance(Duration::from_secs(2)).await;
    let row = figures(&server, id).await;
    let rate = row["in"]["messages_per_s"].as_f64().unwrap();
    assert!((9.9..=10.0).contains(&rate), "{row}");
    assert!((9.9..=10.1).contains(&row["out"]["messages_per_s"].as_f64().unwrap()), "{row}");
}

#[tokio::test(start_paused = true)]
async fn a_lost_session_says_how_long_it_waits_and_its_frames_go_on_over_the_next_connection() {
    let server = open();
    let (ann, id, welcome) = welcomed(&server, "ann").await;
    let run = frames(&server, id, 0, 0).await["run"].as_u64().unwrap();
    drop(ann);
    let row = figures(&server, id).await;
    assert_eq!(row["state"], "lost", "{row}");
    assert!(row["kept_for_ms"].as_u64().unwrap() > 100_000, "{row}");
    let (mut ann, other) = accepted(&server).await;
    let mut hello = hello("ann");
    let session = &welcome["payload"]["session"];
    hello["resume"] = json!({"session": session["id"], "ticket": session["ticket"], "recv": 0});
    ann.send("$hello", json!({}), &hello);
    assert_eq!(ann.message().await["payload"]["session"]["resumed"], true);
    let row = figures(&server, id).await;
    assert_eq!([&row["state"], &row["reconnects"]], [&json!("connected"), &json!(1)], "{row}");
    let shown = frames(&server, id, run, 0).await;
    let notes: Vec<_> = shown["frames"].as_array().unwrap().iter().collect();
    let notes: Vec<_> = notes.iter().filter_map(|frame| frame["note"].as_str()).collect();
    let goes_on = "the session goes on over another connection";
    assert_eq!(notes, ["the connection was lost", goes_on]);
    assert_eq!(kinds(&shown), ["$welcome"], "{shown}");
    let (_, all) = asked(&server, "show=connections&look=me").await;
    let all: Value = serde_json::from_str(&all).unwrap();
    assert_eq!(all["known"], 1, "connection {other} has become that of the session: {all}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_looker_is_told_how_much_it_missed_and_costs_a_bounded_amount() {
    let server = open();
    let (mut ann, id, _) = welcomed(&server, "ann").await;
    let run = frames(&server, id, 0, 0).await["run"].as_u64().unwrap();
    for _ in 0..40 {
        for _ in 0..25 {
            ann.send("$ping", json!({}), &json!({"t": 1}));
        }
        for _ in 0..25 {
            assert_eq!(ann.message().await["type"], "$pong");
        }
        advance(Duration::from_millis(200)).await;
    }
    let shown = frames(&server, id, run, 0).await;
    let count = shown["frames"].as_array().unwrap().len();
    assert_eq!(count, 512);
    assert_eq!(shown["last"], 2000);
    assert_eq!(shown["dropped"], 2000 - 512);
    assert_eq!(shown["frames"][count - 1]["n"], 2000, "the newest are kept");
    let rest = frames(&server, id, run, 2000).await;
    assert_eq!([&rest["dropped"], &rest["last"]], [0, 2000]);
    assert!(rest["frames"].as_array().unwrap().is_empty(), "what was seen is not sent again");
}

#[tokio::test(start_paused = true)]
async fn what_is_long_is_cut() {
    let server = open();
    let (mut ann, id, _) = welcomed(&server, "ann").await;
    let run = frames(&server, id, 0, 0).await["run"].as_u64().unwrap();
    for (seq, bytes) in [(1, 10_000), (2, 40_000)] {
        let unlock = json!({"door": "é".repeat(bytes / 2), "pin": "LEAK", "note": ""});
        ann.send("unlock", json!({"seq": seq}), &unlock);
        settled().await;
    }
    let shown = frames(&server, id, run, 0).await;
    let unlocks = shown["frames"].as_array().unwrap().iter();
    let unlocks: Vec<_> = unlocks.filter(|frame| frame["type"] == "unlock").collect();
    assert!(unlocks.iter().all(|frame| frame["cut"] == true), "{unlocks:?}");
    let text = unlocks[0]["payload"].as_str().unwrap();
    assert!((4090..=4096).contains(&text.len()), "{}", text.len());
    assert!(text.starts_with("{\"door\":\"é"), "what is hidden is hidden before it is cut");
    assert_eq!(unlocks[1].get("payload"), None);
    assert!(!shown.to_string().contains("LEAK"));
}

#[tokio::test(start_paused = true)]
async fn frames_are_kept_only_while_somebody_asks() {
    let server = open();
    let (mut ann, id, _) = welcomed(&server, "ann").await;
    let run = frames(&server, id, 0, 0).await["run"].as_u64().unwrap();
    advance(Duration::from_secs(11)).await;
    assert!(ann.said().await.is_empty());
    let again = frames(&server, id, run, 0).await;
    assert_ne!(again["run"], run);
    assert_eq!([&again["last"], &again["dropped"]], [0, 0], "{again}");
    assert!(ann.said().await.is_empty());
    let shown = frames(&server, id, run, 0).await;
    assert_eq!(kinds(&shown), ["$ping", "$pong"]);
}

#[tokio::test(start_paused = true)]
async fn no_more_look_than_may() {
    let server = Server::<Vault>::new(App);
    let server = server.inspect(Inspect::new("/live", |_| true).max_lookers(2));
    for (name, status) in [("a", 200), ("b", 200), ("c", 503), ("a", 200)] {
        let query = format!("show=connections&look={name}");
        assert_eq!(asked(&server, &query).await.0, status, "{name}");
    }
    for name in ["", "a%20b", "name-that-is-longer-than-any-that-the-page-gives-itself"] {
        let query = format!("show=connections&look={name}");
        assert_eq!(asked(&server, &query).await.0, StatusCode::BAD_REQUEST, "{name}");
    }
    advance(Duration::from_secs(11)).await;
    assert_eq!(asked(&server, "show=connections&look=c").await.0, 200, "the others have left");
}

#[tokio::test(start_paused = true)]
async fn a_looker_that_goes_from_one_connection_to_the_next_keeps_the_frames_of_no_more_than_may() {
    let server = Server::<Vault>::new(App);
    let server = server.inspect(Inspect::new("/live", |_| true).max_lookers(1));
    let (mut ann, first, _) = welcomed(&server, "ann").await;
    let (_bob, second, _) = welcomed(&server, "bob").await;
    let run = frames(&server, first, 0, 0).await["run"].as_u64().unwrap();
    frames(&server, second, 0, 0).await;
    ann.send("$ping", json!({}), &json!({"t": 1}));
    assert_eq!(ann.message().await["type"], "$pong");
    let again = frames(&server, first, run, 0).await;
    assert!(again["run"] != run && kinds(&again).is_empty(), "{again}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_over_is_no_longer_listed_and_its_last_frames_can_be_read() {
    let server = open();
    let (mut ann, id, _) = welcomed(&server, "ann").await;
    let run = frames(&server, id, 0, 0).await["run"].as_u64().unwrap();
    assert_eq!(server.kick("ann", "enough"), 1);
    assert_eq!(ann.closed().await, u64::from(CloseCode::KICKED.0));
    while !matches!(ann.next().await, Received::Closed { .. } | Received::Lost(_)) {}
    settled().await;
    let shown = frames(&server, id, run, 0).await;
    assert_eq!(shown["is_over"], true, "{shown}");
    assert_eq!(kinds(&shown), ["$close"], "{shown}");
    let last = &shown["frames"].as_array().unwrap().last().unwrap()["note"];
    assert_eq!(last, "the session is over");
    let (_, text) = asked(&server, "show=connections&look=me").await;
    assert!(text.contains("\"known\":0"), "{text}");
    assert_eq!(asked(&server, "show=frames&look=me&of=77").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn connections_are_found_by_what_is_known_of_them() {
    let server = open();
    let mut hands = Vec::new();
    for name in ["ann", "bob", "anders"] {
        hands.push(welcomed(&server, name).await);
    }
    let found = async |query: &str| {
        let (_, text) = asked(&server, &format!("show=connections&look=me&{query}")).await;
        let answer: Value = serde_json::from_str(&text).unwrap();
        let rows = answer["connections"].as_array().unwrap().iter();
        rows.map(|row| row["principal"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found("").await, ["anders", "bob", "ann"], "the newest first");
    assert_eq!(found("find=an").await, ["anders", "ann"]);
    assert_eq!(found("find=nobody").await, [""; 0]);
    figures(&server, hands[0].1).await;
    for seq in 1..=3 {
        let unlock = json!({"door": "front", "pin": "1", "note": ""});
        hands[1].0.send("unlock", json!({"seq": seq}), &unlock);
    }
    settled().await;
    assert_eq!(found("sort=queue").await[0], "bob", "it has acknowledged nothing");
    let other = BTreeSet::from(["lag", "in", "out", "anything"]);
    for sort in other {
        assert_eq!(found(&format!("sort={sort}")).await.len(), 3, "{sort}");
    }
}

/// What a server on a socket answers.
async fn got(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
