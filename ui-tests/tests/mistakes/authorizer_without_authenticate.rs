//! An authorizer for somebody who was never let in. The signature names the principal of
//! `Authenticate`, so the compiler says the same again at the signature and at the trait.

use chat::ChatChannel;
use ws_proto::{Access, Authorize, Caller, Fault};

struct Own;

impl Authorize<ChatChannel> for Own {
    //~^ ERROR: `Own` does not say who may connect
    //~| add `impl Authenticate for Own` (a public server returns `Ok(())`)
    //~ ALSO: `Own` does not say who may connect
    async fn authorize(&self, _: &Caller<'_, ()>, _: Access<'_, ChatChannel>) -> Result<(), Fault> {
        Ok(())
    }
}

fn main() {}
