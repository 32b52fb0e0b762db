/** How long the server may take to answer the hello. */
export const HELLO_MS = 5000;
/** The server gets this long after a sleep, or when there is a reason to doubt. */
export const PROBE_MS = 3000;
/** A timer that is this late was asleep. */
export const ASLEEP_MS = 5000;

/** A bare `$ack` follows after this long, after this many frames, or events of a channel. */
export const ACK_MS = 250;
export const ACK_FRAMES = 32;
export const ACK_EVENTS = 16;
/** Bytes of a channel's place in an `$ack`, besides its address, and what an `$ack` leaves free. */
export const CHANNEL = 24;
export const RESERVE = 768;

/** The bounds of what waits and of what is not acknowledged (docs/protocol.md, section 12). */
export const FRAMES = 1024;
export const BYTES = 262_144;
/** A header's share of that, roughly. */
export const ENTRY = 160;
/** A header's share of a message's size, generously. */
export const HEAD = 512;
