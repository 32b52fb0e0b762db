//! What a driver need not ask a session again.

use super::{Act, Pair, acts};
use proptest::prelude::*;

/// Anything, and many deliveries among it.
pub(crate) fn delivering_acts() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => acts(),
        3 => (1..4_usize).prop_map(Act::Deliver),
        3 => (1..4_usize).prop_map(|down| Act::Carry(0, down)),
    ]
}

impl Pair {
    /// The client listens to the room.
    pub(crate) fn listen(&mut self) {
        self.act(&Act::Subscribe(0));
        self.settle();
        self.act(&Act::Decide(0, true));
        self.settle();
    }

    /// Something happens after a rest of both sides: who says that nothing but deliveries came or
    /// left has the deadline that it had.
    pub(crate) fn act_after_rest(&mut self, act: &Act) {
        let before = [&mut self.client, &mut self.server].map(|session| {
            session.rest();
            session.poll_timeout()
        });
        self.act(act);
        for (session, before) in [&self.client, &self.server].into_iter().zip(before) {
            if !session.is_stirred() {
                assert_eq!(session.poll_timeout(), before, "after {act:?}");
            }
        }
    }
}
