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

/// How many decimal digits the eight bytes begin with, and the number that they stand for.
#[inline]
pub(super) const fn digits(eight: u64) -> (usize, u64) {
    let values = eight ^ (ONES * b'0' as u64);
    // Past 9 the addition reaches the highest bit; it carries into no other byte.
    let others = (((values & !HIGHS) + ONES * 0x76) | values) & HIGHS;
    let count = others.trailing_zeros() as usize / 8;
    if count == 0 {
        return (0, 0);
    }
    // Zeros go in front, so that there are eight digits; then pairs, fours and all are joined.
    let eight = values << (64 - 8 * count);
    let pairs = eight.wrapping_mul(10).wrapping_add(eight >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    (count, fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff)
}

/// Whether no byte of the block has to be looked at. Without an early exit, so that the compiler
/// judges as many at once as the machine can.
#[inline]
pub(super) fn is_plain(block: &[u8; 32]) -> bool {
    block.iter().fold(0, |all, byte| all | stop(*byte)) == 0
}

/// Whether all bytes are ASCII; short texts are quicker here than in the standard library.
#[inline]
pub(super) fn is_ascii(text: &[u8]) -> bool {
    let (eights, rest) = text.as_chunks();
    let high = eights.iter().fold(0, |all, eight| all | u64::from_le_bytes(*eight));
    high & HIGHS == 0 && rest.iter().fold(0, |all, byte| all | byte) < 0x80
}

/// 10 to the power of a count of digits.
pub(super) const POWERS: [u64; 9] =
    [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

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
    fn digits_are_counted_and_read_up_to_the_first_other_byte() {
        for end in 0..=u8::MAX {
            for count in 0..=8 {
                let mut eight = *b"70918254";
                if let Some(place) = eight.get_mut(count) {
                    *place = end;
                }
                let digits = eight.iter().take_while(|byte| byte.is_ascii_digit()).count();
                let text = str::from_utf8(&eight[..digits]).expect("digits");
                let expected = (digits, text.parse().unwrap_or(0));
                assert_eq!(super::digits(u64::from_le_bytes(eight)), expected, "{eight:?}");
            }
        }
    }
}
