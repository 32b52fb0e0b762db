//! A 64-bit integer that does not say how it travels, in a request, an answer and an event.

use ws_proto::{Events, Requests};

#[derive(Debug, Requests)]
enum OwnRequest {
    #[rpc(reply = ())]
    Pay { cents: u64 },
    //~^ ERROR: `u64` can pass 2^53 - 1, which JavaScript does not keep exact
    //~| say `#[ws(bounded)]` or `#[ws(text)]`
    #[rpc(reply = i64)] //~ ERROR: `i64` can pass 2^53 - 1
    Balance,
}

#[derive(Clone, Debug, Events)]
enum AccountEvent {
    Paid { cents: Vec<u64> }, //~ ERROR: `u64` can pass 2^53 - 1
}

fn main() {}
