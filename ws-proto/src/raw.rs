//! A payload that is still, or already, bytes.

use crate::codec::{DecodeError, EncodeError, Format, Json, written};
use bytes::Bytes;
use bytestring::ByteString;
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
    format: Format,
    body: Body,
}

/// What is known of the bytes.
#[derive(Clone)]
enum Body {
    Unknown(Bytes),
    /// Their form was checked, or is our own work.
    Scanned(Bytes),
    /// The same, and known to be text: it need not be looked at again to decode it.
    Text(ByteString),
}

impl Raw {
    /// Bytes that are said to hold exactly one value of `format`. Their form is checked when they
    /// are decoded or transcoded; when they are only passed on, nobody looks.
    #[must_use]
    pub const fn new(format: Format, bytes: Bytes) -> Self {
        Self { format, body: Body::Unknown(bytes) }
    }

    /// Bytes that a codec found to hold exactly one value of `format`.
    pub(crate) const fn scanned(format: Format, bytes: Bytes) -> Self {
        Self { format, body: Body::Scanned(bytes) }
    }

    /// Text that a codec found to hold exactly one value of JSON.
    pub(crate) const fn text(text: ByteString) -> Self {
        Self { format: Format::Json, body: Body::Text(text) }
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
        let body = match &self.body {
            Body::Unknown(bytes) => Body::Unknown(Bytes::copy_from_slice(bytes)),
            Body::Scanned(bytes) => Body::Scanned(Bytes::copy_from_slice(bytes)),
            Body::Text(text) => Body::Text(ByteString::from(&**text)),
        };
        Self { format: self.format, body }
    }

    /// Decodes the payload straight into its type.
    ///
    /// # Errors
    ///
    /// When the bytes are not exactly one value of the type, see [`DecodeError`].
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        match &self.body {
            Body::Text(text) => Json::decode_text(text),
            Body::Scanned(bytes) => self.format.decode_scanned(bytes),
            Body::Unknown(bytes) => self.format.decode_payload(bytes),
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
        if let Body::Unknown(bytes) = &self.body {
            self.format.scan_payload(bytes)?;
        }
        let mut bytes = Vec::new();
        self.format.transcode(self.bytes(), format, &mut bytes)?;
        Ok(Self::scanned(format, bytes.into()))
    }

    /// The format of the bytes.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
    }

    /// The encoded value.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        match &self.body {
            Body::Unknown(bytes) | Body::Scanned(bytes) => bytes,
            Body::Text(text) => text.as_bytes(),
        }
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
