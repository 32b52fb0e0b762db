//! WebSockets without any protocol on top, and TCP without WebSockets: the floor.

use super::Outcome;
use futures_util::{FutureExt, SinkExt, StreamExt};
use std::{cell::RefCell, collections::HashMap, rc::Rc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::{LocalSet, spawn_local},
};
use tokio_tungstenite::{
    WebSocketStream, accept_async, accept_async_with_config,
    tungstenite::{Message, Utf8Bytes, protocol::WebSocketConfig},
};

/// Echoes frames of a length (4 bytes, big endian) and that many bytes, whole batches at a time.
pub(super) async fn tcp(listener: TcpListener) -> Outcome {
    loop {
        let (mut stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let mut buffer = vec![0; 64 * 1024];
            let mut end = 0;
            while let Ok(count @ 1..) = stream.read(&mut buffer[end..]).await {
                end += count;
                let whole = whole_frames(&buffer[..end]);
                if stream.write_all(&buffer[..whole]).await.is_err() {
                    break;
                }
                buffer.copy_within(whole..end, 0);
                end -= whole;
            }
        });
    }
}

/// tokio-tungstenite as its echo example has it: the default configuration, `send` per message.
pub(super) async fn default(listener: TcpListener) -> Outcome {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let Ok(mut socket) = accept_async(stream).await else { return };
            while let Some(Ok(message)) = socket.next().await {
                if message.is_close() || socket.send(message).await.is_err() {
                    break;
                }
            }
        });
    }
}

/// tokio-tungstenite with small read buffers, and one flush for all that was ready.
pub(super) async fn tuned(listener: TcpListener) -> Outcome {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let Ok(mut socket) = accept_tuned(stream).await else { return };
            while let Some(Ok(message)) = socket.next().await {
                if message.is_close() || socket.feed(message).await.is_err() {
                    break;
                }
                while let Some(Some(Ok(message))) = socket.next().now_or_never() {
                    if socket.feed(message).await.is_err() {
                        return;
                    }
                }
                if socket.flush().await.is_err() {
                    break;
                }
            }
        });
    }
}

type Members = Rc<RefCell<HashMap<u64, mpsc::UnboundedSender<Utf8Bytes>>>>;

/// The same, and each message goes to every other connection through a queue of its own.
pub(super) async fn tuned_fan(listener: TcpListener) -> Outcome {
    let members = Members::default();
    let accept = async move {
        for id in 0_u64.. {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let members = Rc::clone(&members);
            spawn_local(async move {
                if let Ok(socket) = accept_tuned(stream).await {
                    let (sender, receiver) = mpsc::unbounded_channel();
                    members.borrow_mut().insert(id, sender);
                    member(socket, receiver, id, &members).await;
                    members.borrow_mut().remove(&id);
                }
            });
        }
        Ok(())
    };
    LocalSet::new().run_until(accept).await
}

async fn member(
    mut socket: WebSocketStream<TcpStream>,
    mut receiver: mpsc::UnboundedReceiver<Utf8Bytes>,
    id: u64,
    members: &Members,
) {
    let mut batch = Vec::new();
    loop {
        tokio::select! {
            heard = socket.next() => {
                let Some(Ok(Message::Text(text))) = heard else { return };
                broadcast(members, id, &text);
                while let Some(Some(Ok(Message::Text(text)))) = socket.next().now_or_never() {
                    broadcast(members, id, &text);
                }
            }
            _ = receiver.recv_many(&mut batch, 256) => {
                for text in batch.drain(..) {
                    if socket.feed(Message::Text(text)).await.is_err() {
                        return;
                    }
                }
                if socket.flush().await.is_err() {
                    return;
                }
            }
        }
    }
}

fn broadcast(members: &Members, from: u64, text: &Utf8Bytes) {
    for (_, member) in members.borrow().iter().filter(|(id, _)| **id != from) {
        // A member that is gone leaves by itself.
        let _ = member.send(text.clone());
    }
}

async fn accept_tuned(
    stream: TcpStream,
) -> Result<WebSocketStream<TcpStream>, tokio_tungstenite::tungstenite::Error> {
    let config = WebSocketConfig::default().read_buffer_size(4096);
    accept_async_with_config(stream, Some(config)).await
}

/// How many bytes at the start are whole frames.
fn whole_frames(bytes: &[u8]) -> usize {
    let mut whole = 0;
    while let Some(head) = bytes.get(whole..whole + 4) {
        let length = head.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        if bytes.len() < whole + 4 + length {
            break;
        }
        whole += 4 + length;
    }
    whole
}
