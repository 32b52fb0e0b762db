//! What the derive makes of a request that takes an upload.

use std::{
    collections::VecDeque,
    future::Future,
    pin::pin,
    sync::{Arc, Mutex},
    task,
};
use ws_proto::{
    Address, Answer, Authenticate, Broken, Call, Caller, Credentials, Dispatch, EncodedEvent,
    Fault, FaultCode, Format, MessageId, Never, Parts, Protocol, Raw, RequestSet, Requests, schema,
    serve::{Cancelled, Link, PublishError, Publishing, ReplySlot},
};

#[derive(Protocol)]
#[protocol(name = "store", version = 1, requests = StoreRequest)]
struct Store;

#[derive(Debug, Requests)]
enum StoreRequest {
    /// Takes lines in.
    #[rpc(reply = u32, upload = String)]
    Import { name: String },
    /// Says how many there are.
    #[rpc(reply = u32)]
    Count,
}

struct App;

impl Authenticate for App {
    type Principal = ();

    async fn authenticate(&self, _: &Credentials) -> Result<(), Fault> {
        Ok(())
    }
}

impl StoreRequestHandler for App {
    async fn import(
        &self,
        _: &Caller<'_, ()>,
        _: Import,
        mut parts: Parts<String>,
    ) -> Result<u32, Never> {
        let mut lines = 0;
        while let Some(line) = parts.next().await {
            match line {
                Ok(_) => lines += 1,
                Err(Broken::Invalid(_)) => lines += 100,
                Err(_) => lines += 1000,
            }
        }
        Ok(lines)
    }

    async fn count(&self, _: &Caller<'_, ()>, _: Count) -> Result<u32, Never> {
        Ok(0)
    }
}

/// A runtime with the parts that came.
#[derive(Default)]
struct Came {
    parts: Mutex<VecDeque<Result<Raw, Cancelled>>>,
    refused: Mutex<Option<Fault>>,
}

impl Link for Came {
    fn format(&self) -> Format {
        Format::Json
    }
    fn version(&self) -> u32 {
        1
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
        task::Poll::Pending
    }
    fn send_item(&self, _: Raw) {}
    fn poll_part(&self, _: &mut task::Context<'_>) -> task::Poll<Option<Result<Raw, Cancelled>>> {
        task::Poll::Ready(self.parts.lock().unwrap().pop_front())
    }
    fn refuse_part(&self, fault: Fault) {
        *self.refused.lock().unwrap() = Some(fault);
    }
}

fn came<const N: usize>(parts: [Result<&'static str, Cancelled>; N]) -> Arc<Came> {
    let raw = |text: &'static str| Raw::new(Format::Json, text.as_bytes().into());
    let parts = parts.into_iter().map(|part| part.map(raw)).collect();
    Arc::new(Came { parts: Mutex::new(parts), refused: Mutex::default() })
}

fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut task::Context::from_waker(task::Waker::noop())) {
        task::Poll::Ready(value) => value,
        task::Poll::Pending => panic!("nothing here waits"),
    }
}

fn imported(came: &Arc<Came>) -> Answer {
    let link: Arc<dyn Link> = Arc::clone(came) as _;
    let request = StoreRequest::from(Import { name: "a".to_owned() });
    ready(request.dispatch(&App, &Caller::new(&(), &link)))
}

fn number(n: u32) -> Answer {
    Answer::Ok(Raw::encode(Format::Json, &n).unwrap())
}

#[test]
fn a_handler_reads_the_parts_up_to_the_last() {
    assert_eq!(imported(&came([Ok("\"a\""), Ok("\"b\"")])), number(2));
}

#[test]
fn a_part_of_another_type_is_said_once_and_refused_as_the_fault_of_the_caller() {
    let came = came([Ok("\"a\""), Ok("7"), Ok("\"b\"")]);
    assert_eq!(imported(&came), number(101));
    let refused = came.refused.lock().unwrap().clone().expect("it was refused");
    assert_eq!(refused.code, FaultCode::Invalid);
}

#[test]
fn an_upload_that_is_cancelled_is_said_once() {
    assert_eq!(imported(&came([Ok("\"a\""), Err(Cancelled), Ok("\"b\"")])), number(1001));
}

#[test]
fn the_call_enum_carries_the_parts() {
    let slot = ReplySlot::new(came([Ok("\"a\"")]), Box::new(|_| {}));
    let request = StoreRequest::Import { name: "a".to_owned() };
    let StoreRequestCall::Import(_, mut parts, reply) = request.with_reply(slot) else {
        panic!("another variant");
    };
    assert_eq!(ready(parts.next()), Some(Ok("a".to_owned())));
    assert_eq!(ready(parts.next()), None);
    reply.ok(1);
}

#[test]
fn the_tables_name_the_parts() {
    let import = <Import as Call<StoreRequest>>::SPEC;
    assert_eq!((import.part, import.item), (Some("import.part"), None));
    assert!(import.part_schema.is_some());
    assert_eq!(<Count as Call<StoreRequest>>::SPEC.part, None);
}

#[test]
fn the_document_has_the_parts_among_the_messages_of_the_client() {
    let document = schema::document::<Store>().unwrap();
    let upload = &document["x-ws-protocol"]["requests"]["import"]["upload"];
    assert_eq!(upload, "ImportPartPayload", "{document:#}");
    let client = document["$defs"]["ClientMessage"].to_string();
    let server = document["$defs"]["ServerMessage"].to_string();
    assert!(client.contains("ImportPart") && !server.contains("ImportPart"), "{client}");
}
