//! Bytes <-> envelope.

use crate::{envelope::Head, frame::Frame, raw::Raw};
use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use std::fmt;

/// A wire format. Chosen by the WebSocket sub-protocol, so that even the first frame is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// `wsp1.json`: text frames.
    Json,
    /// `wsp1.msgpack`: binary frames.
    MessagePack,
}

/// Why bytes are not an envelope, or not a payload of the expected type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes are not what the format or the type says; where and why.
    #[error("{0}")]
    Invalid(String),
    /// No message of this protocol has this type.
    #[error("unknown type `{0}`")]
    UnknownKind(String),
}

/// Why a value cannot be expressed in a format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EncodeError(pub String);

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Json => "JSON",
            Self::MessagePack => "MessagePack",
        })
    }
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 2] = [Self::Json, Self::MessagePack];
    /// The WebSocket sub-protocol that stands for this format.
    #[must_use]
    pub const fn subprotocol(self) -> &'static str {
        match self {
            Self::Json => "wsp1.json",
            Self::MessagePack => "wsp1.msgpack",
        }
    }
    /// The format that a sub-protocol stands for.
    #[must_use]
    pub fn from_subprotocol(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.subprotocol() == name)
    }
    /// Appends the encoded payload to `out`.
    /// # Errors
    /// See [`EncodeError`].
    pub fn encode_payload<T: Serialize + ?Sized>(
        self,
        value: &T,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        match self {
            Self::Json => serde_json::to_writer(out, value).map_err(|e| EncodeError(e.to_string())),
            Self::MessagePack => {
                rmp_serde::encode::write_named(out, value).map_err(|e| EncodeError(e.to_string()))
            }
        }
    }
    /// Decodes a payload straight into its type.
    /// # Errors
    /// See [`DecodeError`].
    pub fn decode_payload<T: DeserializeOwned>(self, bytes: &[u8]) -> Result<T, DecodeError> {
        match self {
            Self::Json => {
                serde_json::from_slice(bytes).map_err(|e| DecodeError::Invalid(e.to_string()))
            }
            Self::MessagePack => {
                rmp_serde::from_slice(bytes).map_err(|e| DecodeError::Invalid(e.to_string()))
            }
        }
    }
    pub(crate) fn transcode_payload(
        self,
        _bytes: &[u8],
        _to: Self,
    ) -> Result<Vec<u8>, DecodeError> {
        Err(DecodeError::Invalid("not yet".into()))
    }
    pub(crate) fn transcoded_into(self, raw: &Raw, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let other = raw.transcode(self).map_err(|e| EncodeError(e.to_string()))?;
        out.extend_from_slice(other.bytes());
        Ok(())
    }
    pub(crate) fn decode_head(self, _message: &Bytes) -> Result<(Head, Raw), DecodeError> {
        Err(DecodeError::Invalid("not yet".into()))
    }
    pub(crate) fn encode_envelope(
        self,
        _head: &Head,
        _frame: &Frame,
        _out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        Err(EncodeError("not yet".into()))
    }
}
