//! Values and headers as JSON, byte for byte as `serde_json` writes them.

use crate::{
    codec::{
        Json,
        checked::{Failed, Form, Written},
        digits,
        error::rule,
        word,
    },
    envelope::Head,
    ids::MessageId,
};
use base64::{Engine, encoded_len, engine::general_purpose::STANDARD};
use serde::{Serialize, ser::Error};
use std::fmt::{self, Write};

impl Form for Json {
    const IS_TEXT: bool = true;

    #[inline]
    fn null(out: &mut Vec<u8>) {
        out.extend_from_slice(b"null");
    }

    #[inline]
    fn boolean(value: bool, out: &mut Vec<u8>) {
        // As in `digits`: a byte too many is taken back.
        out.extend_from_slice(if value { b"true " } else { b"false" });
        out.truncate(out.len() - usize::from(value));
    }

    #[inline]
    fn unsigned(value: u64, out: &mut Vec<u8>) {
        match value {
            0..10 => out.push(b'0' | value.to_le_bytes()[0]),
            _ => digits::write(b"", value, out),
        }
    }

    fn signed(value: i64, out: &mut Vec<u8>) {
        match value {
            0.. => digits::write(b"", value.unsigned_abs(), out),
            ..0 => digits::write(b"-", value.unsigned_abs(), out),
        }
    }

    /// As 64 bits: the shortest text of 32 bits is another number.
    #[inline]
    fn single(value: f32, out: &mut Vec<u8>) -> Result<(), Failed> {
        Self::double(value.into(), out)
    }

    /// The shortest text that stands for the number is work for a library.
    fn double(value: f64, out: &mut Vec<u8>) -> Result<(), Failed> {
        value.serialize(&mut serde_json::Serializer::new(out)).map_err(Failed::custom)
    }

    #[inline]
    fn text(value: &str, out: &mut Vec<u8>) -> Result<(), Failed> {
        text(value, out);
        Ok(())
    }

    fn displayed(value: &dyn fmt::Display, out: &mut Vec<u8>) -> Result<(), Failed> {
        out.push(b'"');
        write!(Escaping(out), "{value}").map_err(Failed::custom)?;
        out.push(b'"');
        Ok(())
    }

    /// Base64, none of whose characters needs an escape.
    fn bytes(value: &[u8], out: &mut Vec<u8>) -> Result<(), Failed> {
        out.push(b'"');
        let start = out.len();
        let len = encoded_len(value.len(), true).ok_or_else(|| Failed::rule(rule::LENGTH))?;
        out.resize(start + len, 0);
        STANDARD.encode_slice(value, &mut out[start..]).map_err(Failed::custom)?;
        out.push(b'"');
        Ok(())
    }

    #[inline]
    fn open_variant(name: &'static str, out: &mut Vec<u8>) -> Result<(), Failed> {
        Self::field(name, true, out)
    }

    #[inline]
    fn close_variant(out: &mut Vec<u8>) {
        out.push(b'}');
    }

    /// The bracket comes with the first value, and so does a map's brace with its first key.
    #[inline]
    fn open_list(_: Option<usize>, _: &mut Vec<u8>) -> Result<(), Failed> {
        Ok(())
    }

    #[inline]
    fn before_item(is_first: bool, out: &mut Vec<u8>) {
        out.push(if is_first { b'[' } else { b',' });
    }

    #[inline]
    fn close_list(written: Written, out: &mut Vec<u8>) -> Result<(), Failed> {
        if written.is_empty {
            out.push(b'[');
        }
        out.push(b']');
        Ok(())
    }

    #[inline]
    fn open_map(_: Option<usize>, _: &mut Vec<u8>) -> Result<(), Failed> {
        Ok(())
    }

    #[inline]
    fn before_key(is_first: bool, out: &mut Vec<u8>) {
        out.push(if is_first { b'{' } else { b',' });
    }

    #[inline]
    fn after_key(out: &mut Vec<u8>) {
        out.push(b':');
    }

