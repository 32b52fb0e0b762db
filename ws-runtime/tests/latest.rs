//! Channels declared `latest`: a slow connection gets the newest value of each name, in the place of
//! the first, and is told how many were overwritten.

use ws_proto::{
    Access, Authenticate, Authorize, Caller, Channels, Credentials, Events, Fault, Format, Protocol,
};
use ws_runtime::{
    Server,
    client::{Client, Gap},
    testing,
};

#[derive(Protocol)]
#[protocol(name = "board", version = 1, channels = BoardChannel)]
struct Board;

#[derive(Clone, Debug, PartialEq, Eq, Hash, Channels)]
enum BoardChannel {
    #[channel(event = Pointer, delivery = best_effort, latest)]
    Pointers { board: u32 },
}

#[derive(Clone, Debug, PartialEq, Events)]
enum Pointer {
    Moved {
        #[ws(latest)]
        who: String,
        x: u32,
    },
    Cleared,
}

struct App;

impl Authenticate for App {
    type Principal = ();

    async fn authenticate(&self, _: &Credentials) -> Result<(), Fault> {
        Ok(())
    }
}

impl Authorize<BoardChannel> for App {
    async fn authorize(
        &self,
        _: &Caller<'_, ()>,
        _: Access<'_, BoardChannel>,
    ) -> Result<(), Fault> {
        Ok(())
    }
}

fn moved(who: &str, x: u32) -> Pointer {
    Pointer::Moved { who: who.to_owned(), x }
}

#[tokio::test]
async fn the_newest_value_comes_in_the_place_of_the_first_and_the_rest_are_counted() {
    for format in Format::ALL {
        let server = Server::<Board>::new(App);
        let client: Client<Board> = testing::connect(&server, None, format).await.unwrap();
        let mut pointers = client.subscribe(Pointers { board: 1 }).await.unwrap();
        // The task of the connection does not run in between: it is behind.
        for x in 0..100 {
            for who in ["ann", "bert"] {
                server.publish(Pointers { board: 1 }, &moved(who, x)).await.unwrap();
            }
            server.publish(Pointers { board: 1 }, &Pointer::Cleared).await.unwrap();
        }
        assert_eq!(pointers.next().await, Some(Err(Gap::Dropped(297))));
        assert_eq!(pointers.next().await, Some(Ok(moved("ann", 99))));
        assert_eq!(pointers.next().await, Some(Ok(moved("bert", 99))));
        assert_eq!(pointers.next().await, Some(Ok(Pointer::Cleared)));
        // What left is in nobody's place any more.
        server.publish(Pointers { board: 1 }, &moved("ann", 100)).await.unwrap();
        assert_eq!(pointers.next().await, Some(Ok(moved("ann", 100))));
    }
}

#[tokio::test]
async fn a_name_that_is_too_long_is_refused_when_it_is_published() {
    let server = Server::<Board>::new(App);
    let long = server.publish(Pointers { board: 1 }, &moved(&"x".repeat(300), 1)).await;
    assert!(long.unwrap_err().to_string().contains("255 bytes"));
}
