//! A handler that holds an `Rc` while it waits.

use chat::{ChatRequestHandler, History, Join, JoinError, Joined, Leave};
use std::rc::Rc;
use ws_proto::{Authenticate, Caller, Credentials, Fault, Items, Never};

struct Own;

impl Authenticate for Own {
    type Principal = ();

    async fn authenticate(&self, _: &Credentials) -> Result<(), Fault> {
        Ok(())
    }
}

impl ChatRequestHandler for Own {
    async fn join(&self, _: &Caller<'_, ()>, _: Join) -> Result<Joined, JoinError> {
        //~^ ERROR: future cannot be sent between threads safely
        let counted = Rc::new(1);
        std::future::ready(()).await;
        Ok(Joined { members: *counted })
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
