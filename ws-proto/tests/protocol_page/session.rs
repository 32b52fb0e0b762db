//! The whole session of section 13 obeys the rules of section 6.

use crate::{
    examples::canonical,
    page::{blocks, table, unquoted},
};
use std::collections::BTreeSet;
use ws_proto::{Envelope, MessageId};

#[derive(Debug, Default)]
struct Side {
    sent: u64,
    acked: u64,
    ids: BTreeSet<MessageId>,
}

fn lines() -> Vec<(usize, bool, Envelope)> {
    let block = blocks("wire").concat();
    let frames = block.into_iter().filter(|(_, line)| !line.starts_with("--"));
    let frame = |(number, line): (usize, &str)| {
        let (side, frame) = line.split_once(": ").expect("`C: ` or `S: `");
        assert!(matches!(side, "C" | "S"), "docs/protocol.md:{number}");
        (number, side == "C", canonical(number, frame))
    };
    frames.map(frame).collect()
}

#[test]
fn each_side_counts_its_frames_from_one() {
    let unsequenced: Vec<_> = table(&["`type`", "from", "`seq`", "header", "payload"])
        .into_iter()
        .filter(|row| row[2] == "no")
        .map(|row| unquoted(row[0]))
        .collect();
    let (mut client, mut server) = (0, 0);
    for (number, from_client, Envelope { head, .. }) in lines() {
        let is_event = !from_client && head.ch.is_some() && !head.kind.starts_with('$');
        let counted = !is_event && !unsequenced.contains(&&*head.kind);
        let last = if from_client { &mut client } else { &mut server };
        *last += u64::from(counted);
        assert_eq!(head.seq, counted.then_some(*last), "docs/protocol.md:{number}");
    }
    assert!(client > 5 && server > 5);
}

#[test]
fn nothing_is_acknowledged_or_answered_before_it_was_sent() {
    let (mut client, mut server) = (Side::default(), Side::default());
    for (number, from_client, Envelope { head, .. }) in lines() {
        let place = format!("docs/protocol.md:{number}");
        let (own, other) =
            if from_client { (&mut client, &mut server) } else { (&mut server, &mut client) };
        assert!(own.ids.insert(head.id) && !other.ids.contains(&head.id), "{place}: id twice");
        if let Some(ack) = head.ack {
            assert!(other.acked < ack && ack <= other.sent, "{place}: ack {ack}");
            other.acked = ack;
        }
        own.sent = head.seq.unwrap_or(own.sent);
        if let Some(re) = head.re {
            let about = if head.kind == "$credit" { &own.ids } else { &other.ids };
            assert!(about.contains(&re), "{place}: re");
        }
    }
    assert_eq!((client.acked, server.acked), (client.sent, server.sent));
}

#[test]
fn positions_of_the_session_form_a_chain() {
    let mut at = 16;
    for (number, from_client, Envelope { head, .. }) in lines() {
        if let (false, Some(off), Some(prev)) = (from_client, head.off, head.prev) {
            assert_eq!(prev, at, "docs/protocol.md:{number}");
            at = off;
        }
    }
    assert_eq!(at, 18);
}
