//! Channel addresses: `kind/field/field`, with exactly one spelling each
//! (`docs/protocol.md`, section 3).

use crate::limits::Limits;
use bytestring::ByteString;
use std::fmt::{self, Write as _};

/// A channel address in its one spelling: `room/lobby`.
///
/// Bytes outside `[A-Za-z0-9_.~-]` are percent-escaped, in upper case. Any other spelling of the
/// same fields is refused, never normalised.
///
/// ```
/// use ws_proto::Address;
/// let address = Address::parse("room/caf%C3%A9")?;
/// assert_eq!(address.kind(), "room");
/// assert!(Address::parse("room/caf%c3%a9").is_err());
/// # Ok::<(), ws_proto::AddressError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address(ByteString);

/// Why a text is not a channel address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// More than 255 bytes.
    #[error("a channel address has at most 255 bytes")]
    TooLong,
    /// Not the one spelling.
    #[error(
        "not the canonical spelling of a channel address: `kind/field`, bytes outside \
         [A-Za-z0-9_.~-] escaped as %XX in upper case"
    )]
    NotCanonical,
    /// No channel of the protocol has this kind.
    #[error("no channel of this kind")]
    UnknownKind,
    /// The fields are not those of the channel.
    #[error("the fields of the address are not those of the channel")]
    WrongFields,
}

impl Address {
    /// Checks that a text is the one spelling of an address.
    ///
    /// # Errors
    ///
    /// [`AddressError::TooLong`] or [`AddressError::NotCanonical`].
    pub fn parse(text: impl Into<ByteString>) -> Result<Self, AddressError> {
        let text = text.into();
        if text.len() > Limits::ADDRESS {
            return Err(AddressError::TooLong);
        }
        let mut segments = text.split('/');
        let kind_is_plain = segments.next().is_some_and(|kind| {
            !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        });
        if kind_is_plain && segments.all(|segment| unescape(segment).is_some()) {
            Ok(Self(text))
        } else {
            Err(AddressError::NotCanonical)
        }
    }

    /// The channel's kind: what stands before the first `/`.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.0.split('/').next().unwrap_or_default()
    }

    /// The whole address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The whole address, shared.
    #[must_use]
    pub const fn text(&self) -> &ByteString {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", self.0)
    }
}

/// Builds an address field by field. Used by `#[derive(Channels)]`.
#[derive(Debug)]
pub struct AddressWriter(String);

impl AddressWriter {
    /// Starts with the channel's kind.
    #[must_use]
    pub fn new(kind: &str) -> Self {
        Self(kind.to_owned())
    }

    /// Appends the next field.
    #[must_use]
    pub fn field<F: AddressField>(mut self, field: &F) -> Self {
        self.0.push('/');
        let mut plain = String::new();
        field.write(&mut plain);
        for byte in plain.bytes() {
            if is_unreserved(byte) {
                self.0.push(char::from(byte));
            } else {
                // Writing to a `String` cannot fail.
                let _ = write!(self.0, "%{byte:02X}");
            }
        }
        self
    }

    /// The finished address.
    ///
    /// # Errors
    ///
    /// [`AddressError::TooLong`].
    pub fn finish(self) -> Result<Address, AddressError> {
        if self.0.len() > Limits::ADDRESS {
            return Err(AddressError::TooLong);
        }
        Ok(Address(self.0.into()))
    }
}

/// Reads an address field by field. Used by `#[derive(Channels)]`.
#[derive(Debug)]
pub struct AddressReader<'a>(std::str::Split<'a, char>);

impl<'a> AddressReader<'a> {
    /// Starts after the kind.
    #[must_use]
    pub fn new(address: &'a Address) -> Self {
        let mut segments = address.0.split('/');
        segments.next();
        Self(segments)
    }

    /// Reads the next field.
    ///
    /// # Errors
    ///
    /// [`AddressError::WrongFields`] when there is none or it is no value of the type;
    /// [`AddressError::NotCanonical`] when it is another spelling of one (`007` for 7).
    pub fn field<F: AddressField>(&mut self) -> Result<F, AddressError> {
        let plain = self.0.next().and_then(unescape).ok_or(AddressError::WrongFields)?;
        let field = F::read(&plain).ok_or(AddressError::WrongFields)?;
        let mut canonical = String::new();
        field.write(&mut canonical);
        if canonical == plain { Ok(field) } else { Err(AddressError::NotCanonical) }
    }

