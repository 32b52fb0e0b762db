//! A loop answers one request with what belongs to another.

use chat::ChatRequestCall;

fn answer(call: ChatRequestCall) {
    match call {
        ChatRequestCall::Join(_, reply) => reply.ok("welcome".to_owned()),
        //~^ ERROR: expected `Joined`, found `String`
        ChatRequestCall::Leave(_, reply) => reply.ok(()),
        ChatRequestCall::History(_, _, reply) => reply.ok(0),
    }
}

fn main() {}
