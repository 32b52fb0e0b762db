//! Encoding and decoding, beside what serde alone costs.

use crate::{
    book::{Plan, Table, Verdict},
    meter::Meter,
    servers::Outcome,
    voice::TEXT,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::{hint::black_box, time::Instant};
use ws_proto::{Envelope, Format, Frame, Head, IdSource, Raw};

/// What is compared takes turns so often: the speed of a core changes from moment to moment.
const SLICES: u64 = 101;
const COLUMNS: [&str; 4] = ["decode ns", "serde decode ns", "encode ns", "serde encode ns"];

/// What is carried: as small as a request, and as large as a page of history.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Page {
    items: Vec<Item>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Item {
    by: u64,
    text: String,
    is_read: bool,
}

/// Measures both formats with three sizes of payload.
pub(crate) async fn table(plan: Plan) -> Table {
    let how = "One message with a header of type, id, ts, seq and ack, and a payload of 1, 10 or \
               100 items, decoded into its type and encoded from it, beside what serde needs for \
               the payload alone. No server: nanoseconds of one core.";
    let mut table = Table::new("codec", how, &COLUMNS, 0);
    let cells = [
        ("JSON, 1 item", (Format::Json, 1)),
        ("JSON, 10 items", (Format::Json, 10)),
        ("JSON, 100 items", (Format::Json, 100)),
        ("MessagePack, 1 item", (Format::MessagePack, 1)),
        ("MessagePack, 10 items", (Format::MessagePack, 10)),
        ("MessagePack, 100 items", (Format::MessagePack, 100)),
    ];
    table.measure(plan.rounds, &cells, async |(format, items)| run(format, items, plan.ms)).await;
    table
}

/// The header may cost 25 ns in JSON and 12 in MessagePack, when it is read.
pub(crate) fn verdicts(table: &Table) -> Vec<Verdict> {
    let cells = [("JSON, 1 item", 25.0), ("MessagePack, 1 item", 12.0)];
    let verdict = |(row, allowed): (&str, f64)| {
        let (own, bare) = table.median(row, 0).zip(table.median(row, 1))?;
        let what = format!("codec: {row}, decode against serde and {allowed} ns");
        Some(Verdict { what, value: own / (bare + allowed), target: 1.2, is_floor: false })
    };
    cells.into_iter().filter_map(verdict).collect()
}

fn run(format: Format, items: usize, ms: u64) -> Outcome<Vec<f64>> {
    let item = Item { by: 7, text: TEXT.to_owned(), is_read: true };
    let page = Page { items: vec![item; items] };
    let mut ids = IdSource::new(fastrand::u64(..));
    let mut head = Head::new("page.ok".into(), ids.next(1_760_000_000_000), 1_760_000_000_000);
    (head.seq, head.ack) = (Some(12_345), Some(12_344));
    let encode = |out: &mut Vec<u8>| -> Outcome {
        let frame = Frame::Message(Raw::encode(format, black_box(&page))?);
        Ok(Envelope { head: head.clone(), frame }.encode(format, out)?)
    };
    let mut message = Vec::new();
    encode(&mut message)?;
    let message = Bytes::from(message);
    let mut payload = Vec::new();
    bare_encode(format, &page, &mut payload)?;
    let mut out = Vec::new();
    // The number of rounds follows from the size: each cell takes about a quarter of the time.
    let rounds = (ms * 250 / (items as u64 + 1) / SLICES).max(1);
    let mut slices: [Vec<f64>; COLUMNS.len()] = Default::default();
    for _ in 0..SLICES {
        slices[0].push(time(rounds, || {
            let Frame::Message(raw) = Envelope::decode(format, black_box(&message))?.frame else {
                return Err("a control frame".into());
            };
            black_box(raw.decode::<Page>()?);
            Ok(())
        })?);
        slices[1].push(time(rounds, || {
            black_box(bare_decode(format, black_box(&payload))?);
            Ok(())
        })?);
        slices[2].push(time(rounds, || {
            out.clear();
            encode(&mut out)
        })?);
        slices[3].push(time(rounds, || {
            payload.clear();
            bare_encode(format, black_box(&page), &mut payload)
        })?);
    }
    Ok(slices.iter().map(|times| Meter::quantile(times, 0.5)).collect())
}

fn bare_encode(format: Format, page: &Page, out: &mut Vec<u8>) -> Outcome {
    match format {
        Format::Json => serde_json::to_writer(out, page)?,
        Format::MessagePack => rmp_serde::encode::write_named(out, page)?,
    }
    Ok(())
}

fn bare_decode(format: Format, bytes: &[u8]) -> Outcome<Page> {
    Ok(match format {
        Format::Json => serde_json::from_slice(bytes)?,
        Format::MessagePack => rmp_serde::from_slice(bytes)?,
    })
}

/// Nanoseconds of one round.
fn time(rounds: u64, mut round: impl FnMut() -> Outcome) -> Outcome<f64> {
    let start = Instant::now();
    for _ in 0..rounds {
        round()?;
    }
    Ok(start.elapsed().as_secs_f64() * 1e9 / rounds as f64)
}