    /// Checks that no field is left.
    ///
    /// # Errors
    ///
    /// [`AddressError::WrongFields`].
    pub fn end(mut self) -> Result<(), AddressError> {
        match self.0.next() {
            None => Ok(()),
            Some(_) => Err(AddressError::WrongFields),
        }
    }
}

/// A type with exactly one text form, so that it can stand in a channel address.
///
/// Implemented for text, integers, `bool` and [`uuid::Uuid`]; for an enum of unit variants,
/// derive it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand in a channel address: it has no single text form",
    label = "not a field of a channel address",
    note = "a channel's fields are `String`, integers, `bool`, `Uuid`, or enums of unit variants \
            with `#[derive(AddressField)]`"
)]
pub trait AddressField: Sized {
    /// Writes the one text form, unescaped.
    fn write(&self, to: &mut String);

    /// Reads it back; `None` when the text is no value of the type.
    fn read(text: &str) -> Option<Self>;
}

impl AddressField for String {
    fn write(&self, to: &mut String) {
        to.push_str(self);
    }

    fn read(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

macro_rules! displayed_fields {
    ($($type:ty),+) => { $(
        impl AddressField for $type {
            fn write(&self, to: &mut String) {
                // Writing to a `String` cannot fail.
                let _ = write!(to, "{self}");
            }

            fn read(text: &str) -> Option<Self> {
                text.parse().ok()
            }
        }
    )+ };
}

displayed_fields!(bool, u8, u16, u32, u64, i8, i16, i32, i64, uuid::Uuid);

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'~' | b'-')
}

/// The plain text of a segment, `None` unless the segment is its canonical spelling.
fn unescape(segment: &str) -> Option<String> {
    let mut plain = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let escaped = upper_hex(bytes.next()?)? << 4 | upper_hex(bytes.next()?)?;
            if is_unreserved(escaped) {
                return None;
            }
            plain.push(escaped);
        } else if is_unreserved(byte) {
            plain.push(byte);
        } else {
            return None;
        }
    }
    String::from_utf8(plain).ok()
}

fn upper_hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_exactly_one_spelling() {
        for good in ["room", "room/lobby", "room/", "a_1/x.y~z-w/%2F", "room/caf%C3%A9"] {
            assert!(Address::parse(good).is_ok(), "{good}");
        }
        let bad = [
            "",
            "/",
            "/lobby",
            "ro-om/x",
            "room/caf%c3%a9",
            "room/%41",
            "room/a b",
            "room/%F",
            "room/%FF",
            "room/%",
            "room/é",
            "room?x",
            "room/a+b",
        ];
        for bad in bad {
            assert_eq!(Address::parse(bad), Err(AddressError::NotCanonical), "{bad}");
        }
        assert_eq!(Address::parse("r".repeat(256)), Err(AddressError::TooLong));
        assert!(Address::parse("r".repeat(255)).is_ok());
    }

    #[test]
    fn fields_come_back_as_they_were_written() {
        let address = AddressWriter::new("seat")
            .field(&"a/b c".to_owned())
            .field(&-7_i32)
            .field(&true)
            .finish()
            .unwrap();
        assert_eq!(address.as_str(), "seat/a%2Fb%20c/-7/true");
        let mut reader = AddressReader::new(&address);
        assert_eq!(reader.field::<String>().unwrap(), "a/b c");
        assert_eq!(reader.field::<i32>().unwrap(), -7);
        assert!(reader.field::<bool>().unwrap());
        reader.end().unwrap();
    }

    #[test]
    fn another_spelling_of_a_number_is_refused() {
        for other in ["seat/007", "seat/+7"] {
            let Ok(address) = Address::parse(other) else { continue };
            let read = AddressReader::new(&address).field::<u32>();
            assert_eq!(read, Err(AddressError::NotCanonical), "{other}");
        }
    }
}
