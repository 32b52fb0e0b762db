//! A server whose application answers nothing.

use chat::{Chat, ChatChannel};
use ws_proto::{Access, Authenticate, Authorize, Caller, Credentials, Fault};
use ws_runtime::Server;

struct Own;

impl Authenticate for Own {
    type Principal = ();

    async fn authenticate(&self, _: &Credentials) -> Result<(), Fault> {
        Ok(())
    }
}

impl Authorize<ChatChannel> for Own {
    async fn authorize(&self, _: &Caller<'_, ()>, _: Access<'_, ChatChannel>) -> Result<(), Fault> {
        Ok(())
    }
}

fn main() {
    Server::<Chat>::new(Own);
    //~^ ERROR: `Own` does not serve `ChatRequest`
    //~| add `impl ChatRequestHandler for Own`: one async method per variant of `ChatRequest`
}
