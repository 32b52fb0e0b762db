//! What a faulty peer gets: one wrong frame, and the close code that section 15 names.

use crate::{
    base::Base,
    client::{Client, hello},
    contract::{GET, REQUESTS, numbered, spec_of},
    net::End,
    node::Floor,
    oracle::{Checked, hold},
    seat::Seat,
    tap::Tap,
};
use std::collections::BTreeMap;
use ws_proto::{CloseCode, Delivery, Envelope, Fault, Format, Frame, Head, IdSource, frame::Ack};

/// One wrong frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    AckAboveSent,
    ConsumedAboveSent,
    Hole,
    NoPlace,
    /// A `seq` that came before, on another request: it has to be ignored.
    Repetition,
    SecondHello,
    OtherSide,
}

const ALL: [Wrong; 7] = [
    Wrong::AckAboveSent,
    Wrong::ConsumedAboveSent,
    Wrong::Hole,
    Wrong::NoPlace,
    Wrong::Repetition,
    Wrong::SecondHello,
    Wrong::OtherSide,
];

/// Gives a client that is connected one wrong frame.
pub(crate) fn at_client(client: &mut Client, base: &mut Base) -> Checked {
    let wrong = ALL[base.rng.usize(..ALL.len())];
    let job = base.next_job();
    let Some(envelope) = frame(wrong, End::Client, &client.tap, client.format, job) else {
        return Ok(());
    };
    base.note(format_args!("client {} is given a wrong frame: {wrong:?}", client.no));
    client.tap.expects_blame(base.now);
    client.session.handle_frame(envelope, base.now);
    client.pump(base)?;
    judge(wrong, client.tap.blamed())
}

/// Gives the server of a connected client one wrong frame.
pub(crate) fn at_server(seat: &mut Seat, floor: &mut Floor, base: &mut Base) -> Checked {
    let wrong = ALL[base.rng.usize(..ALL.len())];
    let job = base.next_job();
    let envelope = match wrong {
        Wrong::ConsumedAboveSent => consumed(seat),
        wrong => frame(wrong, End::Server, &seat.tap, seat.format, job),
    };
    let Some(envelope) = envelope else { return Ok(()) };
    base.note(format_args!("{:?} is given a wrong frame: {wrong:?}", seat.id));
    seat.tap.expects_blame(base.now);
    seat.session.handle_frame(envelope, base.now);
    seat.pump(floor, base)?;
    judge(wrong, seat.tap.blamed())?;
    let started = base.oracle.was_started(job);
    hold("I3", !started, || format!("the wrong frame {wrong:?} started job {job}"))
}

fn judge(wrong: Wrong, blamed: Option<CloseCode>) -> Checked {
    let expected = match wrong {
        Wrong::AckAboveSent | Wrong::ConsumedAboveSent | Wrong::Hole => {
            Some(CloseCode::SEQUENCE_FAULT)
        }
        Wrong::NoPlace | Wrong::OtherSide => Some(CloseCode::MALFORMED),
        Wrong::SecondHello => Some(CloseCode::SECOND_HELLO),
        Wrong::Repetition => None,
    };
    hold("I15", blamed == expected, || format!("{wrong:?}: closed with {blamed:?}"))
}

/// The wrong frame, where this side can be given it.
fn frame(wrong: Wrong, to: End, tap: &Tap, format: Format, job: u64) -> Option<Envelope> {
    let (kind, mut frame) = match to {
        End::Client => ("$err", Frame::Fault(Fault::forbidden("nobody asked"))),
        End::Server => (REQUESTS[GET].kind, Frame::Message(numbered(format, job))),
    };
    let mut head = Head::new(kind.into(), IdSource::new(job).next(job), 0);
    head.re = (to == End::Client).then_some(head.id);
    match wrong {
        Wrong::AckAboveSent => {
            head = Head { kind: "$ack".into(), re: None, ack: Some(tap.top() + 1), ..head };
            frame = Frame::Ack(Ack { ch: BTreeMap::new() });
        }
        Wrong::Hole => head.seq = Some(tap.got() + 2),
        Wrong::NoPlace => {}
        Wrong::Repetition if tap.got() > 0 && to == End::Server => head.seq = Some(tap.got()),
        Wrong::SecondHello if to == End::Server => frame = Frame::Hello(Box::new(hello())),
        Wrong::OtherSide if to == End::Server => {
            head = Head { kind: "$live".into(), ch: Some("tick/a".into()), off: Some(1), ..head };
            frame = Frame::Live;
        }
        Wrong::OtherSide => frame = Frame::Unsubscribe,
        Wrong::ConsumedAboveSent | Wrong::Repetition | Wrong::SecondHello => return None,
    }
    Some(Envelope { head, frame })
}

/// An acknowledgement of a position that no log has.
fn consumed(seat: &Seat) -> Option<Envelope> {
    let has_log = |address: &ws_proto::Address| spec_of(address).delivery == Delivery::AtLeastOnce;
    let address = seat.session.subscriptions().into_iter().find(has_log)?;
    let head = Head::new("$ack".into(), IdSource::new(0).next(0), 0);
    let ch = BTreeMap::from([(address.to_string(), 1 << 40)]);
    Some(Envelope { head, frame: Frame::Ack(Ack { ch }) })
}
