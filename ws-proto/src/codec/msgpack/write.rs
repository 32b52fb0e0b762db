//! Values and headers as MessagePack: each in its shortest form.

use super::{FIELDS, NIL};
use crate::{
    codec::{
        MessagePack,
        checked::{Failed, Form, Written},
        error::rule,
        piece,
    },
    envelope::Head,
    ids::MessageId,
};
use serde::ser::Error;
use std::fmt::{self, Write};

impl Form for MessagePack {
    const IS_TEXT: bool = false;

    #[inline]
    fn null(out: &mut Vec<u8>) {
        out.push(NIL);
    }

    #[inline]
    fn boolean(value: bool, out: &mut Vec<u8>) {
        out.push(if value { 0xc3 } else { 0xc2 });
    }

    #[inline]
    fn unsigned(value: u64, out: &mut Vec<u8>) {
        match value {
            0..0x80 => out.push(value.to_le_bytes()[0]),
            _ => integer(b"", value, out),
        }
    }

    fn signed(value: i64, out: &mut Vec<u8>) {
        let [.., d, c, b, a] = value.to_be_bytes();
        match value {
            0.. => integer(b"", value.unsigned_abs(), out),
            -0x20..0 => out.push(a),
            -0x80..-0x20 => out.extend_from_slice(&[0xd0, a]),
            -0x8000..-0x80 => out.extend_from_slice(&[0xd1, b, a]),
            -0x8000_0000..-0x8000 => out.extend_from_slice(&[0xd2, d, c, b, a]),
            _ => piece::append(&[0xd3], &value.to_be_bytes(), out),
        }
    }

    #[inline]
    fn single(value: f32, out: &mut Vec<u8>) -> Result<(), Failed> {
        let [a, b, c, d] = value.to_be_bytes();
        out.extend_from_slice(&[0xca, a, b, c, d]);
        Ok(())
    }

    #[inline]
    fn double(value: f64, out: &mut Vec<u8>) -> Result<(), Failed> {
        piece::append(&[0xcb], &value.to_be_bytes(), out);
        Ok(())
    }

    #[inline]
    fn text(value: &str, out: &mut Vec<u8>) -> Result<(), Failed> {
        text(b"", value, out)
    }

    fn displayed(value: &dyn fmt::Display, out: &mut Vec<u8>) -> Result<(), Failed> {
        let start = out.len();
        write!(Pieces(out), "{value}").map_err(Failed::custom)?;
        put_len_before(start, Kind::Text, out.len() - start, out)
    }

    #[inline]
    fn bytes(value: &[u8], out: &mut Vec<u8>) -> Result<(), Failed> {
        write_len(Kind::Bytes, value.len(), out)?;
        out.extend_from_slice(value);
        Ok(())
    }

    #[inline]
    fn open_variant(name: &'static str, out: &mut Vec<u8>) -> Result<(), Failed> {
        write_len(Kind::Map, 1, out)?;
        Self::text(name, out)
    }

    #[inline]
    fn close_variant(_: &mut Vec<u8>) {}

    #[inline]
    fn open_list(len: Option<usize>, out: &mut Vec<u8>) -> Result<(), Failed> {
        len.map_or(Ok(()), |len| write_len(Kind::List, len, out))
    }

    #[inline]
    fn before_item(_: bool, _: &mut Vec<u8>) {}

    #[inline]
    fn close_list(written: Written, out: &mut Vec<u8>) -> Result<(), Failed> {
        let Some((start, count)) = written.counted else { return Ok(()) };
        put_len_before(start, Kind::List, count, out)
    }

    #[inline]
    fn open_map(len: Option<usize>, out: &mut Vec<u8>) -> Result<(), Failed> {
        len.map_or(Ok(()), |len| write_len(Kind::Map, len, out))
    }

    #[inline]
    fn before_key(_: bool, _: &mut Vec<u8>) {}

    #[inline]
    fn after_key(_: &mut Vec<u8>) {}

    /// Put together before it is appended: the compiler knows the name, so that nothing is left of
    /// this but one copy of a known length.
    #[inline]
    fn field(name: &'static str, _: bool, out: &mut Vec<u8>) -> Result<(), Failed> {
        let bytes = name.as_bytes();
        if bytes.len() >= SHORT_TEXT {
            return Self::text(name, out);
        }
        let [len, ..] = bytes.len().to_le_bytes();
        let mut piece = [0xa0 | len; SHORT_TEXT];
        piece[1..=bytes.len()].copy_from_slice(bytes);
        out.extend_from_slice(&piece[..=bytes.len()]);
        Ok(())
    }

    #[inline]
    fn close_map(written: Written, out: &mut Vec<u8>) -> Result<(), Failed> {
        let Some((start, count)) = written.counted else { return Ok(()) };
        put_len_before(start, Kind::Map, count, out)
    }
}

