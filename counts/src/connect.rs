//! What one connection costs a server from its acceptance to its end: upgrade, hello, one
//! subscription. Over loopback, for the socket is a part of it; the few instructions of the client
//! are counted, too, and what the system does is not.

use crate::{
    Outcome, Workload,
    server::{body, frame, hello, server_without_resume},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::Builder,
};
use ws_proto::{Format, Frame, Head, IdSource, frame::Subscribe};

/// One client after the other, each counted as one round.
pub(crate) const WORKLOADS: &[Workload] = &[
    ("json connect", |rounds| connects(Format::Json, rounds)),
    ("msgpack connect", |rounds| connects(Format::MessagePack, rounds)),
];

/// Welcome, and the answer to the subscription.
const ANSWERS: u32 = 2;
const NOW: u64 = 1_760_000_000_000;

fn connects(format: Format, rounds: u64) -> Outcome {
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let address = server_without_resume()?.spawn("127.0.0.1:0").await?;
        let upgrade = format!(
            "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: {}\r\n\r\n",
            format.subprotocol()
        );
        let arrival = arrival(format)?;
        let mut heard = Vec::with_capacity(4 * 1024);
        for _ in 0..rounds {
            let mut stream = TcpStream::connect(address).await?;
            stream.write_all(upgrade.as_bytes()).await?;
            hear_upgrade(&mut stream, &mut heard).await?;
            stream.write_all(&arrival).await?;
            hear(&mut stream, &mut heard, ANSWERS).await?;
        }
        Ok(())
    })
}

/// The hello and the subscription, which leave together.
fn arrival(format: Format) -> Outcome<Vec<u8>> {
    let mut ids = IdSource::new(7);
    let mut frames = Vec::new();
    frame(format, Head::new("$hello".into(), ids.next(NOW), NOW), hello(), &mut frames)?;
    let mut head = Head::new("$sub".into(), ids.next(NOW), NOW);
    (head.seq, head.ch) = (Some(1), Some("sure/x".into()));
    frame(format, head, Frame::Subscribe(Subscribe::default()), &mut frames)?;
    Ok(frames)
}

/// Reads the answer to the upgrade.
async fn hear_upgrade(stream: &mut TcpStream, heard: &mut Vec<u8>) -> Outcome {
    while !heard.ends_with(b"\r\n\r\n") {
        read(stream, heard).await?;
    }
    heard.clear();
    Ok(())
}

/// Reads so many frames.
async fn hear(stream: &mut TcpStream, heard: &mut Vec<u8>, count: u32) -> Outcome {
    let mut end = 0;
    for _ in 0..count {
        end += loop {
            if let Some(body) = body(&heard[end..]) {
                break body.end;
            }
            read(stream, heard).await?;
        };
    }
    heard.clear();
    Ok(())
}

async fn read(stream: &mut TcpStream, heard: &mut Vec<u8>) -> Outcome {
    match stream.read_buf(heard).await? {
        0 => Err(format!("closed after {}", String::from_utf8_lossy(heard)).into()),
        _ => Ok(()),
    }
}
