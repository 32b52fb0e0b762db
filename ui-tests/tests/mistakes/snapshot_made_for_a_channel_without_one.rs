//! An application that makes the snapshot of a channel that has none.

use chat::{App, Room};
use ws_proto::{Caller, Fault, Snapshot};

struct Own(App);

impl ws_proto::Authenticate for Own {
    type Principal = String;

    async fn authenticate(&self, it: &ws_proto::Credentials) -> Result<String, Fault> {
        self.0.authenticate(it).await
    }
}

impl Snapshot<Room> for Own {
    //~^ ERROR: has no snapshot
    //~| put `snapshot = SomeState` into the `#[channel(..)]` of
    async fn snapshot(&self, _: &Caller<'_, String>, _: &Room) -> Result<u32, Fault> {
        //~^ ALSO: has no snapshot
        Ok(0)
    }
}

fn main() {}
