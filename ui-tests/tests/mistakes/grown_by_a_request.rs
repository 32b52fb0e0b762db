//! The sound program and one more request: the handler has to answer it.

use std::error::Error;
use ws_proto::{
    Access, Authenticate, Authorize, Caller, Channels, Credentials, Events, Fault, Format, Items,
    Never, Protocol, Requests,
};
use ws_runtime::{Server, testing};

#[derive(Protocol)]
#[protocol(name = "own", version = 1, requests = OwnRequest, channels = OwnChannel)]
struct Own;

#[derive(Debug, Requests)]
enum OwnRequest {
    #[rpc(reply = u32)]
    Say { room: String, text: String },
    #[rpc(reply = (), stream = String)]
    Read { room: String },
    #[rpc(reply = (), idempotent)] //+
    Leave { room: String }, //+
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Channels)]
enum OwnChannel {
    #[channel(event = RoomEvent, delivery = at_least_once)]
    Room { id: String },
    #[channel(event = RoomEvent, delivery = best_effort, publish = client)]
    Hall,
}

#[derive(Clone, Debug, Events)]
enum RoomEvent {
    Said { text: String },
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
        access: Access<'_, OwnChannel>,
    ) -> Result<(), Fault> {
        let (Access::Subscribe(channel) | Access::Publish(channel)) = access;
        match channel {
            OwnChannel::Room { id } if id == "secret" => Err(Fault::forbidden("not for you")),
            OwnChannel::Room { .. } | OwnChannel::Hall => Ok(()),
        }
    }
}

impl OwnRequestHandler for App {
    //~^ ERROR: missing: `leave`
    async fn say(&self, caller: &Caller<'_, ()>, req: Say) -> Result<u32, Never> {
        let event = RoomEvent::Said { text: req.text };
        let _ = caller.publish(Room { id: req.room }, &event).await;
        Ok(1)
    }

    async fn read(
        &self,
        _: &Caller<'_, ()>,
        req: Read,
        mut items: Items<String>,
    ) -> Result<(), Never> {
        let _ = items.send(&req.room).await;
        Ok(())
    }
}

async fn talk() -> Result<(), Box<dyn Error>> {
    let server = Server::<Own>::new(App);
    let client = testing::connect(&server, None, Format::Json).await?;
    let mut room = client.subscribe(Room { id: "lobby".to_owned() }).await?.manual_ack();
    client.call(Say { room: "lobby".to_owned(), text: "hello".to_owned() }).await?;
    if let Some(Ok(held)) = room.next().await {
        held.ack();
    }
    let mut lines = client.stream(Read { room: "lobby".to_owned() });
    while let Some(line) = lines.next().await {
        println!("{}", line?);
    }
    client.publish(Hall, &RoomEvent::Said { text: "hello".to_owned() }).await?;
    server
        .publish(Room { id: "lobby".to_owned() }, &RoomEvent::Said { text: String::new() })
        .await?;
    client.close().await;
    Ok(())
}

fn main() {
    let _ = talk();
}
