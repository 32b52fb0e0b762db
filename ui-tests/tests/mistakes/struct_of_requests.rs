//! A struct where each variant of an enum would be a request.

use ws_proto::{Protocol, Requests};

#[derive(Protocol)]
#[protocol(name = "own", version = 1, requests = OwnRequest)]
struct Own;

#[derive(Debug, Requests)]
struct OwnRequest; //~ ERROR: `#[derive(Requests)]` goes on an enum: each variant is one request

fn main() {}
