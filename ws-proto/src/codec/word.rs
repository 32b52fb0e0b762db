//! Eight bytes of a text looked at as one number, the first byte as its lowest.

const ONES: u64 = u64::MAX / 255;
const HIGHS: u64 = ONES * 0x80;

/// 1 where a string of JSON has to be looked at: a quote, a backslash, a control character. With
/// one bit changed a quote stands right behind the control characters, and nothing else does.
#[inline]
pub(super) fn stop(byte: u8) -> u8 {
    u8::from(byte ^ 2 < 0x21) | u8::from(byte == b'\\')
}

/// Marks, by the highest bit, the first such byte of eight; bytes after it may be marked wrongly,
/// since a subtraction borrows from them.
#[inline]
pub(super) const fn stops(eight: u64) -> u64 {
    let quotes = (eight ^ (ONES * 2)).wrapping_sub(ONES * 0x21);
    let backslashes = (eight ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
    (quotes | backslashes) & !eight & HIGHS
}

/// The value of the digits at the start of eight bytes, and how many there are.
#[inline]
pub(super) const fn some_digits(eight: u64) -> (u64, u32) {
    let digits = eight ^ (ONES * b'0' as u64);
    // Marks what is no digit, by the highest bit; right up to the first mark.
    let others = (digits.wrapping_add(ONES * 0x76) | digits) & HIGHS;
    let count = others.trailing_zeros() / 8;
    // Digits that are not there become zeros before the others.
    let digits = if count == 0 { 0 } else { digits << (64 - 8 * count) };
    (eight_digits(digits), count)
}

/// The value of the digits at the start, and how many there are: as many as the text has; of more
/// than 19 digits, the value is that of something else.
pub(super) fn leading_digits(text: &[u8]) -> (u64, usize) {
    let (mut value, mut count) = (0_u64, 0);
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        count += 1;
    }
    (value, count)
}

/// Powers of ten; as many as three bits number.
pub(super) const TENS: [u64; 8] = {
    let mut tens = [1; 8];
    let mut exponent = 1;
    while exponent < 8 {
        tens[exponent] = tens[exponent - 1] * 10;
        exponent += 1;
    }
    tens
};

/// The number of eight digits, the first as the lowest byte: neighbours become one, three times.
#[inline]
const fn eight_digits(digits: u64) -> u64 {
    let pairs = (digits.wrapping_mul(10 << 8 | 1) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100 << 16 | 1) >> 16) & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(10_000 << 32 | 1) >> 32
}

/// Whether no byte of the block has to be looked at. Without an early exit, so that the compiler
/// judges as many at once as the machine can.
#[inline]
fn is_plain<const N: usize>(block: &[u8; N]) -> bool {
    block.iter().fold(0, |all, byte| all | stop(*byte)) == 0
}

/// Whether all bytes are ASCII; short texts are quicker here than in the standard library. What is
/// left at the end is looked at together with bytes before it.
#[inline]
pub(super) fn is_ascii(text: &[u8]) -> bool {
    if let Some(last) = text.last_chunk() {
        let (eights, _) = text.as_chunks();
        let all = |all, eight: &[u8; 8]| all | u64::from_le_bytes(*eight);
        return eights.iter().fold(u64::from_le_bytes(*last), all) & HIGHS == 0;
    }
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        return (u32::from_le_bytes(*first) | u32::from_le_bytes(*last)) & 0x8080_8080 == 0;
    }
    text.iter().fold(0, |all, byte| all | byte) < 0x80
}

/// Whether the bytes behind the first of eight are ASCII, as many as are asked for: at most seven.
#[inline]
pub(super) const fn is_ascii_behind(eight: u64, len: usize) -> bool {
    // The first byte is left out, and what stands behind those that count is shifted out.
    (eight & HIGHS & !0xff) << (56 - 8 * len) == 0
}

/// Whether two texts are the same, and have at most 16 bytes: their ends are compared, without a
/// call.
#[inline]
pub(super) fn is_same_short(one: &[u8], other: &[u8]) -> bool {
    #[inline]
    fn ends<const N: usize>(text: &[u8]) -> Option<[[u8; N]; 2]> {
        Some([*text.first_chunk()?, *text.last_chunk()?])
    }
    if one.len() != other.len() {
        return false;
    }
    if let (Some(one_ends), Some(other_ends)) = (ends::<8>(one), ends::<8>(other)) {
        return one.len() <= 16 && one_ends == other_ends;
    }
    if let (Some(one_ends), Some(other_ends)) = (ends::<4>(one), ends::<4>(other)) {
        return one_ends == other_ends;
    }
    one.iter().eq(other)
}

