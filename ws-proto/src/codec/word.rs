//! Eight bytes of a text looked at as one number, the first byte as its lowest.

const ONES: u64 = u64::MAX / 255;
const HIGHS: u64 = ONES * 0x80;

/// 1 where a string of JSON has to be looked at: a quote, a backslash, a control character.
#[inline]
fn stop(byte: u8) -> u8 {
    u8::from(byte == b'"') | u8::from(byte == b'\\') | u8::from(byte < 0x20)
}

/// Marks, by the highest bit, the first such byte of eight; bytes after it may be marked wrongly,
/// since a subtraction borrows from them.
#[inline]
pub(super) const fn stops(eight: u64) -> u64 {
    let quote = eight ^ (ONES * b'"' as u64);
    let backslash = eight ^ (ONES * b'\\' as u64);
    let quotes = quote.wrapping_sub(ONES) & !quote;
    let backslashes = backslash.wrapping_sub(ONES) & !backslash;
    let controls = eight.wrapping_sub(ONES * 0x20) & !eight;
    (quotes | backslashes | controls) & HIGHS
}

/// Whether no byte of the block has to be looked at. Without an early exit, so that the compiler
/// judges as many at once as the machine can.
#[inline]
fn is_plain(block: &[u8; 32]) -> bool {
    block.iter().fold(0, |all, byte| all | stop(*byte)) == 0
}

/// How many bytes need no look: 32 at a time, and then eight.
#[inline]
pub(super) fn plain(text: &[u8]) -> usize {
    let mut at = 0;
    while chunk(text, at).is_some_and(is_plain) {
        at += 32;
    }
    while let Some(eight) = chunk(text, at) {
        let stops = stops(u64::from_le_bytes(*eight));
        if stops != 0 {
            return at + (stops.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    let rest = text.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| stop(**byte) == 0).count()
}

/// The value of the digits at the start, and how many there are. The value is that of the digits
/// when there are no more than 16 of them.
#[inline]
pub(super) fn integer(text: &[u8]) -> (u64, usize) {
    let Some((mut value, count)) = some_digits(text, 0) else { return few_digits(text, 0, 0) };
    if count < 8 {
        return (value, count);
    }
    let mut at = 8;
    while let Some((more, count)) = some_digits(text, at) {
        value = value.wrapping_mul(TENS[count & 15]).wrapping_add(more);
        at += count;
        if count < 8 {
            return (value, at);
        }
    }
    few_digits(text, value, at)
}

/// The value of the digits among the next eight bytes, and how many there are; `None` where fewer
/// bytes are left.
#[inline]
fn some_digits(text: &[u8], at: usize) -> Option<(u64, usize)> {
    let digits = u64::from_le_bytes(*chunk(text, at)?) ^ (ONES * b'0' as u64);
    // Marks what is no digit, by the highest bit; right up to the first mark.
    let others = (digits.wrapping_add(ONES * 0x76) | digits) & HIGHS;
    let count = others.trailing_zeros() / 8;
    // Digits that are not there become zeros before the others.
    let digits = digits.checked_shl(64 - 8 * count).unwrap_or(0);
    Some((eight_digits(digits), count as usize))
}

fn few_digits(text: &[u8], mut value: u64, mut at: usize) -> (u64, usize) {
    for byte in text.get(at..).unwrap_or_default() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        at += 1;
    }
    (value, at)
}

/// Powers of ten; as many as four bits number.
const TENS: [u64; 16] = {
    let mut tens = [1; 16];
    let mut exponent = 1;
    while exponent < 16 {
        tens[exponent] = tens[exponent - 1] * 10;
        exponent += 1;
    }
    tens
};

/// The number of eight digits, the first as the lowest byte: neighbours become one, three times.
#[inline]
const fn eight_digits(digits: u64) -> u64 {
    let pairs = digits.wrapping_mul(10 << 8 | 1) >> 8 & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100 << 16 | 1) >> 16 & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(10_000 << 32 | 1) >> 32
}

#[inline]
fn chunk<const N: usize>(text: &[u8], at: usize) -> Option<&[u8; N]> {
    text.get(at..).and_then(<[u8]>::first_chunk)
}

/// Whether all bytes are ASCII; short texts are quicker here than in the standard library.
#[inline]
pub(super) fn is_ascii(text: &[u8]) -> bool {
    let (eights, rest) = text.as_chunks();
    let high = eights.iter().fold(0, |all, eight| all | u64::from_le_bytes(*eight));
    high & HIGHS == 0 && rest.iter().fold(0, |all, byte| all | byte) < 0x80
}

/// Whether a text stands in JSON as it is.
#[inline]
pub(super) fn is_plain_text(text: &str) -> bool {
    let (eights, rest) = text.as_bytes().as_chunks();
    let all = eights.iter().fold(0, |all, eight| all | stops(u64::from_le_bytes(*eight)));
    all == 0 && rest.iter().fold(0, |all, byte| all | stop(*byte)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_stop_of_eight_bytes_is_found_at_every_place() {
        for stop in [b'"', b'\\', 0, 0x1f] {
            for place in 0..8 {
                for around in [b'a', b' ', b'!', b'#', b'[', b']', 0x7f, 0x80, 0xa2, 0xdc, 0xff] {
                    let mut eight = [around; 8];
                    assert_eq!(stops(u64::from_le_bytes(eight)), 0, "{around:#x}");
                    eight[place] = stop;
                    let found = stops(u64::from_le_bytes(eight)).trailing_zeros() / 8;
                    assert_eq!(found as usize, place, "{stop:#x} among {around:#x}");
                }
            }
        }
    }

    #[test]
    fn a_stop_is_what_the_mark_of_eight_bytes_finds() {
        for byte in 0..=u8::MAX {
            let mut eight = [b'a'; 8];
            eight[3] = byte;
            let found = u8::from(stops(u64::from_le_bytes(eight)) != 0);
            assert_eq!(found, stop(byte), "{byte:#x}");
            let mut block = [b'a'; 32];
            block[17] = byte;
            assert_eq!(is_plain(&block), found == 0, "{byte:#x}");
            for place in 0..10 {
                let mut text = [b'a'; 10];
                text[place] = byte & 0x7f;
                let text = str::from_utf8(&text).expect("ASCII");
                assert_eq!(is_plain_text(text), stop(byte & 0x7f) == 0, "{text:?}");
            }
        }
    }

    #[test]
    fn a_byte_past_ascii_is_found_at_every_place_of_every_length() {
        for len in 0..20 {
            let mut text = vec![b'a'; len];
            assert!(is_ascii(&text));
            for place in 0..len {
                text[place] = 0x80;
                assert!(!is_ascii(&text), "{place} of {len}");
                text[place] = 0x7f;
            }
        }
    }
}
