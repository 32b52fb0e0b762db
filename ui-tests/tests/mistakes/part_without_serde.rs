//! A part of an upload that cannot travel.

use ws_proto::Requests;

#[derive(Debug)]
struct Line;

#[derive(Debug, Requests)]
enum OwnRequest {
    #[rpc(reply = (), upload = Line)] //~ ERROR: `Line` cannot travel as a payload
    Import { name: String },
}

fn main() {}
