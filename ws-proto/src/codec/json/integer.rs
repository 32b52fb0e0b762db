//! Integers of a JSON text, eight digits at once.

use crate::{codec::word, limits::Limits};

/// Of the largest integer; what has no more of them fits in 64 bits.
const DIGITS: usize = Limits::MAX_INTEGER.ilog10() as usize + 1;

/// The value of an integer from 0 to 2^53 - 1 that starts here, and its digits; none where it is
/// something else. One copy for whoever reads one, and its answer stays in registers.
#[inline(never)]
pub(super) fn read(bytes: &[u8], at: usize) -> (u64, usize) {
    let Some(eight) = bytes.get(at..).and_then(<[u8]>::first_chunk) else {
        return unusual_integer(bytes, at);
    };
    let eight = u64::from_le_bytes(*eight);
    let (value, count) = word::some_digits(eight);
    if count == 8 {
        return long_integer(bytes, at, value);
    }
    let [after, ..] = (eight >> (8 * count)).to_le_bytes();
    let is_zero = eight & 0xff == u64::from(b'0') && count > 1;
    if count == 0 || is_zero || matches!(after, b'.' | b'e' | b'E') {
        return unusual_integer(bytes, at);
    }
    (value, count as usize)
}

/// The same where the first eight digits have this value.
#[inline(never)]
fn long_integer(bytes: &[u8], at: usize, value: u64) -> (u64, usize) {
    let next = bytes.get(at..).and_then(<[u8]>::first_chunk::<16>);
    let Some([first, .., after]) = next.map(|next| next.as_chunks().0) else {
        return unusual_integer(bytes, at);
    };
    let after = u64::from_le_bytes(*after);
    let (more, count) = word::some_digits(after);
    let [next, ..] = after.checked_shr(8 * count).unwrap_or(u64::from(b'.')).to_le_bytes();
    if first[0] == b'0' || matches!(next, b'.' | b'e' | b'E') {
        return unusual_integer(bytes, at);
    }
    (value * word::TENS[count as usize & 7] + more, 8 + count as usize)
}

/// The same for 16 digits and more, where fewer bytes are left, and for what is none.
#[cold]
#[inline(never)]
fn unusual_integer(bytes: &[u8], at: usize) -> (u64, usize) {
    let text = bytes.get(at..).unwrap_or_default();
    let (value, digits) = word::leading_digits(text);
    let zero = digits > 1 && text.first() == Some(&b'0');
    let more = matches!(text.get(digits), Some(b'.' | b'e' | b'E'));
    if digits > DIGITS || zero || more || value > Limits::MAX_INTEGER {
        return (0, 0);
    }
    (value, digits)
}
