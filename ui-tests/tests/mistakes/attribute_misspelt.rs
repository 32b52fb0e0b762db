//! An attribute that nobody knows. The compiler refuses it as well, without knowing what is meant.

use ws_proto::Requests;

#[derive(Debug, Requests)]
enum OwnRequest {
    #[rcp(reply = ())]
    //~^ ERROR: unknown attribute `rcp` (did you mean `rpc`?)
    //~ ALSO: cannot find attribute `rcp` in this scope
    Join { room: String },
}

fn main() {}
