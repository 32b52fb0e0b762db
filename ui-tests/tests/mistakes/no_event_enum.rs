//! A channel that carries something that is no event enum.

use ws_proto::{Channels, Protocol};
use ws_runtime::Client;

#[derive(Protocol)]
#[protocol(name = "own", version = 1, channels = OwnChannel)]
struct Own;

struct Line;

#[derive(Clone, Debug, PartialEq, Eq, Hash, Channels)]
enum OwnChannel {
    #[channel(event = Line, delivery = best_effort)]
    //~^ ERROR: `Line` cannot travel on a channel
    //~| put `#[derive(Events)]` on `Line`
    Room { id: String },
}

async fn listen(client: &Client<Own>) {
    let Ok(mut room) = client.subscribe(Room { id: "lobby".to_owned() }).await else { return };
    let _ = room.next().await;
}

fn main() {}
