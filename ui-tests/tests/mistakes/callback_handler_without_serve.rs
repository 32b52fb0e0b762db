//! A client's application that does not say who asks it.

use ws_proto::{Caller, Never, Requests};

#[derive(Debug, Requests)]
enum OwnCallback {
    #[rpc(reply = bool)]
    Confirm { text: String },
}

struct Own;

impl OwnCallbackHandler for Own {
    //~^ ERROR: `Own` does not say who may connect
    //~| a client's application, which its server asks: add `impl Serve for Own` instead
    //~ ALSO: `Own` does not say who may connect
    async fn confirm(&self, _: &Caller<'_, ()>, _: Confirm) -> Result<bool, Never> {
        Ok(true)
    }
}

fn main() {}
