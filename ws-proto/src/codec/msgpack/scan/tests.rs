//! What is usual against the longer look.

use super::*;

/// Values, parts of values, and what opens some, so that many sequences are values and many are
/// nearly some.
const PARTS: [&[u8]; 22] = [
    b"\x07",
    b"\xc0",
    b"\xe0",
    b"\xcd\x01\x00",
    b"\xcb\x3f\xf0\0\0\0\0\0\0",
    b"\xa0",
    b"\xa2by",
    b"\xa4text",
    b"\xa7is_read",
    b"\xa8is_large",
    b"\xa3\xc3\xa9e",
    b"\xa2\xc3e",
    b"\xd9\x03abc",
    b"\xd9\x22-------- more than 31 letters --------",
    b"\x80",
    b"\x81",
    b"\x82",
    b"\x90",
    b"\x91",
    b"\x92",
    b"\xdc\0\x02",
    b"\xde\0\x01",
];

#[test]
fn what_is_usual_ends_where_a_longer_look_says_and_is_as_deep() {
    let mut random = fastrand::Rng::with_seed(7);
    let (mut good, mut refused) = (0, 0);
    for _ in 0..200_000 {
        let (parts, depth) = (random.usize(1..12), random.usize(0..5));
        let parts: Vec<&[u8]> = (0..parts).map(|_| *random.choice(&PARTS).expect("some")).collect();
        let bytes = parts.concat();
        let mut scanner = Scanner::new(&bytes);
        let looked = scanner.any_value(depth).ok().map(|()| scanner.at());
        let found = usual(&bytes, 0, Content { count: 1, is_map: false }, depth);
        if found.is_some() {
            assert_eq!(found, looked, "{bytes:x?}, {depth} levels");
            good += usize::from(bytes[0] >= 0x80);
        }
        refused += usize::from(looked.is_none());
    }
    assert!(good > 10_000 && refused > 10_000, "{good} are good, {refused} are not");
}

#[test]
fn an_integer_is_the_same_wherever_the_message_ends_behind_it() {
    for value in [0, 0x7f, 0x80, 0xff, 0x1234, 0x1_0000, 0x1_0000_0000, Limits::MAX_INTEGER] {
        let eight = value.to_be_bytes();
        for (marker, width) in [(0xcc, 1), (0xcd, 2), (0xce, 4), (0xcf, 8)] {
            let (before, last) = eight.split_at(8 - width);
            if before.iter().any(|byte| *byte != 0) {
                continue;
            }
            let mut bytes = [&[marker], last].concat();
            for more in 0..10 {
                let mut scanner = Scanner::new(&bytes);
                assert_eq!(scanner.small(), Some(value), "{more} behind it");
                assert_eq!(scanner.at(), 1 + width);
                bytes.push(0xff);
            }
            let mut scanner = Scanner::new(&bytes[..width]);
            assert_eq!((scanner.small(), scanner.at()), (None, 0), "cut");
        }
    }
}
