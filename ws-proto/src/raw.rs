//! A payload that is still, or already, bytes.

use crate::codec::{DecodeError, EncodeError, Format};
use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use std::fmt;

/// One encoded payload and the format it is encoded in. Cheap to clone. Its `Debug` shows the
/// length and never the content.
///
/// ```
/// use ws_proto::{Format, Raw};
/// let raw = Raw::encode(Format::Json, &[1, 2, 3])?;
/// assert_eq!(raw.bytes().as_ref(), b"[1,2,3]");
/// assert_eq!(raw.decode::<Vec<u8>>()?, [1, 2, 3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Raw {
    format: Format,
    bytes: Bytes,
}

impl Raw {
    /// Bytes that are known to hold exactly one value of `format`.
    #[must_use]
    pub const fn new(format: Format, bytes: Bytes) -> Self {
        Self { format, bytes }
    }

    /// Encodes a value.
    ///
    /// # Errors
    ///
    /// When the value cannot be expressed in the format: a map whose keys are not text, a number
    /// past 2^53, or its own `Serialize` fails.
    pub fn encode<T: Serialize + ?Sized>(format: Format, value: &T) -> Result<Self, EncodeError> {
        let mut bytes = Vec::new();
        format.encode_payload(value, &mut bytes)?;
        Ok(Self { format, bytes: bytes.into() })
    }

    /// The payload `null`.
    #[must_use]
    pub const fn null(format: Format) -> Self {
        let bytes = match format {
            Format::Json => Bytes::from_static(b"null"),
            Format::MessagePack => Bytes::from_static(b"\xc0"),
        };
        Self { format, bytes }
    }

    /// Decodes the payload straight into its type.
    ///
    /// # Errors
    ///
    /// When the bytes are not exactly one value of the type, see [`DecodeError`].
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        self.format.decode_payload(&self.bytes)
    }

    /// The same value in another format: for what is passed on without being understood.
    ///
    /// # Errors
    ///
    /// When the bytes do not hold one value, or the other format cannot express it.
    pub fn transcode(&self, format: Format) -> Result<Self, DecodeError> {
        if format == self.format {
            return Ok(self.clone());
        }
        Ok(Self { format, bytes: self.format.transcode_payload(&self.bytes, format)?.into() })
    }

    /// The format of the bytes.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
    }

    /// The encoded value.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Raw({}, {} bytes)", self.format, self.bytes.len())
    }
}
