//! Two requests with one payload type: a call with it could mean either.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ws_proto::Requests;

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
struct Query {
    words: String,
}

#[derive(Debug, Requests)]
enum OwnRequest {
    #[rpc(reply = ())]
    Search(Query),
    #[rpc(reply = ())]
    Count(Query), //~ ERROR: `Query` is already the payload of `Search`
}

fn main() {}
