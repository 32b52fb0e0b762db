//! A typed error that cannot travel.

use ws_proto::Requests;

#[derive(Debug)]
struct Refused;

#[derive(Debug, Requests)]
enum OwnRequest {
    #[rpc(reply = (), error = Refused)] //~ ERROR: `Refused` cannot travel as a payload
    Join { room: String },
}

fn main() {}
