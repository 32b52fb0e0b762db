//! The protocol itself is a name, not a choice.

use ws_proto::Protocol;

#[derive(Protocol)]
#[protocol(name = "own", version = 1)]
enum Own {} //~ ERROR: `#[derive(Protocol)]` goes on a struct: `struct Own;`

fn main() {}
