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

mod carrying;
mod fate;
mod faults;

pub use faults::{Counts, Faults};

use crate::{
    client::{Client, ClientBuilder, ConnState, ConnectError},
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

/// Connects a client to a server in the same process, through faults. Every attempt of the client
/// is a new connection with the next fate of the seed.
///
/// A fault may meet the first attempt already: it is followed by others, as after a loss. The
/// `connector` of the builder is replaced, and nothing else of it.
///
/// ```
/// # use ws_proto::*;
/// # use ws_runtime::{Client, Server, testing::{self, Faults}};
/// # #[derive(Protocol)]
/// # #[protocol(name = "empty", version = 1)]
/// # struct Empty;
/// # struct App;
/// # impl Authenticate for App {
/// #     type Principal = ();
/// #     async fn authenticate(&self, _: &Credentials) -> Result<(), Fault> { Ok(()) }
/// # }
/// # impl Authorize<NoChannels> for App {
/// #     async fn authorize(
/// #         &self, _: &Caller<'_, ()>, access: Access<'_, NoChannels>,
/// #     ) -> Result<(), Fault> {
/// #         match access { Access::Subscribe(c) | Access::Publish(c) => match *c {} }
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = Server::<Empty>::new(App);
/// let faults = Faults::seeded(7).connections(1);
/// let client = testing::connect_with(&server, &faults, testing::builder(&server)).await?;
/// // Calls, streams, subscriptions; then without faults:
/// faults.calm();
/// assert!(faults.counts().connections >= 1, "{faults}");
/// client.close().await;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// When the server refuses the client, or the client gives up.
pub async fn connect_with<P: Protocol>(
    server: &Server<P>,
    faults: &Faults,
    builder: ClientBuilder<P>,
) -> Result<Client<P>, ConnectError> {
    let line = faults.line(server);
    let connector = move |format| {
        let transport = line(format);
        let made: futures_util::future::BoxFuture<'static, _> =
            Box::pin(std::future::ready(Ok(transport)));
        made
    };
    let client = builder.connector(connector).connect_lazy();
    let mut state = client.state();
    let settled =
        |state: &ConnState| matches!(state, ConnState::Ready { .. } | ConnState::Closed(_));
    let closed = match state.wait_for(settled).await.as_deref() {
        Ok(ConnState::Closed(error)) => Some(error.clone()),
        Ok(_) => None,
        Err(_) => Some(None),
    };
    let unsaid = || ConnectError::Unreachable("the client was closed".to_owned());
    closed.map_or(Ok(client), |error| Err(error.unwrap_or_else(unsaid)))
}
