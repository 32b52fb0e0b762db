//! A request that does not say what answers it.

use ws_proto::Requests;

#[derive(Debug, Requests)]
enum OwnRequest {
    Join { room: String }, //~ ERROR: `Join` does not say what answers it
}

fn main() {}
