//! Uploads: parts that follow a request, as the server asks for them.

use super::Client;
use crate::{
    base::Base,
    contract::numbered,
    oracle::{Broken, Checked, broken},
};
use ws_runtime::session::{CallId, Command};

/// An upload under way.
#[derive(Debug)]
pub(super) struct Sending {
    parts: u64,
    sent: u64,
    granted: u64,
}

/// How many parts the upload of a job has.
pub(crate) fn parts_of(job: u64) -> u64 {
    job % 6
}

impl Client {
    /// A request whose parts follow.
    pub(super) fn uploads(&mut self, call: CallId, job: u64) {
        self.sending.insert(call, Sending { parts: parts_of(job), sent: 0, granted: 0 });
    }

    /// The server takes more parts.
    pub(super) fn granted(&mut self, call: CallId, n: u32) -> Checked {
        let Some(sending) = self.sending.get_mut(&call) else {
            // The application gave the call up, and its session does not know yet.
            let is_given_up = self.calls.get(&call).is_some_and(|asked| asked.cancelled);
            return if is_given_up { Ok(()) } else { broken("I21", format!("credit of {call:?}")) };
        };
        sending.granted += u64::from(n);
        Ok(())
    }

    /// Sends what may be sent, or some of it. True when anything was.
    pub(super) fn send_parts(&mut self, base: &mut Base) -> Result<bool, Broken> {
        let mut any = false;
        let calls: Vec<_> = self.sending.keys().copied().collect();
        for call in calls {
            while self.session.has_room()
                && (base.healed || base.rng.u32(..3) > 0)
                && let Some(command) = self.next_part(call)
            {
                any = true;
                self.tell(command, base)?;
            }
        }
        Ok(any)
    }

    fn next_part(&mut self, call: CallId) -> Option<Command> {
        let sending = self.sending.get_mut(&call)?;
        if sending.sent == sending.parts {
            self.sending.remove(&call);
            return Some(Command::End(call));
        }
        let part = sending.sent;
        if part == sending.granted {
            return None;
        }
        sending.sent += 1;
        Some(Command::Part(call, numbered(self.format, part)))
    }
}
