//! Which HTTP requests become connections, and which answer the others get.
#![cfg(all(feature = "client", feature = "server"))]

use http::{Request, Response, StatusCode, Version, header};
use ws_proto::{Format, Secret};
use ws_runtime::transport::upgrade::{Origins, Refusal, Upgrade, UpgradePolicy, upgrade};

#[test]
fn a_plain_request_is_answered_101() {
    let upgrade = ask(&UpgradePolicy::default(), |_| {}).unwrap();
    assert_eq!(upgrade.format, Format::Json);
    let response: Response<String> = upgrade.response();
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    let headers = response.headers();
    assert_eq!(headers[header::CONNECTION], "upgrade");
    assert_eq!(headers[header::UPGRADE], "websocket");
    assert_eq!(headers[header::SEC_WEBSOCKET_PROTOCOL], "wsp1.json");
    // The example of RFC 6455, section 1.3.
    assert_eq!(headers[header::SEC_WEBSOCKET_ACCEPT], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert!(!headers.contains_key(header::SEC_WEBSOCKET_EXTENSIONS));
}

#[test]
fn what_is_not_an_upgrade_is_refused_with_its_status() {
    let cases: &[(&str, u16, Change)] = &[
        ("another method", 405, |r| *r.method_mut() = http::Method::POST),
        ("HTTP/1.0", 505, |r| *r.version_mut() = Version::HTTP_10),
        ("HTTP/2", 505, |r| *r.version_mut() = Version::HTTP_2),
        ("no Connection", 426, |r| remove(r, header::CONNECTION)),
        ("no Upgrade", 426, |r| remove(r, header::UPGRADE)),
        ("another Connection", 426, |r| set(r, &header::CONNECTION, &["keep-alive"])),
        ("half a word", 426, |r| set(r, &header::CONNECTION, &["upgrades"])),
        ("another Upgrade", 426, |r| set(r, &header::UPGRADE, &["h2c"])),
        ("no version", 426, |r| remove(r, header::SEC_WEBSOCKET_VERSION)),
        ("version 8", 426, |r| set(r, &header::SEC_WEBSOCKET_VERSION, &["8"])),
        ("two versions", 426, |r| set(r, &header::SEC_WEBSOCKET_VERSION, &["13", "8"])),
        ("no key", 400, |r| remove(r, header::SEC_WEBSOCKET_KEY)),
        ("a short key", 400, |r| set(r, &header::SEC_WEBSOCKET_KEY, &["c2hvcnQ="])),
        ("a long key", 400, |r| set(r, &header::SEC_WEBSOCKET_KEY, &["MTIzNDU2Nzg5MDEyMzQ1Njc="])),
        ("no base64", 400, |r| set(r, &header::SEC_WEBSOCKET_KEY, &["!!!!!!!!!!!!!!!!!!!!!!=="])),
        ("two keys", 400, |r| set(r, &header::SEC_WEBSOCKET_KEY, &[KEY, KEY])),
        ("no Host", 400, |r| remove(r, header::HOST)),
        ("two Hosts", 400, |r| set(r, &header::HOST, &["chat.example", "chat.example"])),
        ("a body", 400, |r| set(r, &header::CONTENT_LENGTH, &["5"])),
        ("chunks", 400, |r| set(r, &header::TRANSFER_ENCODING, &["chunked"])),
        ("no stream behind it", 500, |r| r.extensions_mut().clear()),
    ];
    for (what, status, change) in cases {
        let refusal = ask(&UpgradePolicy::default(), change).expect_err(what);
        assert_eq!(refusal.status.as_u16(), *status, "{what}");
        let response: Response<String> = refusal.response();
        assert_eq!(response.status(), refusal.status, "{what}");
        assert_eq!(response.body().trim_end(), refusal.message, "{what}");
        let headers = response.headers();
        assert_eq!(headers[header::CONTENT_TYPE], "text/plain; charset=utf-8", "{what}");
        assert_eq!(headers.get(header::ALLOW).is_some(), *status == 405, "{what}");
        let version = headers.get(header::SEC_WEBSOCKET_VERSION).map(|version| version == "13");
        assert_eq!(version, (*status == 426).then_some(true), "{what}");
    }
}

#[test]
fn headers_of_many_words_and_any_case_are_read() {
    let upgrade = ask(&UpgradePolicy::default(), |r| {
        set(r, &header::CONNECTION, &["keep-alive, UPGRADE"]);
        set(r, &header::UPGRADE, &["WebSocket"]);
        set(r, &header::CONTENT_LENGTH, &["0"]);
    });
    assert!(upgrade.is_ok());
}

#[test]
fn without_a_list_only_pages_of_the_same_host_connect() {
    let cases = [
        ("chat.example", "https://chat.example", true),
        ("chat.example", "http://chat.example", true),
        ("chat.example", "HTTPS://CHAT.example", true),
        ("CHAT.example", "https://chat.example", true),
        ("chat.example:443", "https://chat.example", true),
        ("chat.example", "https://chat.example:443", true),
        ("chat.example:8080", "http://chat.example:8080", true),
        ("[::1]:8080", "http://[::1]:8080", true),
        ("chat.example", "https://evil.example", false),
        ("chat.example", "https://chat.example.evil.example", false),
        ("chat.example", "https://evilchat.example", false),
        ("chat.example", "https://example", false),
        ("chat.example", "https://sub.chat.example", false),
        ("chat.example", "https://chat.example.", false),
        ("chat.example", "https://chat.example:8443", false),
        ("chat.example:8080", "http://chat.example", false),
        ("chat.example:80", "https://chat.example", false),
        ("chat.example", "ws://chat.example", false),
        ("chat.example", "file://chat.example", false),
        ("chat.example", "https://chat.example/", false),
        ("chat.example", "https://chat.example/path", false),
        ("chat.example", "https://user@chat.example", false),
        ("chat.example", "https://chat.example:443@evil.example", false),
        ("chat.example", "https://chat.example https://evil.example", false),
        ("chat.example", "https://evil.example, https://chat.example", false),
        ("chat.example", "chat.example", false),
        ("chat.example", "https://", false),
        ("chat.example", "null", false),
        ("chat.example", "", false),
        ("chat.example", "*", false),
        ("null", "null", false),
        ("", "https://", false),
        ("user@chat.example", "https://user@chat.example", false),
        ("chat.example:+443", "https://chat.example:+443", false),
        ("chat.example:", "https://chat.example:", false),
    ];
    for (host, origin, allowed) in cases {
        let answer = ask(&UpgradePolicy::default(), |r| {
            set(r, &header::HOST, &[host]);
            set(r, &header::ORIGIN, &[origin]);
        });
        let status = answer.map(|_| ()).map_err(|refusal| refusal.status.as_u16());
        let expected = if allowed { Ok(()) } else { Err(403) };
        assert_eq!(status, expected, "`{origin}` at `{host}`");
    }
}

#[test]
fn with_a_list_only_its_origins_connect() {
    let origins = Origins::listed(["https://app.example.com", "http://localhost:5173"]).unwrap();
    let policy = UpgradePolicy { origins, ..UpgradePolicy::default() };
    let cases = [
        ("https://app.example.com", true),
        ("https://app.example.com:443", true),
        ("http://localhost:5173", true),
        ("http://app.example.com", false),
        ("https://app.example.com:8443", false),
        ("https://app.example.com.evil.com", false),
        ("https://evilapp.example.com", false),
        ("https://example.com", false),
        ("http://localhost", false),
        // The host of the request is not on the list.
        ("https://chat.example", false),
        ("null", false),
    ];
    for (origin, allowed) in cases {
        let answer = ask(&policy, |r| set(r, &header::ORIGIN, &[origin]));
        assert_eq!(answer.is_ok(), allowed, "{origin}");
    }
}

#[test]
fn a_list_holds_origins_and_nothing_else() {
    let wrong = ["*", "null", "", "app.example.com", "https://*.example.com", "https://a.example/"];
    for text in wrong {
        let error = Origins::listed([text]).unwrap_err();
        assert!(error.to_string().contains("is not an origin"), "{text}: {error}");
    }
}

#[test]
fn two_origins_are_refused_even_if_each_is_allowed() {
    let same = "https://chat.example";
    let answer = ask(&UpgradePolicy::default(), |r| set(r, &header::ORIGIN, &[same, same]));
    assert_eq!(answer.unwrap_err().status, StatusCode::FORBIDDEN);
}

#[test]
fn a_missing_origin_is_the_policy_s_choice() {
    assert!(ask(&UpgradePolicy::default(), |_| {}).is_ok());
    let policy = UpgradePolicy { allow_missing_origin: false, ..UpgradePolicy::default() };
    assert_eq!(ask(&policy, |_| {}).unwrap_err().status, StatusCode::FORBIDDEN);
}

#[test]
fn a_name_that_is_not_ours_is_misdirected_whatever_the_origin_says() {
    let hosts = vec!["chat.example".to_owned(), "localhost:8080".to_owned()];
    let policy = UpgradePolicy { hosts, ..UpgradePolicy::default() };
    for (host, allowed) in [
        ("chat.example", true),
        ("Chat.Example", true),
        ("localhost:8080", true),
        ("localhost", false),
        ("rebound.evil.example", false),
        ("chat.example.evil.example", false),
    ] {
        let answer = ask(&policy, |r| {
            set(r, &header::HOST, &[host]);
            set(r, &header::ORIGIN, &[&format!("http://{host}")]);
        });
        let status = answer.map(|_| ()).map_err(|refusal| refusal.status.as_u16());
        assert_eq!(status, if allowed { Ok(()) } else { Err(421) }, "{host}");
    }
}

#[test]
fn the_first_common_format_of_the_client_is_chosen() {
    let (json, msgpack) = (Format::Json, Format::MessagePack);
    let cases: &[(&[&str], &[Format], Option<Format>)] = &[
        (&["wsp1.json"], &[json, msgpack], Some(json)),
        (&["wsp1.msgpack, wsp1.json"], &[json, msgpack], Some(msgpack)),
        (&["wsp1.msgpack", "wsp1.json"], &[json, msgpack], Some(msgpack)),
        (&["wsp1.msgpack,wsp1.json"], &[json], Some(json)),
        (&["wsp2.json, wsp1.json"], &[json], Some(json)),
        (&["wsp1.msgpack"], &[json], None),
        (&["WSP1.JSON"], &[json], None),
        (&["wsp1.jsonx, xwsp1.json"], &[json], None),
        (&["wsp.bearer.dG9rZW4"], &[json], None),
        (&[""], &[json], None),
        (&[], &[json], None),
    ];
    for (offer, spoken, expected) in cases {
        let policy = UpgradePolicy { formats: spoken.to_vec(), ..UpgradePolicy::default() };
        let answer = ask(&policy, |r| set(r, &header::SEC_WEBSOCKET_PROTOCOL, offer));
        match (answer, expected) {
            (Ok(upgrade), Some(format)) => assert_eq!(upgrade.format, *format, "{offer:?}"),
            (Err(refusal), None) => {
                assert_eq!(refusal.status, StatusCode::BAD_REQUEST, "{offer:?}");
                assert!(refusal.message.contains("`wsp1.json`"), "{offer:?}: {refusal}");
            }
            (answer, _) => panic!("{offer:?}: {answer:?}"),
        }
    }
}

#[test]
fn credentials_are_found_and_never_shown() {
    let upgrade = ask(&UpgradePolicy::default(), |r| {
        set(r, &header::SEC_WEBSOCKET_PROTOCOL, &["wsp.bearer.dG9rZW4tMQ, wsp1.json"]);
        set(r, &header::AUTHORIZATION, &["Bearer token-2"]);
        set(r, &header::COOKIE, &["a=token-3", "b=token-4"]);
    })
    .unwrap();
    let seen = &upgrade.credentials;
    assert_eq!(seen.bearer, Some(Secret::new("token-1")));
    assert_eq!(seen.authorization, Some(Secret::new("Bearer token-2")));
    assert_eq!(seen.cookie, Some(Secret::new("a=token-3; b=token-4")));
    assert_eq!(seen.token, None);
    let response: Response<String> = upgrade.response();
    let shown = format!("{upgrade:?} {seen:?} {response:?}");
    assert!(!shown.contains("token-") && !shown.contains("bearer."), "{shown}");
}

#[test]
fn a_bad_bearer_offer_is_refused_and_not_repeated() {
    for offer in ["wsp.bearer.a!b", "wsp.bearer.dG9rZW4=", "wsp.bearer._w"] {
        let answer = ask(&UpgradePolicy::default(), |r| {
            set(r, &header::SEC_WEBSOCKET_PROTOCOL, &[offer, "wsp1.json"]);
        });
        let refusal = answer.unwrap_err();
        assert_eq!(refusal.status, StatusCode::BAD_REQUEST, "{offer}");
        assert!(!format!("{refusal:?} {refusal}").contains(&offer[11..]), "{refusal}");
    }
    let twice = ask(&UpgradePolicy::default(), |r| {
        set(r, &header::SEC_WEBSOCKET_PROTOCOL, &["wsp.bearer.YQ, wsp.bearer.YQ, wsp1.json"]);
    });
    assert_eq!(twice.unwrap_err().status, StatusCode::BAD_REQUEST);
}

#[test]
fn two_authorization_headers_are_refused() {
    let answer = ask(&UpgradePolicy::default(), |r| set(r, &header::AUTHORIZATION, &["a", "b"]));
    assert_eq!(answer.unwrap_err().status, StatusCode::BAD_REQUEST);
}

#[test]
fn a_token_in_the_query_counts_only_where_the_policy_names_it() {
    let cases = [
        (None, "/ws?token=abc", None),
        (Some("token"), "/ws?token=abc", Some("abc")),
        (Some("token"), "/ws?x=1&token=a%2Bb%3d", Some("a+b=")),
        (Some("token"), "/ws?mytoken=abc&tokens=d", None),
        (Some("token"), "/ws?token=%", None),
        (Some("token"), "/ws?token=%f", None),
        (Some("token"), "/ws?token=%ff", None),
        (Some("token"), "/ws", None),
    ];
    for (name, uri, expected) in cases {
        let token_parameter = name.map(str::to_owned);
        let policy = UpgradePolicy { token_parameter, ..UpgradePolicy::default() };
        let upgrade = ask(&policy, |r| *r.uri_mut() = uri.parse().unwrap()).unwrap();
        assert_eq!(upgrade.credentials.bearer, expected.map(Secret::from), "{uri}");
    }
}

type Change = fn(&mut Request<()>);

// The example of RFC 6455, section 1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

fn ask(policy: &UpgradePolicy, change: impl FnOnce(&mut Request<()>)) -> Result<Upgrade, Refusal> {
    let mut request = Request::builder()
        .uri("/ws")
        .header(header::HOST, "chat.example")
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_VERSION, "13")
        .header(header::SEC_WEBSOCKET_KEY, KEY)
        .header(header::SEC_WEBSOCKET_PROTOCOL, "wsp1.json")
        .header(header::SEC_WEBSOCKET_EXTENSIONS, "permessage-deflate")
        .body(())
        .unwrap();
    let stream = hyper::upgrade::on(Request::new(()));
    request.extensions_mut().insert(stream);
    change(&mut request);
    upgrade(&mut request, policy)
}

fn remove(request: &mut Request<()>, name: header::HeaderName) {
    request.headers_mut().remove(name);
}

fn set(request: &mut Request<()>, name: &header::HeaderName, values: &[&str]) {
    request.headers_mut().remove(name);
    for value in values {
        request.headers_mut().append(name, value.parse().unwrap());
    }
}
