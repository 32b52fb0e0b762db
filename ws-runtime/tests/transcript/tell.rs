//! Events of a session in short form.

use serde_json::Value;
use ws_conformance::transcript::Short;
use ws_proto::{Address, Position, Raw, frame::Gap};
use ws_runtime::session::{Event, Initiator, Outcome, Reply, Stop};

/// The short form of an event.
pub(crate) fn tell(event: &Event) -> Short {
    match event {
        Event::Hello(_, version) => Short::of(["hello"]).word(version.to_string()),
        Event::Welcome(welcome) => Short::of(["welcome"]).word(welcome.version.to_string()),
        Event::Rejected(reject) => Short::of(["rejected"]).word(reject.close.0.to_string()),
        Event::Auth(ticket, token) => {
            Short::of(["auth"]).word(ticket.0.to_string()).word(token.expose())
        }
        Event::AuthRequired => Short::of(["auth_required"]),
        Event::Renewed => Short::of(["renewed"]),
        Event::NotRenewed(fault) => Short::of(["not_renewed"]).word(fault.code.name()),
        Event::Closed(closed) => {
            let by = match closed.by {
                Initiator::Application => "application",
                Initiator::Session => "session",
                Initiator::Peer => "peer",
                Initiator::Network => "network",
            };
            let told = Short::of(["closed", by]).word(closed.code.0.to_string());
            match closed.retry_after {
                None => told,
                Some((low, high)) => {
                    told.word(format!("retry={}..{}ms", low.as_millis(), high.as_millis()))
                }
            }
        }
        Event::Answered(call, reply) => {
            reply_words(Short::of(["answered"]).word(call.0.to_string()), reply)
        }
        Event::Item(call, item) => Short::of(["item"]).word(call.0.to_string()).json(value(item)),
        Event::Request(request) => {
            let told = Short::of(["request"]).word(request.work.0.to_string());
            let told = told.word(&*request.kind).json(value(&request.payload));
            if request.credit == 0 { told } else { told.word(format!("credit={}", request.credit)) }
        }
        Event::Stop(work, stop) => {
            let why = match stop {
                Stop::Cancelled => "cancelled",
                Stop::Deadline => "deadline",
                Stop::NoRoom => "no_room",
            };
            Short::of(["stop"]).word(work.0.to_string()).word(why)
        }
        Event::Credit(work, n) => {
            Short::of(["credit"]).word(work.0.to_string()).word(n.to_string())
        }
        Event::Granted(call, n) => {
            Short::of(["granted"]).word(call.0.to_string()).word(n.to_string())
        }
        Event::Part(work, part) => Short::of(["part"]).word(work.0.to_string()).json(value(part)),
        Event::End(work) => Short::of(["end"]).word(work.0.to_string()),
        other => of_channels(other),
    }
}

fn of_channels(event: &Event) -> Short {
    match event {
        Event::Subscribe(ticket, address, since) => {
            let told = Short::of(["subscribe"]).word(ticket.0.to_string()).word(address.as_str());
            match since {
                None => told,
                Some(Position { epoch, off }) => told.word(format!("since={epoch}:{off}")),
            }
        }
        Event::Unsubscribe(address) => about("unsubscribe", address),
        Event::Publish(ticket, incoming) => Short::of(["publish"])
            .word(ticket.0.to_string())
            .word(incoming.address.as_str())
            .word(&*incoming.kind)
            .json(value(&incoming.payload)),
        Event::Consumed(address, off) => about("consumed", address).word(off.to_string()),
        Event::Subscribed(address, done) => {
            about("subscribed", address).json(json_of(serde_json::to_value(done)))
        }
        Event::Snapshot(address, state) => about("snapshot", address).json(value(state)),
        Event::NotSubscribed(address, fault) => {
            about("not_subscribed", address).word(fault.code.name())
        }
        Event::Delivered(delivered) => {
            let off = delivered.off.map_or_else(|| "-".to_owned(), |off| off.to_string());
            about("delivered", &delivered.address)
                .word(off)
                .word(&*delivered.kind)
                .json(value(&delivered.payload))
        }
        Event::Gap(address, gap) => gap_words(about("gap", address), gap),
        Event::Live(address, off) => about("live", address).word(off.to_string()),
        Event::Unsubscribed(address) => about("unsubscribed", address),
        Event::SubscriptionEnded(address, why) => about("ended", address).word(why.code.name()),
        other => Short::of([format!("{other:?}")]),
    }
}

fn reply_words(told: Short, reply: &Reply) -> Short {
    match reply {
        Reply::Ok(payload) => told.word("ok").json(value(payload)),
        Reply::Err(payload) => told.word("err").json(value(payload)),
        Reply::Published(done) => told.word("published").json(json_of(serde_json::to_value(done))),
        Reply::Fault(fault, outcome) => {
            told.word("fault").word(fault.code.name()).word(outcome_word(*outcome))
        }
        Reply::Timeout(outcome) => told.word("timeout").word(outcome_word(*outcome)),
        Reply::Lost(outcome) => told.word("lost").word(outcome_word(*outcome)),
        Reply::Unsupported { negotiated } => told.word("unsupported").word(negotiated.to_string()),
    }
}

fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::NotSent => "not_sent",
        Outcome::NotProcessed => "not_processed",
        Outcome::Unknown => "unknown",
        Outcome::Processed => "processed",
    }
}

fn gap_words(told: Short, gap: &Gap) -> Short {
    let Value::String(reason) = json_of(serde_json::to_value(gap.reason)) else { return told };
    let mut told = told.word(reason);
    if let Some(after) = gap.after {
        told = told.word(format!("after={after}"));
    }
    if let Some(until) = gap.until {
        told = told.word(format!("until={until}"));
    }
    if let Some(dropped) = gap.dropped {
        told = told.word(format!("dropped={dropped}"));
    }
    told
}

fn about(what: &str, address: &Address) -> Short {
    Short::of([what, address.as_str()])
}

fn value(raw: &Raw) -> Value {
    raw.decode().unwrap_or_else(|error| Value::String(error.to_string()))
}

fn json_of(value: serde_json::Result<Value>) -> Value {
    value.unwrap_or_else(|error| Value::String(error.to_string()))
}
