//! Requests and answers on the wire: their places, their credit, their deadlines.

use super::Tap;
use crate::{
    contract::{REQUESTS, SAVE, number},
    net::End,
    oracle::{Checked, broken, failure, hold},
};
use std::time::Duration;
use ws_proto::{Envelope, Frame};
use ws_runtime::session::Time;

impl Tap {
    /// The peer's frame at this place is taken.
    pub(super) fn note_taken(&mut self, Envelope { head, frame }: &Envelope, seq: u64, now: Time) {
        let re = head.re.unwrap_or(head.id);
        if self.terms.end == End::Client {
            // The applications here give credit for one item, and for one more with each.
            if head.kind.ends_with(".item") {
                *self.credit.entry(re).or_insert(1) += 1;
            }
            if let Frame::Credit(credit) = frame {
                *self.parts.entry(re).or_default() += u64::from(credit.n);
            }
            return;
        }
        let overdue = head.ttl.map(|ttl| now + Duration::from_millis(ttl));
        self.overdue.extend(overdue.map(|due| (head.id, due)));
        match frame {
            Frame::Cancel => self.cancelled.push(re),
            Frame::Credit(credit) => {
                *self.credit.entry(re).or_default() += u64::from(credit.n);
            }
            Frame::Message(_) if head.kind == REQUESTS[SAVE].kind => {
                self.saves.insert(head.id, seq);
            }
            Frame::Message(_) if head.kind.ends_with(".part") => {
                let left = self.parts.entry(re).or_default();
                *left = left.saturating_sub(1);
            }
            Frame::Subscribe(_) | Frame::Unsubscribe => self.channels.asked(head, frame),
            _ => {}
        }
    }

    /// A message of the client that leaves for the first time.
    pub(super) fn judge_wish(&mut self, Envelope { head, frame }: &Envelope, now: Time) -> Checked {
        match frame {
            Frame::Cancel => {
                self.given_up.retain(|id| Some(*id) != head.re);
                Ok(())
            }
            Frame::Credit(credit) => {
                let left = self.credit.entry(head.re.unwrap_or(head.id)).or_insert(1);
                let Some(rest) = left.checked_sub(u64::from(credit.n)) else {
                    return broken("I9", format!("gives {credit:?} of {left}"));
                };
                *left = rest;
                Ok(())
            }
            Frame::Message(_) | Frame::End if head.re.is_some() => {
                let re = head.re.unwrap_or(head.id);
                let is_over = self.ended.contains(&re);
                hold("I21", !is_over, || format!("{} behind the end", head.kind))?;
                if *frame == Frame::End {
                    self.ended.insert(re);
                    return Ok(());
                }
                let left = self.parts.get_mut(&re).filter(|left| **left > 0);
                let Some(left) = left else {
                    return broken("I21", "a part without credit".to_owned());
                };
                *left -= 1;
                Ok(())
            }
            Frame::Message(payload) => {
                let job = number(payload);
                self.left.insert(job, head.id);
                let deadline = self.deadlines.get(&job).copied().flatten();
                let ttl = deadline.map(|at| u64::try_from((at - now).as_millis()).unwrap_or(0));
                hold("I5", head.ttl == ttl, || format!("job {job}: {:?} of {ttl:?}", head.ttl))?;
                hold("I5", ttl != Some(0), || format!("job {job} leaves too late"))
            }
            _ => Ok(()),
        }
    }

    /// A message of the server that leaves for the first time.
    pub(super) fn judge_answer(
        &mut self,
        Envelope { head, frame }: &Envelope,
        now: Time,
    ) -> Checked {
        self.channels.answered(head, frame);
        let Some(re) = head.re else { return Ok(()) };
        let is_over = self.answered.contains(&re);
        hold("I5", !is_over, || format!("{} after the answer", head.kind))?;
        if let Frame::Credit(credit) = frame {
            let given = self.parts.entry(re).or_default();
            *given += u64::from(credit.n);
            let (given, window) = (*given, u64::from(self.terms.upload_window));
            return hold("I21", given <= window, || format!("asks for {given} parts of {window}"));
        }
        if head.kind.ends_with(".item") {
            let credit = self.credit.entry(re).or_default();
            let Some(rest) = credit.checked_sub(1) else {
                return Err(failure("I9", "an item without credit".to_owned()));
            };
            *credit = rest;
            return Ok(());
        }
        self.is_handled(re, false, now);
        self.promised.remove(&re);
        self.answered.insert(re);
        Ok(())
    }

    /// Whether a frame belongs to the session stream of this side (the table of section 6).
    pub(super) fn has_place(&self, Envelope { head, frame }: &Envelope) -> bool {
        match frame {
            Frame::Message(_) => {
                self.terms.end == End::Client || head.re.is_some() || head.ch.is_none()
            }
            Frame::Cancel
            | Frame::Credit(_)
            | Frame::End
            | Frame::Subscribe(_)
            | Frame::Unsubscribe
            | Frame::Done(_)
            | Frame::Fault(_)
            | Frame::Unsubscribed(_) => true,
            _ => false,
        }
    }
}
