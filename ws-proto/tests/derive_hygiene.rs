//! The derives beside names that could meet their own.

use ws_proto::{
    AddressField, Call, Caller, ChannelSet, Channels, Credentials, EventSet, Events, Fault, Format,
    Items, Protocol, Raw, RequestSet, Requests,
};

/// Names that generated code could take for its own, keywords, and traps for its locals.
mod nasty {
    #![deny(warnings, missing_docs, unreachable_pub, unused_qualifications, dead_code)]

    /// A protocol.
    #[derive(::ws_proto::Protocol)]
    #[protocol(name = "nasty", version = 1, requests = Ask, channels = Place)]
    pub(crate) struct Nasty;

    /// Requests.
    #[derive(::ws_proto::Requests)]
    pub(crate) enum Ask {
        /// A keyword as a method.
        #[rpc(reply = ())]
        Box,
        /// A keyword as a method.
        #[rpc(reply = ())]
        Type {
            /// A keyword as a field.
            r#type: u8,
            /// The name of a parameter.
            req: u8,
            /// The name of a parameter.
            app: u8,
            /// The name of a parameter.
            caller: u8,
            /// The name of a parameter.
            items: u8,
            /// The name of a parameter.
            f: u8,
            /// The name of a parameter.
            kind: u8,
            /// The name of a parameter.
            raw: u8,
            /// The name of a parameter.
            payload: u8,
            /// The name of a parameter.
            serializer: u8,
        },
        /// A keyword as a method.
        #[rpc(reply = ())]
        Move,
        /// A keyword that cannot be written raw.
        #[rpc(reply = ())]
        Super,
        /// The name of a trait.
        #[rpc(reply = ())]
        Send,
        /// The name of a trait.
        #[rpc(reply = (), stream = u8)]
        Future {
            /// Something.
            output: u8,
        },
        /// The name of a type of the prelude.
        #[rpc(reply = ())]
        Option {
            /// Something.
            some: u8,
        },
        /// The name of a type of the prelude.
        #[rpc(reply = (), error = ())]
        Result {
            /// Something.
            ok: u8,
        },
        /// The name of a trait.
        #[rpc(reply = ())]
        Debug,
        /// The name of a trait.
        #[rpc(reply = ())]
        Clone {
            /// Something.
            clone: u8,
        },
        /// The name of a trait.
        #[rpc(reply = ())]
        Serialize {
            /// Something.
            serialize: u8,
        },
        /// The name of a trait.
        #[rpc(reply = ())]
        Deserialize,
        /// The name of a trait.
        #[rpc(reply = ())]
        JsonSchema,
        /// The name of a trait that the handler trait has.
        #[rpc(reply = ())]
        Authenticate,
        /// The name of a type.
        #[rpc(reply = ())]
        String {
            /// Something.
            string: ::std::string::String,
        },
        /// The name of a variant.
        #[rpc(reply = ())]
        Some,
        /// One letter.
        #[rpc(reply = ())]
        A,
        /// One letter.
        #[rpc(reply = ())]
        T {
            /// Something.
            t: u8,
        },
        /// A field without a doc of its own payload.
        #[rpc(reply = ())]
        #[deprecated]
        Old {
            /// Something.
            old: u8,
        },
    }

    /// Channels.
    #[derive(Debug, Clone, PartialEq, Eq, Hash, ::ws_proto::Channels)]
    pub(crate) enum Place {
        /// The name of a type of the prelude.
        #[channel(event = What, delivery = at_least_once)]
        Vec {
            /// A keyword as a field.
            r#type: u8,
            /// The name of a local.
            reader: u8,
            /// The name of a local.
            address: u8,
            /// The name of a local.
            state: bool,
        },
        /// The name of a type of the prelude.
        #[channel(event = What, delivery = best_effort, publish = client)]
        Ok,
    }

    /// Events.
    #[derive(Debug, Clone, PartialEq, ::ws_proto::Events)]
    pub(crate) enum What {
        /// The name of a type of the prelude, with nasty fields.
        Option {
            /// A keyword as a field.
            r#type: u8,
            /// The name of a local.
            event: u32,
            /// The enum itself.
            this: ::std::vec::Vec<Inner>,
        },
        /// The name of a type of the prelude.
        Err,
        /// No payload of its own.
        Unit,
        /// Two events may carry one type.
        One(Inner),
        /// Two events may carry one type.
        Two(Inner),
    }

    /// A type with the name of a generated marker's user.
    pub(crate) type Inner = ::std::string::String;
}

/// Everything is reached through another path.
mod renamed {
    mod far {
        pub(crate) use ws_proto as near;
    }

    #[derive(ws_proto::Protocol)]
    #[ws(crate = far::near)]
    #[protocol(name = "renamed", version = 1, requests = Ask, channels = Place)]
    pub(crate) struct Renamed;

    #[derive(ws_proto::Requests)]
    #[ws(crate = far::near)]
    #[requests(handler = Serve)]
    pub(crate) enum Ask {
        #[rpc(reply = ())]
        Ping {
            #[ws(bounded)]
            n: u64,
        },
    }

