//! The servers that are compared. Each runs in a process of its own, prints its port, and serves
//! until it is killed.

mod proto;
mod raw;
mod rpc;
mod socket_io;

use std::io::{self, Write};
use tokio::net::{TcpListener, TcpSocket};

/// The result of what ends only by a mistake.
pub(crate) type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Serves as `name` until the process is killed.
pub(crate) fn serve(name: &str) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match name {
            "ws-proto" => proto::serve().await,
            "tcp" => raw::tcp(listen()?).await,
            "default" => raw::default(listen()?).await,
            "tuned" => raw::tuned(listen()?).await,
            "tuned-fan" => raw::tuned_fan(listen()?).await,
            "jsonrpsee" => rpc::serve(listen()?).await,
            "socketioxide" => socket_io::serve(listen()?).await,
            other => Err(format!("there is no server `{other}`").into()),
        }
    })
}

/// Says where to connect, to the process that started this one.
fn announce(port: u16) -> io::Result<()> {
    let mut out = io::stdout();
    writeln!(out, "{port}")?;
    out.flush()
}

/// A listener with a queue that a storm fits into, announced.
fn listen() -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(([127, 0, 0, 1], 0).into())?;
    let listener = socket.listen(4096)?;
    announce(listener.local_addr()?.port())?;
    Ok(listener)
}
