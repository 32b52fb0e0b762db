//! A stream whose request is acknowledged only when its handler has returned.

use ws_proto::Requests;

#[derive(Debug, Requests)]
enum OwnRequest {
    #[rpc(reply = (), stream = u32, ack = handled)]
    //~^ ERROR: `stream` and `ack = handled` exclude each other: the credit for the items
    Count,
    #[rpc(reply = (), ack = handled, stream = u32)]
    //~^ ERROR: `stream` and `ack = handled` exclude each other
    Again,
    #[rpc(reply = (), ack = received, stream = u32)]
    Sound,
    #[rpc(reply = (), ack = handled)]
    Held,
}

fn main() {}