    #[derive(Debug, Clone, PartialEq, Eq, Hash, ws_proto::Channels)]
    #[ws(crate = far::near)]
    pub(crate) enum Place {
        #[channel(event = What, delivery = best_effort)]
        Here { side: Side },
    }

    #[derive(Debug, Clone, PartialEq, Eq, Hash, ws_proto::AddressField)]
    #[ws(crate = far::near)]
    pub(crate) enum Side {
        Left,
    }

    #[derive(Debug, Clone, ws_proto::Events)]
    #[ws(crate = far::near)]
    pub(crate) enum What {
        Pong {
            #[ws(text)]
            n: u64,
        },
    }
}

#[derive(Requests)]
enum NoneAsked {}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Channels)]
enum Nowhere {}

#[derive(Debug, Clone, Events)]
enum Nothing {}

#[derive(AddressField)]
enum NoSide {}

#[derive(Protocol)]
#[protocol(name = "nothing", version = 1, requests = NoneAsked, channels = Nowhere)]
struct Quiet;

struct App;

impl ws_proto::Authenticate for App {
    type Principal = ();

    async fn authenticate(&self, _: &Credentials) -> Result<(), Fault> {
        Ok(())
    }
}

impl NoneAskedHandler for App {}

impl renamed::Serve for App {
    async fn ping(&self, _: &Caller<'_, ()>, _: renamed::Ping) -> Result<(), ws_proto::Never> {
        Ok(())
    }
}

macro_rules! answer_with_nothing {
    ($($method:ident($payload:ident) $(, $items:ident)?;)+) => { $(
        async fn $method(
            &self,
            _: &Caller<'_, ()>,
            _: nasty::$payload,
            $($items: Items<u8>,)?
        ) -> Result<(), ws_proto::Never> {
            $(drop($items);)?
            Ok(())
        }
    )+ };
}

#[expect(deprecated, reason = "the old request is still served")]
impl nasty::AskHandler for App {
    answer_with_nothing! {
        r#box(Box); r#type(Type); r#move(Move); super_(Super); send(Send);
        future(Future), items;
        option(Option); debug(Debug); clone(Clone); serialize(Serialize);
        deserialize(Deserialize); json_schema(JsonSchema); authenticate(Authenticate);
        string(String); some(Some); a(A); t(T); old(Old);
    }

    async fn result(&self, _: &Caller<'_, ()>, _: nasty::Result) -> Result<(), ()> {
        Err(())
    }
}

fn serves<R: RequestSet + ws_proto::Dispatch<App>>() -> usize {
    R::SPECS.len()
}

#[test]
fn nasty_names_are_names_like_others() {
    assert_eq!(serves::<nasty::Ask>(), 19);
    assert_eq!(<nasty::Box as Call<nasty::Ask>>::SPEC.kind, "box");
    assert_eq!(<nasty::Super as Call<nasty::Ask>>::SPEC.kind, "super");
    assert_eq!(nasty::Ask::spec("old").unwrap().deprecated, Some(""));
    assert_eq!(nasty::Nasty::NAME, "nasty");
    let request = nasty::Option { some: 1 };
    assert_eq!(format!("{request:?}"), "Option { some: 1 }");
    let raw = Raw::encode(Format::Json, &request).unwrap();
    let decoded = nasty::Ask::decode("option", &raw).unwrap();
    assert!(matches!(decoded, nasty::Ask::Option { some: 1 }));
    let place = nasty::Place::Vec { r#type: 1, reader: 2, address: 3, state: true };
    let address = place.address().unwrap();
    assert_eq!(address.as_str(), "vec/1/2/3/true");
    assert_eq!(nasty::Place::parse(&address).unwrap(), place);
    assert_eq!(nasty::Place::SPECS[0].fields, ["type", "reader", "address", "state"]);
    let event = nasty::What::Option { r#type: 1, event: 2, this: vec!["x".to_owned()] };
    let raw = event.encode(Format::Json).unwrap();
    assert_eq!(raw.bytes().as_ref(), br#"{"type":1,"event":2,"this":["x"]}"#);
    assert_eq!(nasty::What::decode("option", &raw).unwrap(), event);
}

#[test]
fn another_path_to_the_crate_works() {
    assert_eq!(serves::<renamed::Ask>(), 1);
    assert_eq!(renamed::Renamed::VERSION, 1);
    let raw = Raw::encode(Format::Json, &renamed::Ping { n: 1 }).unwrap();
    assert!(renamed::Ask::decode("ping", &raw).is_ok());
    let here = renamed::Place::Here { side: renamed::Side::Left };
    assert_eq!(here.address().unwrap().as_str(), "here/left");
    let pong = renamed::What::Pong { n: 5 }.encode(Format::Json).unwrap();
    assert_eq!(pong.bytes().as_ref(), br#"{"n":"5"}"#);
}

#[test]
fn enums_without_variants_are_empty_protocols() {
    assert_eq!(serves::<NoneAsked>(), 0);
    assert_eq!(Quiet::NAME, "nothing");
    assert!(Nowhere::SPECS.is_empty());
    assert!(Nothing::decode("x", &Raw::null(Format::Json)).is_err());
    assert!(NoSide::read("x").is_none());
}