/// Whether a text stands in JSON as it is. What is left at its end is looked at together with bytes
/// before it, which are looked at twice.
pub(super) fn is_plain_text(text: &str) -> bool {
    let text = text.as_bytes();
    if let Some(last) = text.last_chunk::<32>() {
        let (blocks, rest) = text.as_chunks::<32>();
        return blocks.iter().all(is_plain) && (rest.is_empty() || is_plain(last));
    }
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        return is_plain::<16>(first) && is_plain::<16>(last);
    }
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        return is_plain::<8>(first) && is_plain::<8>(last);
    }
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        let [first, last] = [first, last].map(|four| u64::from(u32::from_le_bytes(*four)));
        return stops(first | last << 32) == 0;
    }
    text.iter().all(|byte| stop(*byte) == 0)
}

/// How many bytes at the start of a text stand in JSON as they are.
#[expect(clippy::inline_always, reason = "it is called for every string, by one function")]
#[inline(always)]
pub(super) fn plain(text: &[u8]) -> usize {
    let (blocks, rest) = text.as_chunks::<16>();
    let mut at = 0;
    // Not an adapter of iterators, which the compiler leaves as a function of its own.
    for block in blocks {
        if !is_plain(block) {
            return at + first_stop(block);
        }
        at += block.len();
    }
    at + few_plain(rest)
}

/// The place of the first byte of a block that has to be looked at.
#[inline]
fn first_stop(block: &[u8; 16]) -> usize {
    let stops_at = |at| {
        let eight = block.get(at..).and_then(<[u8]>::first_chunk);
        eight.map_or(0, |eight| stops(u64::from_le_bytes(*eight)))
    };
    let (first, second) = (stops_at(0), stops_at(8));
    let place = if first == 0 { 64 + second.trailing_zeros() } else { first.trailing_zeros() };
    place as usize / 8
}

#[inline(never)]
fn few_plain(text: &[u8]) -> usize {
    text.iter().take_while(|byte| stop(**byte) == 0).count()
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
            let is_stop = matches!(byte, b'"' | b'\\' | ..0x20);
            assert_eq!(found, u8::from(is_stop), "{byte:#x}");
        }
    }

    #[test]
    fn a_stop_is_found_at_every_place_of_every_length() {
        for len in 0..100 {
            let mut text = vec![b'a'; len];
            assert!(is_plain_text(str::from_utf8(&text).expect("ASCII")));
            assert_eq!(plain(&text), len);
            for place in 0..len {
                for stop in [b'"', b'\\', 0, 0x1f] {
                    text[place] = stop;
                    text[len - 1] = if place < len - 1 { b'"' } else { stop };
                    let as_text = str::from_utf8(&text).expect("ASCII");
                    assert!(!is_plain_text(as_text), "{stop:#x} at {place} of {len}");
                    assert_eq!(plain(&text), place, "{stop:#x} of {len}");
                }
                text[place] = b'a';
                text[len - 1] = b'a';
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

    #[test]
    fn of_eight_bytes_only_those_that_count_have_to_be_ascii() {
        for len in 0..8 {
            for place in 0..8 {
                let mut eight = [0x7f; 8];
                eight[place] = 0x80;
                let counts = (1..=len).contains(&place);
                assert_eq!(is_ascii_behind(u64::from_le_bytes(eight), len), !counts, "{place}");
            }
        }
    }

    #[test]
    fn texts_of_up_to_sixteen_bytes_are_the_same_where_every_byte_is() {
        let text: Vec<u8> = (0..40).collect();
        for len in 0..40 {
            let one = &text[..len];
            assert_eq!(is_same_short(one, one), len <= 16, "{len}");
            assert!(!is_same_short(one, &text[..=len]) && !is_same_short(&text[..=len], one));
            for place in 0..len {
                let mut other = one.to_vec();
                other[place] ^= 1;
                assert!(!is_same_short(one, &other), "{place} of {len}");
            }
        }
    }

    #[test]
    fn digits_are_read_up_to_sixteen_of_them() {
        let after = ["", ",", ".5", "e1", "/", ":", "\u{e9}", ",12345678901234567"];
        for digits in 0..=16 {
            let number = "9087654321098765".split_at(digits).0;
            for after in after {
                let text = format!("{number}{after}");
                let value = number.parse().unwrap_or(0);
                assert_eq!(leading_digits(text.as_bytes()), (value, digits), "{text}");
                if let Some(eight) = text.as_bytes().first_chunk() {
                    let eight = u64::from_le_bytes(*eight);
                    let value = number.get(..8).unwrap_or(number).parse().unwrap_or(0);
                    let (found, count) = some_digits(eight);
                    assert_eq!((found, count as usize), (value, digits.min(8)), "{text}");
                }
            }
        }
        assert_eq!(leading_digits(b"12345678901234567,").1, 17);
        assert_eq!(leading_digits(b"12345678901234567").1, 17);
    }
}