    /// Put together before it is appended. The compiler knows the name in the code of its type, and
    /// nothing is left there but one copy of a known length.
    #[inline(always)]
    fn field(name: &'static str, is_first: bool, out: &mut Vec<u8>) -> Result<(), Failed> {
        const LONGEST: usize = 32;
        let mut piece = [0; LONGEST + 4];
        let bytes = name.as_bytes();
        if bytes.len() <= LONGEST && bytes.iter().fold(0, |all, byte| all | word::stop(*byte)) == 0
        {
            let end = 2 + bytes.len();
            piece[..2].copy_from_slice(if is_first { b"{\"" } else { b",\"" });
            piece[2..end].copy_from_slice(bytes);
            piece[end..end + 2].copy_from_slice(b"\":");
            out.extend_from_slice(&piece[..end + 2]);
        } else {
            Self::before_key(is_first, out);
            text(name, out);
            Self::after_key(out);
        }
        Ok(())
    }

    #[inline]
    fn close_map(written: Written, out: &mut Vec<u8>) -> Result<(), Failed> {
        if written.is_empty {
            out.push(b'{');
        }
        out.push(b'}');
        Ok(())
    }
}

/// Writes a header up to the value of `payload`.
pub(super) fn head(head: &Head, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":\"");
    unquoted(&head.kind, out);
    let id = with_id(*b"\",\"id\":\"........-....-....-....-............\",\"ts\":", head.id);
    digits::write(&id, head.ts, out);
    if let Some(re) = head.re {
        // The blank makes room for the quote that ends the text before the other id.
        let field = with_id(*b" ,\"re\":\"........-....-....-....-............\"", re);
        out.extend_from_slice(&field[1..]);
    }
    number(b",\"seq\":", head.seq, out);
    number(b",\"ack\":", head.ack, out);
    text_field(b",\"ch\":\"", head.ch.as_deref(), out);
    number(b",\"off\":", head.off, out);
    number(b",\"prev\":", head.prev, out);
    text_field(b",\"key\":\"", head.key.as_deref(), out);
    number(b",\"ttl\":", head.ttl, out);
    text_field(b",\"tp\":\"", head.tp.as_deref(), out);
    out.extend_from_slice(b",\"payload\":");
}

#[inline]
fn number<const N: usize>(name: &[u8; N], value: Option<u64>, out: &mut Vec<u8>) {
    let Some(value) = value else { return };
    digits::write(name, value, out);
}

#[inline]
fn text_field<const N: usize>(name: &[u8; N], value: Option<&str>, out: &mut Vec<u8>) {
    let Some(value) = value else { return };
    out.extend_from_slice(name);
    unquoted(value, out);
    out.push(b'"');
}

/// Puts an id where the dots are.
#[inline]
fn with_id<const N: usize>(mut field: [u8; N], id: MessageId) -> [u8; N] {
    const START: usize = b"\",\"id\":\"".len();
    let digits = digits::hexadecimal(id.0.as_bytes());
    let text = &mut field[START..START + 36];
    text[..8].copy_from_slice(&digits[..8]);
    text[9..13].copy_from_slice(&digits[8..12]);
    text[14..18].copy_from_slice(&digits[12..16]);
    text[19..23].copy_from_slice(&digits[16..20]);
    text[24..].copy_from_slice(&digits[20..]);
    field
}

#[inline]
fn text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    unquoted(text, out);
    out.push(b'"');
}

/// Hardly any text needs an escape.
#[inline]
fn unquoted(text: &str, out: &mut Vec<u8>) {
    if word::is_plain_text(text) {
        out.extend_from_slice(text.as_bytes());
    } else {
        escape(text.as_bytes(), out);
    }
}

/// Copies what stands as it is in one go, up to the next character that does not.
#[cold]
fn escape(mut text: &[u8], out: &mut Vec<u8>) {
    loop {
        let (plain, rest) = text.split_at(word::plain(text));
        out.extend_from_slice(plain);
        let Some((stop, rest)) = rest.split_first() else { return };
        match *stop {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *stop]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            _ => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&digits::two(*stop));
            }
        }
        text = rest;
    }
}

/// Takes the pieces of a text inside its quotes.
struct Escaping<'a>(&'a mut Vec<u8>);

impl Write for Escaping<'_> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        escape(piece.as_bytes(), self.0);
        Ok(())
    }
}
