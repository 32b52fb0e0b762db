//! A word that the attribute does not know.

use ws_proto::Requests;

#[derive(Debug, Requests)]
enum OwnRequest {
    #[rpc(replly = String)]
    //~^ ERROR: unknown word `replly` in `#[rpc(..)]`
    //~| (did you mean `reply`?)
    Join { room: String },
}

fn main() {}
