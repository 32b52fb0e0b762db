//! What the derives make of a whole protocol.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{
    any::type_name,
    future::Future,
    pin::pin,
    sync::{Arc, Mutex},
    task,
};
use ws_proto::{
    AckMeaning, Address, AddressError, AddressField, Answer, Authenticate, Call, Caller, Channel,
    ChannelSet, Channels, ClientPublish, Credentials, DecodeError, Delivery, Dispatch,
    EncodedEvent, EventSet, Events, Fault, Format, Items, MessageId, Never, Payload, Protocol, Raw,
    RequestSet, Requests, Resend, UnknownEvent, delivery, retry,
    serve::{Cancelled, Link, PublishError, Publishing, ReplySlot},
    shape,
};

/// The test's chat.
#[derive(Protocol)]
#[protocol(
    name = "chat",
    version = 3,
    min_version = 1,
    requests = ChatRequest,
    channels = ChatChannel
)]
struct Chat;

/// A protocol that only has a name.
#[derive(Protocol)]
#[protocol(name = "empty", version = 2)]
struct Empty;

/// Everything a client may ask.
#[derive(Debug, Requests)]
#[requests(handler = ChatHandler, call = ChatCall)]
enum ChatRequest {
    /// Look a user up.
    #[rpc(reply = User, error = UserError, idempotent)]
    GetUser {
        #[ws(bounded)]
        id: u64,
    },
    /// Enter a room; needed before posting to it.
    #[rpc(reply = Joined, ack = handled, cancel)]
    Join {
        /// Which one.
        room: String,
        #[ws(redact)]
        password: String,
    },
    /// Post a message.
    #[rpc(reply = (), error = UserError, ordered, dedup, name = "say")]
    #[serde(rename_all = "camelCase")]
    Post {
        #[serde(default)]
        reply_to: Option<u32>,
        text: String,
        #[ws(text)]
        stamp: u64,
    },
    #[rpc(reply = Vec<String>, since = 2)]
    Search(Query),
    #[rpc(reply = u32, stream = String)]
    History { room: String },
    #[rpc(reply = Vec<String>)]
    ListRooms,
    #[rpc(reply = Vec<String>, since = 2, removed = 4)]
    #[deprecated(note = "use Search")]
    Find { text: String },
}

/// What can be subscribed to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Channels)]
enum ChatChannel {
    /// What happens in a room.
    #[channel(event = RoomEvent, delivery = at_least_once, history = 64)]
    Room { id: String, floor: i32, wing: Wing },
    #[channel(event = TypingEvent, delivery = best_effort, publish = client, since = 2)]
    Typing { room: String },
    #[channel(event = RoomEvent, delivery = at_least_once, name = "hall")]
    Lobby,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, AddressField)]
enum Wing {
    NorthEast,
    South,
}

#[derive(Debug, Clone, PartialEq, Events)]
enum RoomEvent {
    /// Somebody spoke.
    Said {
        #[ws(bounded)]
        by: u64,
        text: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tags: Vec<String>,
    },
    Entered(User),
    #[event(since = 3, name = "shut")]
    Closed,
    #[event(unknown)]
    Other(UnknownEvent),
}

