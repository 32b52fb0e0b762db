//! Numbers as digits, eight of them worked out at once as the bytes of one number, the first byte
//! as its lowest.

use super::piece;
use crate::limits::Limits;

/// Eight times the digit `0`.
const ZEROS: u64 = 0x3030_3030_3030_3030;
const ZEROS_TWICE: u128 = (ZEROS as u128) << 64 | ZEROS as u128;
const EIGHT_DIGITS: u64 = 100_000_000;

/// Appends what stands before an integer of at most 2^53 - 1, and the integer, which has 16 digits
/// at most. All of 8 or 16 digits are appended, and those past the number taken back.
#[inline]
pub(super) fn write<const N: usize>(before: &[u8; N], number: u64, out: &mut Vec<u8>) {
    debug_assert!(number <= Limits::MAX_INTEGER, "was checked before");
    if number < EIGHT_DIGITS {
        let digits = decimal(number);
        // The mark in the last byte keeps the zero of the number 0.
        let zeros = (digits | 1 << 56).trailing_zeros() / 8;
        let digits = (digits | ZEROS) >> (zeros * 8);
        piece::append(before, &digits.to_le_bytes(), out);
        out.truncate(out.len() - zeros as usize);
    } else {
        let high = u128::from(decimal(number / EIGHT_DIGITS));
        let digits = high | u128::from(decimal(number % EIGHT_DIGITS)) << 64;
        let zeros = high.trailing_zeros() / 8;
        let digits = (digits | ZEROS_TWICE) >> (zeros * 8);
        piece::append(before, &digits.to_le_bytes(), out);
        out.truncate(out.len() - zeros as usize);
    }
}

/// Bytes as hexadecimal digits. By itself the compiler works out all bytes at once, and one after
/// the other where it is part of something larger.
#[inline(never)]
pub(super) fn hexadecimal(bytes: &[u8; 16]) -> [u8; 32] {
    let mut text = [0; 32];
    text.copy_from_slice(bytes.map(two).as_flattened());
    text
}

/// The bytes that hexadecimal digits stand for, with the hyphens of a UUID among them; `None` for
/// anything else. Without a branch and a table, so that many digits are looked at at once.
#[inline(never)]
pub(super) fn from_hyphenated(text: &[u8; 36]) -> Option<[u8; 16]> {
    let four = |at: usize| u32::from_le_bytes([text[at], text[at + 1], text[at + 2], text[at + 3]]);
    let eight = |first, second| u64::from(four(first)) | u64::from(four(second)) << 32;
    let digits = [eight(0, 4), eight(9, 14), eight(19, 24), eight(28, 32)];
    let hyphens = [text[8], text[13], text[18], text[23]];
    let mut numbers = [0; 32];
    for (eight, digits) in numbers.as_chunks_mut::<8>().0.iter_mut().zip(digits) {
        *eight = digits.to_le_bytes();
    }
    for number in &mut numbers {
        *number = hexadecimal_number(*number);
    }
    let all = numbers.iter().fold(0, |all, number| all | number);
    if all > 0xf || hyphens != [b'-'; 4] {
        return None;
    }
    let (pairs, _) = numbers.as_chunks();
    let mut bytes = [0; 16];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = high << 4 | low;
    }
    Some(bytes)
}

/// The number that a digit stands for; past 15 where it is none.
#[inline]
const fn hexadecimal_number(digit: u8) -> u8 {
    let number = digit.wrapping_sub(b'0');
    let letter = (digit | 0x20).wrapping_sub(b'a');
    let of_letter = if letter < 6 { letter + 10 } else { 0xff };
    if number < 10 { number } else { of_letter }
}

/// A byte as two hexadecimal digits.
#[inline]
pub(super) const fn two(byte: u8) -> [u8; 2] {
    [hexadecimal_digit(byte >> 4), hexadecimal_digit(byte & 0xf)]
}

/// Without a table, so that many are worked out at once.
#[inline]
const fn hexadecimal_digit(number: u8) -> u8 {
    b'0' + number + if number > 9 { b'a' - b'0' - 10 } else { 0 }
}

/// The eight digits, with zeros in front, of a number of at most eight: it is cut in halves three
/// times, and a product with a shift stands for each division.
#[inline]
const fn decimal(number: u64) -> u64 {
    let fours = (number / 10_000) | ((number % 10_000) << 32);
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let twos = hundreds | (fours - hundreds * 100) << 16;
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | (twos - tens * 10) << 8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(number: u64) -> String {
        let mut out = b"before".to_vec();
        write(b"", number, &mut out);
        String::from_utf8(out.split_off(6)).expect("digits")
    }

    #[test]
    fn every_number_of_four_digits_is_right_at_both_ends_of_eight() {
        for number in 0..10_000 {
            assert_eq!(written(number), number.to_string());
            for number in [number * 10_000, 99_990_000 + number] {
                assert_eq!(written(number), number.to_string());
            }
        }
    }

    #[test]
    fn both_sides_of_every_power_and_the_largest_number_are_right() {
        let powers = (0..16).map(|power| 10_u64.pow(power)).chain((0..53).map(|bit| 1 << bit));
        for power in powers.chain([Limits::MAX_INTEGER]) {
            for number in [power - 1, power, power / 7 * 3] {
                assert_eq!(written(number), number.to_string());
            }
        }
    }

    #[test]
    fn every_byte_has_its_two_hexadecimal_digits_at_every_place() {
        for byte in 0..=u8::MAX {
            let mut bytes = [byte; 16];
            bytes[usize::from(byte) % 16] = !byte;
            let expected = bytes.map(|byte| format!("{byte:02x}")).concat();
            assert_eq!(hexadecimal(&bytes), expected.as_bytes());
        }
    }
    #[test]
    fn a_uuid_is_read_as_its_own_crate_reads_it_whatever_byte_stands_at_a_place() {
        let good = *b"01234567-89ab-cdef-FEDC-BA9876543210";
        for place in 0..good.len() {
            for byte in 0..=u8::MAX {
                let mut text = good;
                text[place] = byte;
                let expected = uuid::Uuid::try_parse_ascii(&text).ok().map(uuid::Uuid::into_bytes);
                assert_eq!(from_hyphenated(&text), expected, "{byte:#x} at {place}");
            }
        }
    }
}
