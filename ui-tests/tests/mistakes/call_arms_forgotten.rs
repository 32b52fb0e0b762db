//! A loop over the call enum that forgets two requests.

use chat::{ChatRequestCall, Joined};

fn answer(call: ChatRequestCall) {
    match call {
        //~^ ERROR: `ChatRequestCall::Leave(_, _)` and `ChatRequestCall::History(_, _, _)`
        ChatRequestCall::Join(_, reply) => reply.ok(Joined { members: 1 }),
    }
}

fn main() {}
