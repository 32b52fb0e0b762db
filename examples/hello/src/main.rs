//! A server and a client in one process: one request, one channel. `cargo run -p hello`

use std::error::Error;
use ws_proto::{
    Access, Authenticate, Authorize, Caller, Channels, Credentials, Events, Fault, Never, Protocol,
    Requests, Secret,
};
use ws_runtime::{Client, Server};

/// The protocol: what can be asked, and what can be listened to.
#[derive(Protocol)]
#[protocol(name = "hello", version = 1, requests = HelloRequest, channels = HelloChannel)]
struct Hello;

#[derive(Debug, Requests)]
#[requests(handler = HelloHandler)]
enum HelloRequest {
    /// Say hello to somebody.
    #[rpc(reply = String, error = Never)]
    Greet { name: String },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Channels)]
enum HelloChannel {
    /// Who was greeted.
    #[channel(event = GreetingEvent, delivery = at_least_once, history = 16)]
    Greetings,
}

#[derive(Clone, Debug, PartialEq, Events)]
enum GreetingEvent {
    /// Somebody was greeted.
    Greeted { name: String },
}

struct App;

/// Who may connect.
impl Authenticate for App {
    type Principal = String;

    async fn authenticate(&self, credentials: &Credentials) -> Result<String, Fault> {
        match credentials.token.as_ref().map(Secret::expose) {
            Some("secret of ann") => Ok("ann".to_owned()),
            _ => Err(Fault::unauthorized("the token is wrong")),
        }
    }
}

/// Who may listen and who may speak.
impl Authorize<HelloChannel> for App {
    async fn authorize(
        &self,
        caller: &Caller<'_, String>,
        access: Access<'_, HelloChannel>,
    ) -> Result<(), Fault> {
        match access {
            Access::Subscribe(HelloChannel::Greetings) if caller.principal() == "ann" => Ok(()),
            Access::Subscribe(HelloChannel::Greetings)
            | Access::Publish(HelloChannel::Greetings) => Err(Fault::forbidden("not for you")),
        }
    }
}

/// What answers: one method per request.
impl HelloHandler for App {
    async fn greet(&self, caller: &Caller<'_, String>, req: Greet) -> Result<String, Never> {
        let answer = format!("hello {}, says {}", req.name, caller.principal());
        if let Err(error) =
            caller.publish(Greetings, &GreetingEvent::Greeted { name: req.name }).await
        {
            eprintln!("the greeting was not published: {error}");
        }
        Ok(answer)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let bound = Server::<Hello>::new(App).bind("127.0.0.1:0").await?;
    let url = format!("ws://{}/", bound.local_addr()?);
    tokio::spawn(bound.serve());

    let token = || async { "secret of ann".to_owned() };
    let client = Client::<Hello>::builder(url).token(token).connect().await?;
    let mut greetings = client.subscribe(Greetings).await?;
    println!("answer: {}", client.call(Greet { name: "world".to_owned() }).await?);
    println!("event:  {:?}", greetings.next().await);
    client.close().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Hello;

    #[test]
    fn schema_committed_is_what_the_code_says() {
        ws_proto::schema::assert_committed::<Hello>("../../schema/hello.json");
    }
}
