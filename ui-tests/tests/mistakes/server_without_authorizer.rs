//! A server whose application does not say who may use the channels.

use chat::{Chat, ChatRequestHandler, History, Join, JoinError, Joined, Leave};
use ws_proto::{Authenticate, Caller, Credentials, Fault, Items, Never};
use ws_runtime::Server;

struct Own;

impl Authenticate for Own {
    type Principal = ();

    async fn authenticate(&self, _: &Credentials) -> Result<(), Fault> {
        Ok(())
    }
}

impl ChatRequestHandler for Own {
    async fn join(&self, _: &Caller<'_, ()>, _: Join) -> Result<Joined, JoinError> {
        Err(JoinError::NoSuchRoom)
    }

    async fn leave(&self, _: &Caller<'_, ()>, _: Leave) -> Result<(), Never> {
        Ok(())
    }

    async fn history(
        &self,
        _: &Caller<'_, ()>,
        _: History,
        _: Items<String>,
    ) -> Result<u32, Never> {
        Ok(0)
    }
}

fn main() {
    Server::<Chat>::new(Own);
    //~^ ERROR: `Own` does not say who may use the channels of `ChatChannel`
    //~| add `impl Authorize<ChatChannel> for Own` and match on every channel
}
