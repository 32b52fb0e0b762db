//! A payload that is still, or already, bytes.

use crate::codec::{DecodeError, EncodeError, Format, written};
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
#[derive(Clone)]
pub struct Raw {
    bytes: Bytes,
    format: Format,
    /// Whether the form of the bytes was checked, or is our own work.
    is_scanned: bool,
}

impl Raw {
    /// Bytes that are said to hold exactly one value of `format`. Their form is checked when they
    /// are decoded or transcoded; when they are only passed on, nobody looks.
    #[must_use]
    pub const fn new(format: Format, bytes: Bytes) -> Self {
        Self { bytes, format, is_scanned: false }
    }

    /// Bytes that a codec found to hold exactly one value of `format`.
    pub(crate) const fn scanned(format: Format, bytes: Bytes) -> Self {
        Self { bytes, format, is_scanned: true }
    }

    /// Encodes a value.
    ///
    /// # Errors
    ///
    /// When the value is outside the data model (a map whose keys are not text, an integer past
    /// 2^53 - 1, a float that is not finite, nesting too deep), or its own `Serialize` fails.
    pub fn encode<T: Serialize + ?Sized>(format: Format, value: &T) -> Result<Self, EncodeError> {
        let bytes = written(|out| format.encode_payload(value, out))?;
        Ok(Self::scanned(format, bytes))
    }

    /// The payload `null`.
    #[must_use]
    pub const fn null(format: Format) -> Self {
        let bytes = match format {
            Format::Json => Bytes::from_static(b"null"),
            Format::MessagePack => Bytes::from_static(b"\xc0"),
        };
        Self::scanned(format, bytes)
    }

    /// The same in memory of its own: the bytes of a payload share the message that they came in,
    /// which may be much longer, and would keep it.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self { bytes: Bytes::copy_from_slice(&self.bytes), ..*self }
    }

    /// Decodes the payload straight into its type.
    ///
    /// # Errors
    ///
    /// When the bytes are not exactly one value of the type, see [`DecodeError`].
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        if self.is_scanned {
            self.format.decode_scanned(&self.bytes)
        } else {
            self.format.decode_payload(&self.bytes)
        }
    }

    /// The same value in another format: for what is passed on without being understood. Bytes
    /// become base64 text in JSON; the text stays text on the way back.
    ///
    /// # Errors
    ///
    /// When the bytes do not hold one value, or the other format cannot express it.
    pub fn transcode(&self, format: Format) -> Result<Self, DecodeError> {
        if format == self.format {
            return Ok(self.clone());
        }
        if !self.is_scanned {
            self.format.scan_payload(&self.bytes)?;
        }
        let mut bytes = Vec::new();
        self.format.transcode(&self.bytes, format, &mut bytes)?;
        Ok(Self::scanned(format, bytes.into()))
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

impl PartialEq for Raw {
    fn eq(&self, other: &Self) -> bool {
        self.format == other.format && self.bytes() == other.bytes()
    }
}

impl Eq for Raw {}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Raw({}, {} bytes)", self.format, self.bytes().len())
    }
}