#[derive(Debug, Clone, PartialEq, Events)]
enum TypingEvent {
    Keys { who: u32 },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
struct User {
    name: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Joined {
    members: u32,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Query {
    text: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
enum UserError {
    NotFound,
}

struct App;

impl Authenticate for App {
    type Principal = String;

    async fn authenticate(&self, _: &Credentials) -> Result<String, Fault> {
        Ok("ann".to_owned())
    }
}

impl ChatHandler for App {
    async fn get_user(&self, _: &Caller<'_, String>, req: GetUser) -> Result<User, UserError> {
        if req.id == 7 { Ok(User { name: "ann".to_owned() }) } else { Err(UserError::NotFound) }
    }

    async fn join(&self, caller: &Caller<'_, String>, req: Join) -> Result<Joined, Never> {
        let members = u32::try_from(req.room.len() + caller.principal().len()).unwrap_or(0);
        Ok(Joined { members })
    }

    async fn post(&self, _: &Caller<'_, String>, _: Post) -> Result<(), UserError> {
        Ok(())
    }

    async fn search(&self, _: &Caller<'_, String>, req: Query) -> Result<Vec<String>, Never> {
        Ok(vec![req.text])
    }

    async fn history(
        &self,
        _: &Caller<'_, String>,
        req: History,
        mut items: Items<String>,
    ) -> Result<u32, Never> {
        let is_sent = items.send(&req.room).await.is_ok();
        Ok(u32::from(is_sent))
    }

    async fn list_rooms(&self, _: &Caller<'_, String>, _: ListRooms) -> Result<Vec<String>, Never> {
        Ok(vec!["lobby".to_owned()])
    }

    #[expect(deprecated, reason = "old clients still ask it")]
    async fn find(&self, _: &Caller<'_, String>, req: Find) -> Result<Vec<String>, Never> {
        Ok(vec![req.text])
    }
}

/// A runtime that keeps what is sent.
struct Kept {
    format: Format,
    items: Mutex<Vec<Raw>>,
}

impl Link for Kept {
    fn format(&self) -> Format {
        self.format
    }
    fn version(&self) -> u32 {
        3
    }
    fn session(&self) -> &'static str {
        "session"
    }
    fn message(&self) -> MessageId {
        unreachable!("no test asks for it")
    }
    fn publish(&self, _: Address, _: EncodedEvent) -> Publishing {
        Publishing::ready(Err(PublishError::Stopped))
    }
    fn poll_cancelled(&self, _: &mut task::Context<'_>) -> task::Poll<()> {
        task::Poll::Pending
    }
    fn poll_item(&self, _: &mut task::Context<'_>) -> task::Poll<Result<(), Cancelled>> {
        task::Poll::Ready(Ok(()))
    }
    fn send_item(&self, item: Raw) {
        self.items.lock().unwrap().push(item);
    }
}

fn kept(format: Format) -> Arc<Kept> {
    Arc::new(Kept { format, items: Mutex::new(Vec::new()) })
}

fn dispatched(kept: &Arc<Kept>, request: ChatRequest) -> Answer {
    let link: Arc<dyn Link> = Arc::clone(kept) as _;
    let name = "ann".to_owned();
    let caller = Caller::new(&name, &link);
    let future = pin!(request.dispatch(&App, &caller));
    match future.poll(&mut task::Context::from_waker(task::Waker::noop())) {
        task::Poll::Ready(answer) => answer,
        task::Poll::Pending => panic!("a handler of this test never waits"),
    }
}

fn json(text: &'static str) -> Raw {
    Raw::new(Format::Json, text.as_bytes().into())
}

fn round_trip<T: Payload>(format: Format, value: &T) -> T {
    T::from_raw(&value.to_raw(format).unwrap()).unwrap()
}

fn schema(make: ws_proto::SchemaFn) -> serde_json::Value {
    let mut generator = schemars::SchemaGenerator::default();
    let schema = make(&mut generator);
    serde_json::json!({ "schema": schema, "defs": generator.definitions() })
}

#[test]
fn the_protocol_line_says_names_and_versions() {
    assert_eq!((Chat::NAME, Chat::VERSION, Chat::MIN_VERSION), ("chat", 3, 1));
    assert_eq!((Empty::NAME, Empty::VERSION, Empty::MIN_VERSION), ("empty", 2, 2));
    assert!(<Empty as Protocol>::Requests::SPECS.is_empty());
    assert!(<Empty as Protocol>::Channels::SPECS.is_empty());
}

#[test]
fn a_request_spec_says_what_its_attribute_says() {
    let kinds: Vec<_> = ChatRequest::SPECS.iter().map(|spec| spec.kind).collect();
    assert_eq!(kinds, ["get_user", "join", "say", "search", "history", "list_rooms", "find"]);
    let spec = |kind| ChatRequest::spec(kind).unwrap();
    assert_eq!((spec("say").ok, spec("say").err, spec("say").item), ("say.ok", "say.err", None));
    assert_eq!(spec("history").item, Some("history.item"));
    assert!(spec("history").item_schema.is_some());
    assert_eq!(spec("get_user").resend, Resend::Idempotent);
    assert_eq!(spec("say").resend, Resend::Dedup);
    assert_eq!(spec("join").resend, Resend::Never);
    assert!(spec("say").ordered && !spec("join").ordered);
    assert!(spec("join").cancel && !spec("say").cancel);
    assert_eq!(spec("join").ack, AckMeaning::Handled);
    assert_eq!(spec("say").ack, AckMeaning::Received);
    assert_eq!((spec("find").since, spec("find").removed), (2, Some(4)));
    assert_eq!((spec("join").since, spec("join").removed), (1, None));
    assert_eq!(spec("find").deprecated, Some("use Search"));
    assert_eq!(spec("join").doc, "Enter a room; needed before posting to it.");
}

#[test]
fn the_types_of_a_call_follow_from_its_payload() {
    fn reply<R>() -> (&'static str, &'static str)
    where
        R: Call<ChatRequest>,
    {
        (type_name::<R::Retry>(), type_name::<R::Shape>())
    }
    assert_eq!(reply::<GetUser>(), (type_name::<retry::Yes>(), type_name::<shape::Once>()));
    assert_eq!(reply::<Post>().0, type_name::<retry::Yes>());
    assert_eq!(reply::<History>(), (type_name::<retry::No>(), type_name::<shape::Items>()));
    let _: <GetUser as Call<ChatRequest>>::Reply = User { name: String::new() };
    let _: <History as Call<ChatRequest>>::Item = String::new();
}

#[test]
fn a_request_is_decoded_by_its_kind() {
    let decoded = ChatRequest::decode("get_user", &json(r#"{"id":7}"#)).unwrap();
    assert!(matches!(decoded, ChatRequest::GetUser { id: 7 }));
    let decoded = ChatRequest::decode("search", &json(r#"{"text":"rust"}"#)).unwrap();
    assert!(matches!(decoded, ChatRequest::Search(Query { text }) if text == "rust"));
    let decoded = ChatRequest::decode("list_rooms", &json("{}")).unwrap();
    assert!(matches!(decoded, ChatRequest::ListRooms));
    let decoded = ChatRequest::decode("say", &json(r#"{"text":"hi","stamp":"18"}"#)).unwrap();
    assert!(matches!(decoded, ChatRequest::Post { reply_to: None, stamp: 18, .. }));
    let unknown = ChatRequest::decode("post", &json("{}")).unwrap_err();
    assert_eq!(unknown, DecodeError::UnknownKind("post".to_owned()));
    assert!(ChatRequest::decode("join", &json(r#"{"room":1}"#)).is_err());
}

#[test]
fn a_payload_comes_back_in_every_format() {
    for format in Format::ALL {
        let post = Post { reply_to: Some(3), text: "hi".to_owned(), stamp: u64::MAX };
        let back = round_trip(format, &post);
        assert_eq!((back.reply_to, back.stamp), (Some(3), u64::MAX), "{format}");
        assert_eq!(round_trip(format, &GetUser { id: 7 }).id, 7, "{format}");
        let _: ListRooms = round_trip(format, &ListRooms {});
    }
    let post = Post { reply_to: Some(3), text: "hi".to_owned(), stamp: u64::MAX };
    let raw = Raw::encode(Format::Json, &post).unwrap();
    let expected = r#"{"replyTo":3,"text":"hi","stamp":"18446744073709551615"}"#;
    assert_eq!(raw.bytes().as_ref(), expected.as_bytes());
    assert!(Raw::encode(Format::Json, &GetUser { id: u64::MAX }).is_err());
}

#[test]
fn a_redacted_field_is_not_shown() {
    let join = Join { room: "lobby".to_owned(), password: "hunter2".to_owned() };
    assert_eq!(format!("{join:?}"), r#"Join { room: "lobby", password: <redacted> }"#);
    let slot = ReplySlot::new(kept(Format::Json), Box::new(|_| {}));
    let call = ChatRequest::from(join).with_reply(slot);
    let shown = format!("{call:?}");
    assert_eq!(shown, r#"Join(Join { room: "lobby", password: <redacted> }, ..)"#);
    assert_eq!(ChatRequest::REDACTED, [("join", "password")], "and whoever shows payloads knows");
}

#[test]
fn a_request_reaches_its_handler_and_the_answer_is_encoded() {
    for format in Format::ALL {
        let kept = kept(format);
        let answer = dispatched(&kept, GetUser { id: 7 }.into());
        let user = User { name: "ann".to_owned() };
        assert_eq!(answer, Answer::Ok(Raw::encode(format, &user).unwrap()));
        let answer = dispatched(&kept, GetUser { id: 8 }.into());
        assert_eq!(answer, Answer::Err(Raw::encode(format, &UserError::NotFound).unwrap()));
        let answer = dispatched(&kept, ListRooms {}.into());
        assert_eq!(answer, Answer::Ok(Raw::encode(format, &["lobby"]).unwrap()));
        let answer = dispatched(&kept, Query { text: "rust".to_owned() }.into());
        assert_eq!(answer, Answer::Ok(Raw::encode(format, &["rust"]).unwrap()));
        let join = Join { room: "lobby".to_owned(), password: String::new() };
        let answer = dispatched(&kept, join.into());
        assert_eq!(answer, Answer::Ok(Raw::encode(format, &Joined { members: 8 }).unwrap()));
    }
}

#[test]
fn a_streaming_handler_sends_items_before_it_answers() {
    let kept = kept(Format::Json);
    let answer = dispatched(&kept, History { room: "lobby".to_owned() }.into());
    assert_eq!(answer, Answer::Ok(json("1")));
    assert_eq!(*kept.items.lock().unwrap(), [json(r#""lobby""#)]);
}

#[test]
fn the_call_enum_answers_through_its_slot() {
    let answers = Arc::new(Mutex::new(Vec::new()));
    let slot = || {
        let answers = Arc::clone(&answers);
        let keep = move |answer| answers.lock().unwrap().push(answer);
        ReplySlot::new(kept(Format::Json), Box::new(keep))
    };
    let ChatCall::GetUser(req, reply) = ChatRequest::GetUser { id: 7 }.with_reply(slot()) else {
        panic!("another variant");
    };
    assert_eq!(req.id, 7);
    reply.err(UserError::NotFound);
    let request = ChatRequest::History { room: "lobby".to_owned() };
    let ChatCall::History(_, _items, reply) = request.with_reply(slot()) else {
        panic!("another variant");
    };
    reply.ok(5);
    drop(ChatRequest::ListRooms.with_reply(slot()));
    let answers = answers.lock().unwrap();
    assert_eq!(answers[..2], [Answer::Err(json(r#""NotFound""#)), Answer::Ok(json("5"))]);
    assert!(matches!(&answers[2..], [Answer::Fault(_)]), "an unanswered request is a fault");
}

#[test]
fn a_channel_is_its_address() {
    let channel = ChatChannel::Room { id: "a/b".to_owned(), floor: -1, wing: Wing::NorthEast };
    let address = channel.address().unwrap();
    assert_eq!(address.as_str(), "room/a%2Fb/-1/north_east");
    assert_eq!(ChatChannel::parse(&address).unwrap(), channel);
    assert_eq!(ChatChannel::Lobby.address().unwrap().as_str(), "hall");
    let parse = |text: &'static str| ChatChannel::parse(&Address::parse(text).unwrap());
    assert_eq!(parse("hall"), Ok(ChatChannel::Lobby));
    assert_eq!(parse("hall/x"), Err(AddressError::WrongFields));
    assert_eq!(parse("lobby"), Err(AddressError::UnknownKind));
    assert_eq!(parse("room/a/1"), Err(AddressError::WrongFields));
    assert_eq!(parse("room/a/1/west"), Err(AddressError::WrongFields));
    assert_eq!(parse("room/a/01/south"), Err(AddressError::NotCanonical));
    let south = Room { id: "a".to_owned(), floor: 1, wing: Wing::South };
    assert_eq!(parse("room/a/1/south"), Ok(south.into()));
}

#[test]
fn a_channel_spec_says_what_its_attribute_says() {
    let [room, typing, hall] = ChatChannel::SPECS else { panic!("three channels") };
    assert_eq!((room.kind, room.history), ("room", 64));
    assert_eq!(room.fields, ["id", "floor", "wing"]);
    assert_eq!(room.doc, "What happens in a room.");
    assert_eq!(room.delivery, Delivery::AtLeastOnce);
    assert!(!room.client_publish);
    assert_eq!((typing.kind, typing.history, typing.since), ("typing", 0, 2));
    assert_eq!(typing.delivery, Delivery::BestEffort);
    assert!(typing.client_publish);
    assert_eq!((hall.kind, hall.history), ("hall", 256));
    assert_eq!(ChatChannel::Lobby.spec().kind, "hall");
    let kinds: Vec<_> = room.events.iter().map(|spec| (spec.kind, spec.since)).collect();
    assert_eq!(kinds, [("said", 1), ("entered", 1), ("shut", 3)]);
    assert_eq!(room.events[0].doc, "Somebody spoke.");
}

#[test]
fn the_types_of_a_channel_follow_from_its_struct() {
    fn publishes<C: ClientPublish<ChatChannel, Event = TypingEvent>>(_: C) -> &'static str {
        C::KIND
    }
    fn keeps<C: Channel<ChatChannel, Delivery = delivery::AtLeastOnce>>(_: C) -> &'static str {
        C::KIND
    }
    assert_eq!(publishes(Typing { room: String::new() }), "typing");
    assert_eq!(keeps(Lobby), "hall");
}

#[test]
fn an_event_comes_back_in_every_format() {
    let said = |tags: &[&str]| RoomEvent::Said {
        by: 7,
        text: "hi".to_owned(),
        tags: tags.iter().map(|&tag| tag.into()).collect(),
    };
    let entered = RoomEvent::Entered(User { name: "ann".to_owned() });
    for format in Format::ALL {
        for event in [said(&["a"]), said(&[]), entered.clone(), RoomEvent::Closed] {
            let raw = event.encode(format).unwrap();
            assert_eq!(RoomEvent::decode(event.kind(), &raw).unwrap(), event, "{format}");
        }
    }
    let raw = said(&[]).encode(Format::Json).unwrap();
    assert_eq!(raw.bytes().as_ref(), br#"{"by":7,"text":"hi"}"#);
    let raw = RoomEvent::Closed.encode(Format::Json).unwrap();
    assert_eq!(raw.bytes().as_ref(), b"{}");
    assert_eq!(RoomEvent::Closed.kind(), "shut");
}

#[test]
fn an_unknown_event_is_a_value_only_where_a_variant_takes_it() {
    let raw = json(r#"{"x":1}"#);
    let event = RoomEvent::decode("pinned", &raw).unwrap();
    let unknown = UnknownEvent { kind: "pinned".to_owned(), payload: raw.clone() };
    assert_eq!(event, RoomEvent::Other(unknown));
    assert_eq!(event.kind(), "pinned");
    assert_eq!(event.encode(Format::Json).unwrap(), raw);
    let other = event.encode(Format::MessagePack).unwrap();
    assert_eq!(other, raw.transcode(Format::MessagePack).unwrap());
    let refused = TypingEvent::decode("pinned", &raw).unwrap_err();
    assert_eq!(refused, DecodeError::UnknownKind("pinned".to_owned()));
}

#[test]
fn a_published_event_is_what_its_type_says() {
    let typing = ChatChannel::Typing { room: "lobby".to_owned() };
    let event = typing.check_event("keys", &json(r#"{"who":7,"more":true}"#)).unwrap();
    assert_eq!(&*event.kind, "typing.keys");
    assert_eq!(event.payload(Format::Json).bytes().as_ref(), br#"{"who":7}"#);
    assert!(typing.check_event("keys", &json(r#"{"who":"x"}"#)).is_err());
    let refused = ChatChannel::Lobby.check_event("pinned", &json("{}")).unwrap_err();
    assert_eq!(refused, DecodeError::UnknownKind("hall.pinned".to_owned()));
}

#[test]
fn schemas_have_docs_and_say_how_integers_travel() {
    let spec = |kind| ChatRequest::spec(kind).unwrap();
    let join = schema(spec("join").request);
    assert_eq!(
        join.pointer("/defs/Join/description").unwrap(),
        "Enter a room; needed before posting to it."
    );
    let user = schema(spec("get_user").request);
    let id = user.pointer("/defs/GetUser/properties/id/maximum").unwrap();
    assert_eq!(id, &serde_json::json!((1_u64 << 53) - 1));
    let post = schema(spec("say").request);
    assert_eq!(post.pointer("/defs/Post/properties/stamp/type").unwrap(), "string");
    let said = schema(RoomEvent::SPECS[0].payload);
    assert_eq!(said.pointer("/schema/$ref").unwrap(), "#/$defs/RoomEventSaid");
    assert_eq!(said.pointer("/defs/RoomEventSaid/description").unwrap(), "Somebody spoke.");
}
