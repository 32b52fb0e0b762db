//! The application, without sockets: `cargo test -p chat --test app`

use chat::{
    protocol::{
        Chat, History, HistoryEnd, HistoryError, Join, JoinError, Leave, ListRooms, Lobby,
        LobbyEvent, Post, PostError, Room, RoomEvent, RoomInfo, Typing, TypingEvent,
    },
    server,
};
use std::time::Duration;
use ws_proto::{CloseCode, FaultCode, Format, Position};
use ws_runtime::{
    CallError, Client, Server, ServerConfig,
    client::{ConnectError, SubscribeError},
    testing,
};

const LONG: Duration = Duration::from_secs(3600);

fn quiet_server() -> Server<Chat> {
    server(ServerConfig::default(), LONG).unwrap()
}

async fn guest(server: &Server<Chat>, name: &str, format: Format) -> Client<Chat> {
    testing::connect(server, Some(name), format).await.unwrap()
}

async fn join(client: &Client<Chat>, room: &str) -> Position {
    let joined = client.call(Join { room: room.to_owned() }).await.unwrap();
    Position { epoch: joined.epoch, off: joined.off }
}

fn room(name: &str) -> Room {
    Room { name: name.to_owned() }
}

fn post(room: &str, text: &str) -> Post {
    Post { room: room.to_owned(), text: text.to_owned() }
}

#[tokio::test]
async fn a_name_is_needed_to_come_in() {
    let server = quiet_server();
    for token in [None, Some(""), Some(" ann"), Some("a\nb")] {
        let refused = testing::connect(&server, token, Format::Json).await.unwrap_err();
        let ConnectError::Rejected(reject) = refused else { panic!("{refused}") };
        assert_eq!(reject.close, CloseCode::BAD_CREDENTIALS, "{token:?}");
    }
}

#[tokio::test]
async fn only_members_listen_and_type() {
    let server = quiet_server();
    let ann = guest(&server, "ann", Format::Json).await;
    let typing = || Typing { room: "lobby".to_owned() };
    let keys = TypingEvent::Keys { who: "ann".to_owned() };
    let Err(SubscribeError::Refused(fault)) = ann.subscribe(room("lobby")).await else {
        panic!("a stranger listens")
    };
    assert_eq!(fault.code, FaultCode::Forbidden);
    assert!(ann.subscribe(typing()).await.is_err());
    assert!(ann.publish(typing(), &keys).await.is_err());
    assert!(ann.subscribe(Lobby).await.is_ok(), "the lobby is for everybody");

    join(&ann, "lobby").await;
    assert!(ann.subscribe(room("lobby")).await.is_ok());
    let mut typed = ann.subscribe(typing()).await.unwrap();
    assert_eq!(ann.publish(typing(), &keys).await, Ok(None));
    assert_eq!(typed.next().await, Some(Ok(keys)));
}

#[tokio::test]
async fn what_happens_after_the_answer_to_a_join_is_heard() {
    let server = quiet_server();
    let ann = guest(&server, "ann", Format::Json).await;
    let bob = guest(&server, "bob", Format::MessagePack).await;
    let since = join(&ann, "lobby").await;
    join(&bob, "lobby").await;
    bob.call(post("lobby", "before you listened")).await.unwrap();
    let mut events = ann.subscribe_since(room("lobby"), Some(since)).await.unwrap();
    let entered = RoomEvent::Entered { who: "bob".to_owned() };
    assert_eq!(events.next().await, Some(Ok(entered)));
    let Some(Ok(RoomEvent::Said(said))) = events.next().await else { panic!("another event") };
    assert_eq!((said.by.as_str(), said.text.as_str()), ("bob", "before you listened"));
}

#[tokio::test]
async fn the_lobby_tells_of_rooms_and_heads() {
    let server = quiet_server();
    let ann = guest(&server, "ann", Format::Json).await;
    let mut news = ann.subscribe(Lobby).await.unwrap();
    join(&ann, "attic").await;
    ann.call(Leave { room: "attic".to_owned() }).await.unwrap();
    let attic = || "attic".to_owned();
    for expected in [
        LobbyEvent::RoomOpened { room: attic() },
        LobbyEvent::Members { room: attic(), count: 1 },
        LobbyEvent::Members { room: attic(), count: 0 },
    ] {
        assert_eq!(news.next().await, Some(Ok(expected)));
    }
    let rooms = ann.call(ListRooms {}).await.unwrap().rooms;
    let empty = |name: &str| RoomInfo { name: name.to_owned(), members: 0 };
    assert_eq!(rooms, [empty("attic"), empty("lobby")]);
}

#[tokio::test]
async fn history_streams_past_its_first_credit() {
    let server = quiet_server();
    let ann = guest(&server, "ann", Format::MessagePack).await;
    join(&ann, "lobby").await;
    for number in 0..100 {
        ann.call(post("lobby", &number.to_string())).await.unwrap();
    }
    let mut history = ann.stream(History { room: "lobby".to_owned(), limit: 90 });
    for number in 10..100 {
        assert_eq!(history.next().await.unwrap().unwrap().text, number.to_string());
    }
    assert!(history.next().await.is_none());
    assert_eq!(history.finish().await, Ok(HistoryEnd { older: 10 }));
}

#[tokio::test]
async fn typed_errors_reach_the_caller() {
    let server = quiet_server();
    for format in Format::ALL {
        let ann = guest(&server, "ann", format).await;
        let refused = ann.call(post("attic", "hi")).await;
        assert_eq!(refused, Err(CallError::Rejected(PostError::NotAMember)));
        let refused = ann.call(Join { room: " ".to_owned() }).await;
        assert_eq!(refused, Err(CallError::Rejected(JoinError::BadName)));
        let refused = ann.stream(History { room: "attic".to_owned(), limit: 1 }).finish().await;
        assert_eq!(refused, Err(CallError::Rejected(HistoryError::NotAMember)));
    }
}

#[tokio::test]
async fn a_person_leaves_with_their_last_connection() {
    let server = server(ServerConfig::default(), Duration::ZERO).unwrap();
    let ann = guest(&server, "ann", Format::Json).await;
    let since = join(&ann, "lobby").await;
    let mut events = ann.subscribe_since(room("lobby"), Some(since)).await.unwrap();
    let bob = guest(&server, "bob", Format::Json).await;
    join(&bob, "lobby").await;
    let entered = RoomEvent::Entered { who: "bob".to_owned() };
    assert_eq!(events.next().await, Some(Ok(entered)));
    bob.close().await;
    assert_eq!(events.next().await, Some(Ok(RoomEvent::Left { who: "bob".to_owned() })));
}
