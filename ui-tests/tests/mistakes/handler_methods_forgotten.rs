//! Three requests, and no method for any of them: one error that names all.

use chat::ChatRequestHandler;
use ws_proto::{Authenticate, Credentials, Fault};

struct Own;

impl Authenticate for Own {
    type Principal = ();

    async fn authenticate(&self, _: &Credentials) -> Result<(), Fault> {
        Ok(())
    }
}

impl ChatRequestHandler for Own {}
//~^ ERROR: missing: `join`, `leave`, `history`

fn main() {}
