//! What a server does for events of a client on many channels, most of which no cache has at hand.

use crate::{
    Outcome, Workload,
    server::{BURST, Counted, FanEvent, PREPARED, Peer, frame, server, text},
};
use std::collections::BTreeMap;
use tokio::{io::AsyncWriteExt as _, runtime::Builder};
use ws_proto::{EncodedEvent, Format, Frame, frame::Subscribe};
use ws_runtime::Server;

/// Bursts of events, each on another of so many channels, which the same number of connections
/// share.
pub(crate) const WORKLOADS: &[Workload] = &[
    ("json 32 events across 100 channels", |rounds| across(100, rounds)),
    ("json 32 events across 10000 channels", |rounds| across(10_000, rounds)),
];

const LISTENERS: usize = 100;
/// A step that meets every channel, in an order that no cache foresees.
const STEP: usize = 7919;

/// Each round, a client publishes a burst of events that go to one subscriber each.
fn across(channels: usize, rounds: u64) -> Outcome {
    let share = channels.div_ceil(LISTENERS);
    let addresses: Vec<_> = (0..channels).map(|number| format!("fan/c{number}")).collect();
    let addresses: Vec<&'static str> = addresses.into_iter().map(|it| &*it.leak()).collect();
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let server = server()?;
        let mut listeners = Vec::new();
        for own in addresses.chunks(share) {
            listeners.push(listener(&server, own).await?);
        }
        let mut publisher = Peer::connect(&server, Format::Json).await?;
        let burst = usize::try_from(BURST)?;
        let mut turn = (0..).map(|step: usize| step * STEP % channels);
        let mut bursts = Vec::new();
        for round in 0..rounds.max(PREPARED) {
            let chosen: Vec<_> = turn.by_ref().take(burst).collect();
            let addresses = chosen.iter().map(|channel| addresses[*channel]);
            let frames = published(&mut publisher, addresses, round * BURST)?;
            // What comes together is read together.
            let mut heard = BTreeMap::<usize, u64>::new();
            for channel in &chosen {
                *heard.entry(channel / share).or_default() += 1;
            }
            bursts.push((heard, frames));
        }
        for (heard, frames) in &bursts[..usize::try_from(rounds)?] {
            publisher.stream.write_all(frames).await?;
            publisher.hear("$ok", BURST).await?;
            for (listener, count) in heard {
                listeners[*listener].hear("fan.said", *count).await?;
            }
        }
        Ok(())
    })
}

async fn listener(server: &Server<Counted>, channels: &[&'static str]) -> Outcome<Peer> {
    let mut peer = Peer::connect(server, Format::Json).await?;
    for (seq, channel) in (1..).zip(channels) {
        let mut head = peer.head("$sub");
        (head.seq, head.ch, head.ack) = (Some(seq), Some((*channel).into()), Some(seq - 1));
        peer.say(head, Frame::Subscribe(Subscribe::default())).await?;
        peer.hear("$ok", 1).await?;
    }
    Ok(peer)
}

/// Events after the first `before` ones, whose answers they acknowledge.
fn published(
    peer: &mut Peer,
    channels: impl Iterator<Item = &'static str>,
    before: u64,
) -> Outcome<Vec<u8>> {
    let event = EncodedEvent::new("fan", &FanEvent::Said { text: text() })?;
    let mut frames = Vec::new();
    for (seq, channel) in (before + 1..).zip(channels) {
        let mut head = peer.head("");
        head.kind = event.kind.clone();
        (head.seq, head.ch) = (Some(seq), Some(channel.into()));
        head.ack = (before > 0).then_some(before);
        let payload = event.payload(peer.format).clone();
        frame(peer.format, head, Frame::Message(payload), &mut frames)?;
    }
    Ok(frames)
}
