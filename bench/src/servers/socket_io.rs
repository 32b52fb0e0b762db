//! socketioxide under axum, as its documentation has it.

use super::Outcome;
use axum::serve::ListenerExt;
use serde::{Deserialize, Serialize};
use socketioxide::{
    SocketIo,
    extract::{AckSender, Data, SocketRef},
};
use tokio::net::TcpListener;

#[derive(Deserialize, Serialize)]
struct Text {
    text: String,
}

pub(super) async fn serve(listener: TcpListener) -> Outcome {
    let (layer, io) = SocketIo::builder().max_buffer_size(4096).build_layer();
    io.ns("/", async |socket: SocketRef| {
        socket.on("echo", async |Data::<Text>(text), ack: AckSender| {
            // A client that left needs no answer.
            let _ = ack.send(&text);
        });
    });
    let app = axum::Router::new().layer(layer);
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    Ok(axum::serve(listener, app).await?)
}
