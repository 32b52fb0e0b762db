//! A server whose application does not make the snapshot of a channel that has one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ws_proto::{Access, Authenticate, Authorize, Caller, Channels, Credentials, Events, Fault};
use ws_proto::Protocol;
use ws_runtime::Server;

#[derive(Protocol)]
#[protocol(name = "own", version = 1, channels = OwnChannel)]
struct Own;

#[derive(Clone, Debug, PartialEq, Eq, Hash, Channels)]
enum OwnChannel {
    #[channel(event = RoomEvent, delivery = at_least_once, snapshot = RoomState)]
    Room { id: String },
}

#[derive(Clone, Debug, Events)]
enum RoomEvent {
    Said { text: String },
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
struct RoomState {
    members: Vec<String>,
}

struct App;

impl Authenticate for App {
    type Principal = ();

    async fn authenticate(&self, _: &Credentials) -> Result<(), Fault> {
        Ok(())
    }
}

impl Authorize<OwnChannel> for App {
    async fn authorize(
        &self,
        _: &Caller<'_, ()>,
        _: Access<'_, OwnChannel>,
    ) -> Result<(), Fault> {
        Ok(())
    }
}

fn main() {
    Server::<Own>::new(App);
    //~^ ERROR: `App` does not make the snapshot of the channel `Room`
    //~| add `impl Snapshot<Room> for App`
}
