//! A handler for somebody who was never let in. The methods name the principal of `Authenticate`,
//! so the compiler says the same again at each of them.

use ws_proto::{Caller, Never, Requests};

#[derive(Debug, Requests)]
enum OwnRequest {
    #[rpc(reply = ())]
    Leave { room: String },
}

struct Own;

impl OwnRequestHandler for Own {
    //~^ ERROR: `Own` does not say who may connect
    //~ ALSO: `Own` does not say who may connect
    async fn leave(&self, _: &Caller<'_, ()>, _: Leave) -> Result<(), Never> {
        Ok(())
    }
}

fn main() {}
