//! A stream item that cannot travel.

use ws_proto::Requests;

#[derive(Debug)]
struct Line;

#[derive(Debug, Requests)]
enum OwnRequest {
    #[rpc(reply = (), stream = Line)] //~ ERROR: `Line` cannot travel as a payload
    Read { room: String },
}

fn main() {}
