//! A server that asks, and a client that answers: by methods, and by a loop.
//~ COMPILES

use chat::{Chat, ChatCallbackCall, ChatCallbackHandler, Confirm, JoinError, Locate};
use ws_proto::{Caller, Never, Serve};
use ws_runtime::{CallError, Client, Server, server::ClientHandle};

struct Own;

impl Serve for Own {
    type Principal = ();
}

impl ChatCallbackHandler for Own {
    async fn confirm(&self, _: &Caller<'_, ()>, req: Confirm) -> Result<bool, Never> {
        Ok(req.text.is_empty())
    }

    async fn locate(&self, _: &Caller<'_, ()>, _: Locate) -> Result<String, JoinError> {
        Err(JoinError::NoSuchRoom)
    }
}

async fn ask(
    server: &Server<Chat>,
    caller: &Caller<'_, String>,
) -> Result<bool, CallError<JoinError>> {
    let asker = ClientHandle::<Chat>::of(caller);
    for connection in server.connections() {
        if let Some(handle) = server.client(connection.id) {
            handle.call(Locate {}).retry(2).await?;
        }
    }
    Ok(asker.call(Confirm { text: "go on?".to_owned() }).await == Ok(true))
}

fn in_a_loop(call: ChatCallbackCall) {
    match call {
        ChatCallbackCall::Confirm(confirm, reply) => reply.ok(confirm.text.is_empty()),
        ChatCallbackCall::Locate(_, reply) => reply.err(JoinError::NoSuchRoom),
    }
}

fn main() {
    let _ = Client::<Chat>::builder("ws://localhost").serve(Own);
}
