//! Names that a careless derive would trip over.
//~ COMPILES

use ws_proto::{Channels, Events, Protocol, Requests};

#[derive(Protocol)]
#[protocol(name = "own", version = 4, requests = Request, channels = Channel)]
struct Own;

#[derive(Debug, Requests)]
#[requests(handler = Serve, call = Asked)]
enum Request {
    #[rpc(reply = ())]
    Option { app: String, caller: u32, f: bool },
    #[rpc(reply = (), since = 2)]
    Result,
    #[rpc(reply = (), removed = 4)]
    Send { r#type: String },
    #[rpc(reply = ())]
    Box {
        #[ws(text)]
        cents: u64,
    },
    #[deprecated]
    #[rpc(reply = ())]
    Move,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Channels)]
enum Channel {
    #[channel(event = Event, delivery = at_least_once, history = 1)]
    Vec { app: String, at: u8 },
}

#[derive(Clone, Debug, Events)]
enum Event {
    Some { kind: String },
    None,
}

fn main() {}
