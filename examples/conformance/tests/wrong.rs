//! The runner can fail: a server and a client that do one thing wrong fail the case about it, and
//! pass the others.

use std::net::SocketAddr;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use ws_conformance::{Plan, Report, judge_client, judge_server};
use ws_proto::Format;

/// A change of what the server writes, of the same length: frames keep their headers.
type Twist = fn(&mut [u8]);

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_answers_another_message_fails() {
    let report = twisted("7.1", |bytes| replace(bytes, b"\"re\":\"", flip)).await;
    assert_eq!(report.failed().collect::<Vec<_>>(), ["7.1"], "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_acknowledges_nothing_fails() {
    // The fields have other names, and unknown fields are ignored.
    let report = twisted("6.1", |bytes| replace(bytes, b"\"ack\":", |at| at[1] = b'b')).await;
    assert_eq!(report.failed().collect::<Vec<_>>(), ["6.1"], "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_another_version_fails() {
    let wrong: Twist = |bytes| replace(bytes, b"{\"version\":3", |at| at[11] = b'2');
    let report = twisted("5.2", wrong).await;
    assert_eq!(report.failed().collect::<Vec<_>>(), ["5.2"], "{report}");
    // What has no welcome is not concerned.
    let report = twisted("4.2", wrong).await;
    assert!(report.is_good(), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_says_nothing_fails_and_one_that_does_not_start_does_too() {
    let silent = ["cat".to_owned()];
    let plan = Plan { only: Some("2.1".to_owned()), ..Plan::new(Format::Json) };
    let report = judge_client(&silent, &plan).await;
    assert_eq!(report.failed().collect::<Vec<_>>(), ["2.1"], "{report}");
    assert!(report.unreachable().is_none(), "the process started");
    let report = judge_client(&["/no/such/program".to_owned()], &plan).await;
    assert!(report.unreachable().is_some_and(|why| why.contains("does not start")), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_said_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let plan = Plan { only: Some("4.1".to_owned()), ..Plan::new(Format::Json) };
    let report = judge_server(&format!("ws://{address}/"), &plan).await;
    assert!(report.unreachable().is_some_and(|why| why.contains("no connection")), "{report}");
}

/// What one case finds in our server whose every word is twisted.
async fn twisted(case: &str, twist: Twist) -> Report {
    let server = conformance::server().spawn("127.0.0.1:0").await.expect("a free port");
    let address = between(server, twist).await;
    let plan = Plan { only: Some(case.to_owned()), ..Plan::new(Format::Json) };
    judge_server(&format!("ws://{address}/"), &plan).await
}

/// A proxy in front of a server, which changes what the server says.
async fn between(server: SocketAddr, twist: Twist) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it listens");
    tokio::spawn(async move {
        while let Ok((down, _)) = listener.accept().await {
            let up = TcpStream::connect(server).await.expect("the server listens");
            let (down_read, down_write) = down.into_split();
            let (up_read, up_write) = up.into_split();
            tokio::spawn(carry(down_read, up_write, |_| {}));
            tokio::spawn(carry(up_read, down_write, twist));
        }
    });
    address
}

async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, twist: Twist) {
    let mut bytes = vec![0; 65_536];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        twist(&mut bytes[..count]);
        if to.write_all(&bytes[..count]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}

/// Changes every place that begins with a pattern.
fn replace(bytes: &mut [u8], pattern: &[u8], change: fn(&mut [u8])) {
    let ends = bytes.len().saturating_sub(pattern.len());
    for at in 0..=ends {
        if bytes[at..].starts_with(pattern) {
            change(&mut bytes[at..]);
        }
    }
}

/// Another UUID, of the same length.
fn flip(field: &mut [u8]) {
    field[6] = if field[6] == b'0' { b'1' } else { b'0' };
}
