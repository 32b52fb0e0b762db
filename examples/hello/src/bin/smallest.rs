//! The smallest complete program: server, client, one call, one channel, who may come in and who
//! may listen. Laid out tight, to be seen at a glance. `cargo run -p hello --bin smallest`

use ws_proto::prelude::*;
use ws_runtime::{Client, Server};

#[derive(Protocol)]
#[protocol(name = "smallest", version = 1, requests = Ask, channels = Hear)]
struct App;

#[rustfmt::skip] #[derive(Requests)]
enum Ask { #[rpc(reply = String)] Greet { name: String } }

#[rustfmt::skip] #[derive(Clone, Debug, PartialEq, Eq, Hash, Channels)]
enum Hear { #[channel(event = Heard, delivery = best_effort)] Hall }

#[rustfmt::skip] #[derive(Clone, Debug, Events)] enum Heard { Greeted }

#[rustfmt::skip] impl Authenticate for App { type Principal = ();
    async fn authenticate(&self, _: &Credentials) -> Result<(), Fault> { Ok(()) } }

#[rustfmt::skip] impl Authorize<Hear> for App {
    async fn authorize(&self, _: &Caller<'_, ()>, wish: Access<'_, Hear>) -> Result<(), Fault> {
        match wish { Access::Subscribe(Hear::Hall) => Ok(()),
            Access::Publish(Hear::Hall) => Err(Fault::forbidden("listen only")) } } }

#[rustfmt::skip] impl AskHandler for App {
    async fn greet(&self, caller: &Caller<'_, ()>, ask: Greet) -> Result<String, Never> {
        let published = caller.publish(Hall, &Heard::Greeted).await;
        Ok(format!("hello {}, {}", ask.name, published.is_ok())) } }

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = Server::<App>::new(App).spawn("127.0.0.1:0").await?;
    let client = Client::<App>::builder(format!("ws://{address}/")).connect().await?;
    let mut hall = client.subscribe(Hall).await?;
    println!("{}", client.call(Greet { name: "world".to_owned() }).await?);
    println!("{:?}", hall.next().await);
    Ok(())
}
