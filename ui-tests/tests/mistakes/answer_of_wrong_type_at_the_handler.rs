//! A handler whose signature promises another answer.

use chat::{ChatRequestHandler, History, Join, JoinError, Leave};
use ws_proto::{Authenticate, Caller, Credentials, Fault, Items, Never};

struct Own;

impl Authenticate for Own {
    type Principal = ();

    async fn authenticate(&self, _: &Credentials) -> Result<(), Fault> {
        Ok(())
    }
}

impl ChatRequestHandler for Own {
    async fn join(&self, _: &Caller<'_, ()>, _: Join) -> Result<String, JoinError> {
        //~^ ERROR: expected `Result<Joined, JoinError>`, found `Result<String, JoinError>`
        Ok("welcome".to_owned())
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

fn main() {}
