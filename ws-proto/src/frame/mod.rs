//! The closed set of bodies: what an envelope can carry (`docs/protocol.md`, sections 4 to 10).

mod alive;
mod auth;
mod channel;
mod hello;
mod stream;
mod welcome;

pub use alive::{Ack, Close, Ping, Pong};
pub use auth::AuthRequired;
pub use channel::{Done, Gap, GapReason, NotRecovered, Subscribe, Unsubscribed};
pub use hello::{AuthToken, ClientInfo, ClientLimits, Hello, Resume};
pub use stream::Credit;
pub use welcome::{
    AuthGrant, Heartbeat, NotResumed, Rate, Reject, ServerInfo, ServerLimits, SessionGrant, Welcome,
};

use crate::{
    codec::{DecodeError, EncodeError, Format},
    fault::Fault,
    raw::Raw,
};

/// The names of the fields of control frames that hold a [`Secret`](crate::Secret). Whoever has one
/// is the client, so what shows frames to people shows none of these.
pub const SECRET_FIELDS: [&str; 2] = ["token", "ticket"];

/// What an envelope carries. Matched without `_` in the core, so that a new frame breaks exactly
/// the places that must know it.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// `$hello`: the client's first frame.
    Hello(Box<Hello>),
    /// `$welcome`: the server takes the client in.
    Welcome(Box<Welcome>),
    /// `$reject`: the server does not; the close follows.
    Reject(Box<Reject>),
    /// `$ping`: are you there?
    Ping(Ping),
    /// `$pong`: the answer to a ping.
    Pong(Pong),
    /// `$ack`: what was received or consumed, when nothing else carries it.
    Ack(Ack),
    /// `$close`: why the connection is about to close.
    Close(Close),
    /// `$auth`: other credentials of the same principal.
    Auth(AuthToken),
    /// `$auth_ok`: they count from here on.
    AuthOk(AuthGrant),
    /// `$auth_required`: they have expired, and others are awaited.
    AuthRequired(AuthRequired),
    /// `$cancel`: the request named by `re` is no longer wanted.
    Cancel,
    /// `$credit`: how many more items or parts of the request named by `re` may come.
    Credit(Credit),
    /// `$end`: no more parts of the request named by `re` follow.
    End,
    /// `$sub`: listen to the channel named by `ch`.
    Subscribe(Subscribe),
    /// `$unsub`: stop listening to the channel named by `ch`.
    Unsubscribe,
    /// `$ok`: a subscribe, unsubscribe or publish succeeded.
    Done(Done),
    /// `$err`: a fault of the message named by `re`.
    Fault(Fault),
    /// `$unsubbed`: the server ended the subscription to `ch`.
    Unsubscribed(Unsubscribed),
    /// `$live`: the replay of `ch` is over; live events follow.
    Live,
    /// `$gap`: events of `ch` that will never come.
    Gap(Gap),
    /// A control frame of a newer peer; ignored.
    Unknown(Raw),
    /// A message of the application: a request, an answer, a stream item, or an event.
    Message(Raw),
}

impl Frame {
    /// The payload that is in this format already, as that of nearly every message is.
    #[inline]
    pub(crate) fn encoded(&self, format: Format) -> Option<&[u8]> {
        match self {
            Self::Message(raw) | Self::Unknown(raw) if raw.format() == format => Some(raw.bytes()),
            _ => None,
        }
    }
}

