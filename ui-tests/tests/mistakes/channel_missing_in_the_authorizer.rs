//! An authorizer that does not decide about one channel.

use chat::ChatChannel;
use ws_proto::{Access, Authenticate, Authorize, Caller, Credentials, Fault};

struct Own;

impl Authenticate for Own {
    type Principal = ();

    async fn authenticate(&self, _: &Credentials) -> Result<(), Fault> {
        Ok(())
    }
}

impl Authorize<ChatChannel> for Own {
    async fn authorize(
        &self,
        _: &Caller<'_, ()>,
        access: Access<'_, ChatChannel>,
    ) -> Result<(), Fault> {
        match access {
            //~^ ERROR: `Access::Subscribe(&ChatChannel::Typing { .. })` not covered
            Access::Subscribe(ChatChannel::Room { .. }) => Ok(()),
            Access::Publish(_) => Err(Fault::forbidden("only we speak")),
        }
    }
}

fn main() {}
