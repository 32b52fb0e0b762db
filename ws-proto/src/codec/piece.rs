//! What is known before it is written.

/// The most that is put together.
const LONGEST: usize = 80;

/// Appends both at once: a copy whose length the compiler knows is a few stores and no call.
#[inline]
pub(super) fn append<const A: usize, const B: usize>(
    first: &[u8; A],
    second: &[u8; B],
    out: &mut Vec<u8>,
) {
    const { assert!(A + B <= LONGEST) };
    let mut piece = [0; LONGEST];
    piece[..A].copy_from_slice(first);
    piece[A..A + B].copy_from_slice(second);
    out.extend_from_slice(&piece[..A + B]);
}
