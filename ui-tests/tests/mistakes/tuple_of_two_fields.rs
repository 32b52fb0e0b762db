//! A payload without names for its parts.

use ws_proto::Requests;

#[derive(Debug, Requests)]
enum OwnRequest {
    #[rpc(reply = ())]
    Say(String, String), //~ ERROR: `Say` needs named fields, one payload type, or nothing
}

fn main() {}