macro_rules! control_frames {
    ($($kind:literal => $variant:ident $(($shape:ident))?;)+) => {
        /// Every control type, in the order of the document.
        pub const CONTROL_TYPES: &[&str] = &[$($kind),+];

        impl Frame {
            /// The `type` of a control frame; `None` for what the application named.
            #[must_use]
            pub const fn control_type(&self) -> Option<&'static str> {
                match self {
                    $(control_frames!(@pattern $variant $(, $shape)?) => Some($kind),)+
                    Self::Unknown(_) | Self::Message(_) => None,
                }
            }

            /// Encodes the payload alone.
            ///
            /// # Errors
            ///
            /// When the format cannot express it, which for control frames means a number
            /// past 2^53.
            pub fn encode_payload(
                &self,
                format: Format,
                out: &mut Vec<u8>,
            ) -> Result<(), EncodeError> {
                match self {
                    $(control_frames!(@pattern_body $variant $(, body $shape)?) =>
                        control_frames!(@encode format, out $(, body $shape)?),)+
                    Self::Unknown(raw) | Self::Message(raw) => {
                        out.extend_from_slice(raw.transcode(format)?.bytes());
                        Ok(())
                    }
                }
            }

            /// Decodes the payload of the type `kind`. What does not start with `$` stays bytes,
            /// and so does a control type that this build does not know.
            ///
            /// # Errors
            ///
            /// When the payload of a known control type is not what its type says.
            pub fn decode_payload(kind: &str, raw: Raw) -> Result<Self, DecodeError> {
                // Nearly every message.
                if !kind.starts_with('$') {
                    return Ok(Self::Message(raw));
                }
                match kind {
                    $($kind => control_frames!(@decode raw, $variant $(, $shape)?),)+
                    _ => Ok(Self::Unknown(raw)),
                }
            }
        }
    };
    (@pattern $variant:ident) => { Self::$variant };
    (@pattern $variant:ident, $shape:ident) => { Self::$variant(_) };
    (@pattern_body $variant:ident) => { Self::$variant };
    (@pattern_body $variant:ident, $body:ident $shape:ident) => { Self::$variant($body) };
    (@encode $format:ident, $out:ident) => { $format.encode_payload(&(), $out) };
    (@encode $format:ident, $out:ident, $body:ident $shape:ident) => {
        $format.encode_payload($body, $out)
    };
    (@decode $raw:ident, $variant:ident) => { $raw.decode::<()>().map(|()| Self::$variant) };
    (@decode $raw:ident, $variant:ident, boxed) => {
        $raw.decode().map(|body| Self::$variant(Box::new(body)))
    };
    (@decode $raw:ident, $variant:ident, plain) => { $raw.decode().map(Self::$variant) };
}

control_frames! {
    "$hello" => Hello(boxed);
    "$welcome" => Welcome(boxed);
    "$reject" => Reject(boxed);
    "$ping" => Ping(plain);
    "$pong" => Pong(plain);
    "$ack" => Ack(plain);
    "$close" => Close(plain);
    "$auth" => Auth(plain);
    "$auth_ok" => AuthOk(plain);
    "$auth_required" => AuthRequired(plain);
    "$cancel" => Cancel;
    "$credit" => Credit(plain);
    "$end" => End;
    "$sub" => Subscribe(plain);
    "$unsub" => Unsubscribe;
    "$ok" => Done(plain);
    "$err" => Fault(plain);
    "$unsubbed" => Unsubscribed(plain);
    "$live" => Live;
    "$gap" => Gap(plain);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Secret, VersionRange};
    use serde_json::Value;
    use std::collections::BTreeSet;

    /// The names of fields whose text is one of the test's secrets.
    fn secrets(value: &Value, found: &mut BTreeSet<String>) {
        let Some(fields) = value.as_object() else { return };
        for (name, value) in fields {
            if value.as_str().is_some_and(|text| text.starts_with("secret")) {
                found.insert(name.clone());
            }
            secrets(value, found);
        }
    }

    // All fields are named, so that a new one is seen here.
    #[test]
    fn every_field_with_a_secret_is_known_by_name() {
        let hello = Hello {
            protocol: "chat".to_owned(),
            version: VersionRange::new(1, 1),
            fingerprint: String::new(),
            client: None,
            auth: Some(AuthToken { token: Secret::new("secret 1") }),
            resume: Some(Resume {
                session: "session".to_owned(),
                ticket: Secret::new("secret 2"),
                recv: 0,
            }),
            caps: Vec::new(),
            limits: None,
        };
        let grant = SessionGrant {
            id: "session".to_owned(),
            ticket: Secret::new("secret 3"),
            ttl_ms: 0,
            resumed: false,
            reason: None,
        };
        let mut found = BTreeSet::new();
        for frame in [serde_json::to_value(hello), serde_json::to_value(grant)] {
            secrets(&frame.expect("JSON"), &mut found);
        }
        assert_eq!(found, SECRET_FIELDS.map(str::to_owned).into());
    }
}