/// Writes what stands before the payload.
pub(super) fn head(head: &Head, out: &mut Vec<u8>) -> Result<(), Failed> {
    text(&[0x90 | FIELDS], &head.kind, out)?;
    integer(&with_id(*b"\xc4\x10................", head.id), head.ts, out);
    let start = out.len();
    out.push(NIL);
    let mut entries = 0;
    if let Some(re) = head.re {
        out.extend_from_slice(&with_id(*b"\xa2re\xc4\x10................", re));
        entries += 1;
    }
    macro_rules! entry {
        ($write:ident($name:literal, $value:expr)$($fails:tt)?) => {
            if let Some(value) = $value {
                $write($name, value, out)$($fails)?;
                entries += 1;
            }
        };
    }
    entry!(integer(b"\xa3seq", head.seq));
    entry!(integer(b"\xa3ack", head.ack));
    entry!(text(b"\xa2ch", head.ch.as_deref())?);
    entry!(integer(b"\xa3off", head.off));
    entry!(integer(b"\xa4prev", head.prev));
    entry!(text(b"\xa3key", head.key.as_deref())?);
    entry!(integer(b"\xa3ttl", head.ttl));
    entry!(text(b"\xa2tp", head.tp.as_deref())?);
    if entries > 0 {
        out[start] = 0x80 | entries;
    }
    Ok(())
}

/// Puts an id where the dots are.
#[inline]
fn with_id<const N: usize>(mut field: [u8; N], id: MessageId) -> [u8; N] {
    field[N - 16..].copy_from_slice(id.0.as_bytes());
    field
}

/// Writes what stands before an integer, and the integer.
fn integer<const N: usize>(before: &[u8; N], value: u64, out: &mut Vec<u8>) {
    let [.., d, c, b, a] = value.to_be_bytes();
    match value {
        0x1_0000_0000.. => {
            let mut long = [0xcf; 9];
            long[1..].copy_from_slice(&value.to_be_bytes());
            piece::append(before, &long, out);
        }
        0x1_0000.. => piece::append(before, &[0xce, d, c, b, a], out),
        0x100.. => piece::append(before, &[0xcd, b, a], out),
        0x80.. => piece::append(before, &[0xcc, a], out),
        _ => piece::append(before, &[a], out),
    }
}

/// Writes what stands before a text, and the text.
#[inline]
fn text<const N: usize>(before: &[u8; N], value: &str, out: &mut Vec<u8>) -> Result<(), Failed> {
    let [len, ..] = value.len().to_le_bytes();
    match value.len() {
        ..SHORT_TEXT => piece::append(before, &[0xa0 | len], out),
        SHORT_TEXT..0x100 => piece::append(before, &[0xd9, len], out),
        _ => {
            out.extend_from_slice(before);
            write_len(Kind::Text, value.len(), out)?;
        }
    }
    out.extend_from_slice(value.as_bytes());
    Ok(())
}

/// The first length of a text that its marker does not hold.
const SHORT_TEXT: usize = 32;

/// What a length is of.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Bytes,
    List,
    Map,
}

/// Writes what stands before the content of a value of a length.
#[inline]
fn write_len(kind: Kind, len: usize, out: &mut Vec<u8>) -> Result<(), Failed> {
    // The marker that has the length in itself and the first length that it has not; those with
    // lengths of one, two and four bytes.
    let (short, end, one, two, four) = match kind {
        Kind::Text => (0xa0, 32, Some(0xd9), 0xda, 0xdb),
        Kind::Bytes => (0, 0, Some(0xc4), 0xc5, 0xc6),
        Kind::List => (0x90, 16, None, 0xdc, 0xdd),
        Kind::Map => (0x80, 16, None, 0xde, 0xdf),
    };
    let Ok(len) = u32::try_from(len) else { return Err(Failed::rule(rule::LENGTH)) };
    let [d, c, b, a] = len.to_be_bytes();
    match (len, one) {
        _ if len < end => out.push(short | a),
        (..0x100, Some(one)) => out.extend_from_slice(&[one, a]),
        (..0x1_0000, _) => out.extend_from_slice(&[two, b, a]),
        _ => out.extend_from_slice(&[four, d, c, b, a]),
    }
    Ok(())
}

/// Puts the length before a content that had to be written to know it.
fn put_len_before(start: usize, kind: Kind, len: usize, out: &mut Vec<u8>) -> Result<(), Failed> {
    let end = out.len();
    write_len(kind, len, out)?;
    let moved = out.len() - end;
    out[start..].rotate_right(moved);
    Ok(())
}

/// Takes the pieces of a text.
struct Pieces<'a>(&'a mut Vec<u8>);

impl Write for Pieces<'_> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        self.0.extend_from_slice(piece.as_bytes());
        Ok(())
    }
}
