//! A server whose application decides nothing and answers nothing: two mistakes, two errors.
//! Whoever mends one is told about `Authenticate` next.

use chat::Chat;
use ws_runtime::Server;

struct Own;

fn main() {
    Server::<Chat>::new(Own);
    //~^ ERROR: `Own` does not say who may use the channels of `ChatChannel`
    //~^^ ERROR: `Own` does not serve `ChatRequest`
    //~| beside `impl Authenticate for Own`
}
