//! Commands of the applications, from their short form.

use serde_json::Value;
use std::{sync::Arc, time::Duration};
use ws_conformance::transcript::{Short, Who, duration};
use ws_proto::{
    Answer, DecodeError, EncodeError, EncodedEvent, EventSet, EventSpec, Fault, Format, Head,
    IdSource, Publication, Raw, Secret, VersionRange,
    frame::{AuthToken, Done, Gap, GapReason, Hello, NotRecovered, NotResumed, Unsubscribed},
};
use ws_runtime::session::{
    Acceptance, Call, CallId, Command, Delivery, Drain, Publish, Ticket, WorkId,
};

/// The command that a line says.
pub(crate) fn command(
    who: Who,
    short: &Short,
    format: Format,
    ids: &mut IdSource,
) -> Result<Command, String> {
    let payload = || payload_of(short, format);
    Ok(match (who, short.first()) {
        (_, "close") => Command::Close(short.close_code(1)?, "as told".to_owned()),
        (Who::C, "connect") => Command::Connect(Box::new(hello(short)?)),
        (Who::C, "auth") => Command::Auth(Secret::from(short.at(1)?)),
        (Who::S, "renewed") => Command::Renewed(Ticket(short.number(1)?), renewed(short)?),
        (_, "call") => Command::Call(Box::new(call(short, payload()?)?)),
        (_, "cancel") => Command::Cancel(CallId(short.number(1)?)),
        (Who::C, "credit") => {
            let n = u32::try_from(short.number(2)?).map_err(|error| error.to_string())?;
            Command::Credit(CallId(short.number(1)?), n)
        }
        (Who::C, "part") => Command::Part(CallId(short.number(1)?), payload()?),
        (Who::C, "end") => Command::End(CallId(short.number(1)?)),
        (Who::C, "subscribe") => {
            Command::Subscribe(short.address(1)?, short.field_position("since")?)
        }
        (Who::C, "unsubscribe") => Command::Unsubscribe(short.address(1)?),
        (Who::C, "consumed") => Command::Consumed(short.address(1)?, short.number(2)?),
        (Who::C, "publish") => Command::Publish(Box::new(Publish {
            call: CallId(short.number(1)?),
            address: short.address(2)?,
            kind: short.at(3)?.to_owned().into(),
            payload: payload()?,
            ttl: short.field("ttl").map(duration).transpose()?,
            key: short.field("key").map(|key| key.to_owned().into()),
        })),
        (Who::S, "refuse") => Command::Refuse(short.close_code(1)?, short.fault(2)?),
        (Who::S, "drain") => Command::Drain(drain(short)?),
        (_, "answer") => Command::Answer(WorkId(short.number(1)?), answer(short, payload()?)?),
        (Who::S, "item") => Command::Item(WorkId(short.number(1)?), payload()?),
        (Who::S, "read") => {
            let n = u32::try_from(short.number(2)?).map_err(|error| error.to_string())?;
            Command::Read(WorkId(short.number(1)?), n)
        }
        (Who::S, "decide") => Command::Decide(Ticket(short.number(1)?), decision(short)?),
        (Who::S, "deliver") => {
            Command::Deliver(short.address(1)?, Delivery::Kept(event(short, ids)?))
        }
        (Who::S, "pass") => {
            Command::Deliver(short.address(1)?, Delivery::Passing(event(short, ids)?))
        }
        (Who::S, "snapshot") => Command::Snapshot(short.address(1)?, short.number(2)?, payload()?),
        (Who::S, "gap") => Command::Deliver(short.address(1)?, Delivery::Gap(gap(short)?)),
        (Who::S, "live") => Command::Deliver(short.address(1)?, Delivery::Live(short.number(2)?)),
        (Who::S, "end") => {
            let Fault { code, message, retry, .. } = short.fault(2)?;
            let why = Unsubscribed { code, reason: message, retry };
            Command::EndSubscription(short.address(1)?, why)
        }
        _ => return Err(format!("`{short}` is no command of this side")),
    })
}

fn hello(short: &Short) -> Result<Hello, String> {
    let version = match short.at(1) {
        Err(_) => VersionRange::new(1, 3),
        Ok(text) => {
            let (min, max) = text.split_once("..").ok_or("versions are `1..3`")?;
            let number = |it: &str| it.parse().map_err(|_| format!("`{it}` is no number"));
            VersionRange::new(number(min)?, number(max)?)
        }
    };
    let token = short.field("token").map(Secret::from);
    let auth = token.map(|token| AuthToken { token });
    let protocol = short.field("protocol").unwrap_or("chat");
    Ok(Hello { auth, ..Hello::new(protocol, version) })
}

fn call(short: &Short, payload: Raw) -> Result<Call, String> {
    Ok(Call {
        call: CallId(short.number(1)?),
        kind: short.at(2)?.to_owned().into(),
        payload,
        ttl: short.field("ttl").map(duration).transpose()?,
        key: short.field("key").map(|key| key.to_owned().into()),
        versions: (
            short.field_number("since")?.unwrap_or_default(),
            short.field_number("removed")?,
        ),
        credit: short.field_number("credit")?.unwrap_or_default(),
    })
}

