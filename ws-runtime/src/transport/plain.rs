//! Frames that need no codec: whole messages of data that were read to their end, as nearly all
//! are (RFC 6455, section 5.2).

use ws_proto::Format;

/// Bytes of a mask.
pub(super) const MASK: usize = 4;

/// What the first bytes of a frame say, as far as it matters for whose the frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHead {
    /// Final, reserved bits and opcode.
    first: u8,
    mask: Option<[u8; MASK]>,
    /// Bytes of the head itself.
    size: usize,
    length: u64,
}

impl FrameHead {
    /// Reads it from bytes of a client; `None` while some of it are missing.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (&[first, second], rest) = bytes.split_first_chunk()?;
        let (length, rest) = match second & 0x7f {
            126 => rest.split_first_chunk().map(|(n, rest)| (u16::from_be_bytes(*n).into(), rest)),
            127 => rest.split_first_chunk().map(|(n, rest)| (u64::from_be_bytes(*n), rest)),
            short => Some((short.into(), rest)),
        }?;
        let (mask, rest) = if second & 0x80 == 0 {
            (None, rest)
        } else {
            rest.split_first_chunk().map(|(mask, rest)| (Some(*mask), rest))?
        };
        Some(Self { first, mask, size: bytes.len() - rest.len(), length })
    }

    /// Where its message stands and what masks it, if the frame is a message of this format, alone,
    /// masked, and no longer than `bytes`, which begin with it.
    pub(super) fn plain(&self, format: Format, bytes: &[u8]) -> Option<(usize, usize, [u8; MASK])> {
        let whole = match format {
            Format::Json => 0x81,
            Format::MessagePack => 0x82,
        };
        let mask = self.mask.filter(|_| self.first == whole)?;
        let end = self.end().filter(|end| *end <= bytes.len())?;
        Some((self.size, end, mask))
    }

    /// Bytes of the whole frame, where a size can say it.
    pub(super) fn end(&self) -> Option<usize> {
        usize::try_from(self.length).ok()?.checked_add(self.size)
    }

    /// Whether more fragments of a message follow this frame, behind one after which they did.
    pub(super) const fn leaves_open(&self, was_open: bool) -> bool {
        // Frames of control come between fragments and change nothing.
        if self.first & 0x08 == 0 { self.first & 0x80 == 0 } else { was_open }
    }
}

/// Masks bytes, or takes their mask away; whether each of them is then ASCII.
pub(super) fn mask(bytes: &mut [u8], mask: [u8; MASK]) -> bool {
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut seen = 0;
    let (words, rest) = bytes.as_chunks_mut();
    for word in words {
        let masked = u64::from_ne_bytes(*word) ^ wide;
        *word = masked.to_ne_bytes();
        seen |= masked;
    }
    for (byte, key) in rest.iter_mut().zip(wide.to_ne_bytes()) {
        *byte ^= key;
        seen |= u64::from(*byte);
    }
    seen & HIGH == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; MASK] = [1, 2, 3, 4];

    #[test]
    fn a_head_is_read_when_all_of_it_is_there() {
        let short = [0x81, 0x85, 1, 2, 3, 4];
        let middle = [0x82, 0xfe, 1, 0, 1, 2, 3, 4];
        let long = [0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4];
        for (head, length) in [(&short[..], 5), (&middle, 256), (&long, 65_536)] {
            for missing in 1..=head.len() {
                assert_eq!(FrameHead::read(&head[..head.len() - missing]), None);
            }
            let (first, mask) = (head[0], Some(KEY));
            let read = FrameHead { first, mask, size: head.len(), length };
            assert_eq!(FrameHead::read(&[head, b"more"].concat()), Some(read));
        }
    }

    #[test]
    fn only_a_whole_masked_message_of_the_format_needs_no_codec() {
        let is_plain = |first: u8, second: u8, is_there: usize| {
            let mut bytes = vec![first, second, 1, 2, 3, 4];
            bytes.resize(6 + is_there, 0);
            let head = FrameHead::read(&bytes).unwrap();
            head.plain(Format::Json, &bytes).is_some()
        };
        assert!(is_plain(0x81, 0x83, 3));
        assert!(is_plain(0x81, 0x83, 9));
        assert!(!is_plain(0x81, 0x83, 2), "not all of it is there");
        assert!(!is_plain(0x81, 0x03, 9), "no client sends it without a mask");
        assert!(!is_plain(0x82, 0x83, 9), "not text");
        assert!(!is_plain(0x01, 0x83, 9), "a fragment");
        assert!(!is_plain(0x80, 0x83, 9), "the last fragment");
        assert!(!is_plain(0xc1, 0x83, 9), "a reserved bit");
        assert!(!is_plain(0x89, 0x83, 9), "a ping");
        let endless = [0x81, 0xff, 255, 255, 255, 255, 255, 255, 255, 255, 1, 2, 3, 4];
        let head = FrameHead::read(&endless).unwrap();
        assert_eq!((head.plain(Format::Json, &endless), head.end()), (None, None));
    }

    #[test]
    fn only_the_last_fragment_closes_a_message() {
        let open =
            |first: u8, was_open| FrameHead::read(&[first, 0]).unwrap().leaves_open(was_open);
        assert!(open(0x01, false));
        assert!(open(0x00, true));
        assert!(open(0x89, true), "a ping between fragments");
        assert!(!open(0x80, true));
        assert!(!open(0x81, false));
        assert!(!open(0x89, false));
    }

    #[test]
    fn a_mask_goes_round_its_four_bytes() {
        for length in 0..40 {
            let mut bytes = vec![0; length];
            assert!(mask(&mut bytes, KEY));
            let cycled: Vec<u8> = KEY.into_iter().cycle().take(length).collect();
            assert_eq!(bytes, cycled);
        }
    }

    #[test]
    fn one_byte_that_is_not_ascii_is_noticed_wherever_it_is() {
        for place in 0..40 {
            let mut bytes = vec![b'a'; 40];
            bytes[place] = 0x80;
            assert!(!mask(&mut bytes, KEY), "{place}");
        }
    }
}
