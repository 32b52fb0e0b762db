//! Tests without sockets: a real client and a real server over a queue in memory.
//!
//! ```
//! # use ws_proto::*;
//! # use ws_runtime::{Server, testing};
//! # #[derive(Protocol)]
//! # #[protocol(name = "empty", version = 1)]
//! # struct Empty;
//! # struct App;
//! # impl Authenticate for App {
//! #     type Principal = ();
//! #     async fn authenticate(&self, _: &Credentials) -> Result<(), Fault> { Ok(()) }
//! # }
//! # impl Authorize<NoChannels> for App {
//! #     async fn authorize(
//! #         &self, _: &Caller<'_, ()>, access: Access<'_, NoChannels>,
//! #     ) -> Result<(), Fault> {
//! #         match access { Access::Subscribe(c) | Access::Publish(c) => match *c {} }
//! #     }
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::<Empty>::new(App);
//! let client = testing::connect(&server, Some("a token"), Format::Json).await?;
//! client.close().await;
//! # Ok(())
//! # }
//! ```

use crate::{
    client::{Client, ClientBuilder, ConnectError},
    server::Server,
    transport::{Transport, memory},
};
use ws_proto::{Credentials, Format, Limits, Protocol};

/// Connects a client to a server in the same process.
///
/// # Errors
///
/// When the server refuses the client.
pub async fn connect<P: Protocol>(
    server: &Server<P>,
    token: Option<&str>,
    format: Format,
) -> Result<Client<P>, ConnectError> {
    let builder = builder(server).format(format);
    let Some(token) = token.map(str::to_owned) else { return builder.connect().await };
    builder.token(move || std::future::ready(token.clone())).connect().await
}

/// A client builder whose attempts reach a server in the same process: each is a new connection.
pub fn builder<P: Protocol>(server: &Server<P>) -> ClientBuilder<P> {
    let server = server.clone();
    Client::builder("ws://memory").connector(move |format| {
        let server = server.clone();
        Box::pin(async move {
            let (ours, theirs) = memory::pair(format, &Limits::default());
            tokio::spawn(async move {
                server.serve(Box::new(theirs), Credentials::default()).await;
            });
            let transport: Box<dyn Transport> = Box::new(ours);
            Ok(transport)
        })
    })
}
