//! This framework, as an application writes it.

use super::{Outcome, announce};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ws_proto::{
    Access, Authenticate, Authorize, Caller, Channels, Credentials, Events, Fault, Limits, Never,
    Protocol, Requests,
};
use ws_runtime::{Server, ServerConfig};

/// The protocol: one request, and channels of both kinds.
#[derive(Debug, Protocol)]
#[protocol(name = "bench", version = 1, requests = BenchRequest, channels = BenchChannel)]
pub(crate) struct Bench;

#[derive(Debug, Requests)]
#[requests(handler = BenchHandler)]
pub(crate) enum BenchRequest {
    /// The same text again.
    #[rpc(reply = Echoed, error = Never)]
    Echo {
        /// What is said.
        text: String,
    },
}

/// What was said.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Echoed {
    /// It.
    pub(crate) text: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Channels)]
pub(crate) enum BenchChannel {
    /// What is missed does not matter.
    #[channel(event = FanEvent, delivery = best_effort, publish = client)]
    Fan {
        /// Which one.
        name: String,
    },
    /// Everything arrives.
    #[channel(event = FanEvent, delivery = at_least_once, history = 1024, publish = client)]
    Sure {
        /// Which one.
        name: String,
    },
    /// Everything arrives, also after a long time.
    #[channel(event = FanEvent, delivery = at_least_once, history = 16_384, publish = client)]
    Deep {
        /// Which one.
        name: String,
    },
}

#[derive(Clone, Debug, PartialEq, Events)]
pub(crate) enum FanEvent {
    /// Something was said.
    Said {
        /// It.
        text: String,
    },
}

#[derive(Debug)]
struct App;

impl Authenticate for App {
    type Principal = String;

    async fn authenticate(&self, _: &Credentials) -> Result<String, Fault> {
        Ok("anybody".to_owned())
    }
}

impl Authorize<BenchChannel> for App {
    async fn authorize(
        &self,
        _: &Caller<'_, String>,
        access: Access<'_, BenchChannel>,
    ) -> Result<(), Fault> {
        match access {
            Access::Subscribe(_) | Access::Publish(_) => Ok(()),
        }
    }
}

impl BenchHandler for App {
    async fn echo(&self, _: &Caller<'_, String>, req: Echo) -> Result<Echoed, Never> {
        Ok(Echoed { text: req.text })
    }
}

/// The server with its defaults, but for the bounds that a benchmark has to pass: how many messages
/// and connections there may be.
pub(crate) fn bench_server() -> Outcome<Server<Bench>> {
    let mut limits = Limits::default();
    limits.rate_per_s = 1_000_000_000;
    limits.rate_burst = 1_000_000_000;
    let config = ServerConfig {
        limits,
        max_connections: 20_000,
        max_connections_per_address: None,
        max_sessions_per_principal: None,
        max_kept_sessions: 20_000,
        ..ServerConfig::default()
    };
    Ok(Server::with_config(App, config)?)
}

pub(super) async fn serve() -> Outcome {
    let bound = bench_server()?.bind("127.0.0.1:0").await?;
    announce(bound.local_addr()?.port())?;
    bound.serve().await;
    Ok(())
}