/// How the server takes a client in: `accept`, `accept not_resumed=expired`, `accept expires=60s`.
pub(crate) fn acceptance(
    short: &Short,
    session: String,
    ticket: String,
) -> Result<Acceptance, String> {
    let not_resumed = match short.field("not_resumed") {
        None => None,
        Some("expired") => Some(NotResumed::Expired),
        Some("overrun") => Some(NotResumed::Overrun),
        Some("principal_changed") => Some(NotResumed::PrincipalChanged),
        Some("unknown") => Some(NotResumed::Unknown),
        Some("version_changed") => Some(NotResumed::VersionChanged),
        Some(other) => return Err(format!("`{other}` is no reason")),
    };
    Ok(Acceptance {
        session,
        ticket: Secret::new(ticket),
        ttl: Duration::from_secs(120),
        node: "node".to_owned(),
        not_resumed,
        expires_in: short.field("expires").map(duration).transpose()?,
    })
}

/// What becomes of other credentials: `renewed 1 ok expires=60s`, `renewed 1 fault unauthorized`.
fn renewed(short: &Short) -> Result<Result<Option<Duration>, Fault>, String> {
    match short.at(2)? {
        "ok" => Ok(Ok(short.field("expires").map(duration).transpose()?)),
        "fault" => Ok(Err(short.fault(3)?)),
        other => Err(format!("`{other}` is no decision")),
    }
}

fn drain(short: &Short) -> Result<Drain, String> {
    Ok(Drain {
        retry_after: (Duration::from_secs(1), Duration::from_secs(5)),
        endpoint: None,
        patience: duration(short.at(1)?)?,
    })
}

fn answer(short: &Short, payload: Raw) -> Result<Answer, String> {
    match short.at(2)? {
        "ok" => Ok(Answer::Ok(payload)),
        "err" => Ok(Answer::Err(payload)),
        "fault" => Ok(Answer::Fault(short.fault(3)?)),
        other => Err(format!("`{other}` is no kind of answer")),
    }
}

fn decision(short: &Short) -> Result<Result<Done, Fault>, String> {
    match short.at(2)? {
        "fault" => Ok(Err(short.fault(3)?)),
        "ok" => {
            let position = short.field_position("at")?;
            let (epoch, off) = position.map(|at| (at.epoch, at.off)).unzip();
            let (recovered, reason) = match short.field("recovered") {
                None => (None, None),
                Some("yes") => (Some(true), None),
                Some("epoch") => (Some(false), Some(NotRecovered::Epoch)),
                Some("trimmed") => (Some(false), Some(NotRecovered::Trimmed)),
                Some(other) => return Err(format!("`recovered={other}`: yes, epoch or trimmed")),
            };
            Ok(Ok(Done { epoch, off, recovered, reason }))
        }
        other => Err(format!("`{other}` is no decision")),
    }
}

fn gap(short: &Short) -> Result<Gap, String> {
    let reason = match short.at(2)? {
        "trimmed" => GapReason::Trimmed,
        "version" => GapReason::Version,
        other => return Err(format!("`{other}` is no reason of a gap")),
    };
    let (after, until) = (short.field_number("after")?, short.field_number("until")?);
    Ok(Gap { reason, after, until, dropped: None })
}

/// An event as the hub of a server holds it: `deliver room/lobby room.said off=3 prev=2 {..}`.
fn event(short: &Short, ids: &mut IdSource) -> Result<Arc<Publication>, String> {
    let kind = short.at(2)?;
    let (channel, event) = kind.split_once('.').ok_or("an event is `channel.event`")?;
    let said = Said { kind: event.to_owned(), payload: short.json.clone().unwrap_or_default() };
    let encoded = EncodedEvent::new(channel, &said).map_err(|error| error.to_string())?;
    let mut head = Head::new(kind.to_owned().into(), ids.next(0), 0);
    head.ch = Some(short.address(1)?.text().clone());
    head.off = short.field_number("off")?;
    head.prev = short.field_number("prev")?;
    let publication = Publication::new(head, &encoded).map_err(|error| error.to_string())?;
    Ok(Arc::new(publication))
}

fn payload_of(short: &Short, format: Format) -> Result<Raw, String> {
    let value = match short.field_number("bytes")? {
        None => short.json.clone().unwrap_or_default(),
        Some(bytes) => Value::String("x".repeat(bytes)),
    };
    Raw::encode(format, &value).map_err(|error| error.to_string())
}

/// An event of any kind.
#[derive(Clone, Debug)]
struct Said {
    kind: String,
    payload: Value,
}

impl EventSet for Said {
    const SPECS: &'static [EventSpec] = &[];

    fn kind(&self) -> &str {
        &self.kind
    }

    fn encode(&self, format: Format) -> Result<Raw, EncodeError> {
        Raw::encode(format, &self.payload)
    }

    fn decode(kind: &str, _: &Raw) -> Result<Self, DecodeError> {
        Err(DecodeError::UnknownKind(kind.to_owned()))
    }
}
