//! An application that is asked for other credentials, and brings them in time, late or never.

use super::Client;
use crate::{base::Base, oracle::Checked};
use ws_proto::Secret;
use ws_runtime::session::Command;

impl Client {
    /// The session asks for others.
    pub(super) fn is_asked_who(&mut self, base: &mut Base) {
        self.tap.is_asked_who();
        let is_prompt = !base.chance(4);
        if !is_prompt && let Some(link) = self.link {
            base.net.blame(link);
        }
        self.auth_at = match is_prompt {
            true => Some(base.within(100)),
            false if base.rng.bool() => Some(base.within(6_000)),
            false => None,
        };
    }

    /// Brings them when it is time.
    pub(super) fn show_who(&mut self, base: &Base) -> Checked {
        let is_open = self.session.version().is_some();
        if self.auth_at.is_some_and(|at| at <= base.now) && is_open {
            self.auth_at = None;
            self.tap.brings(base.now)?;
            self.tell(Command::Auth(Secret::new("token")), base)?;
        }
        Ok(())
    }
}
