//! What is generated for other languages, given to their strictest compilers.

#![expect(unreachable_pub, reason = "the types of the protocol live in a test")]

mod python;
mod shapes;
mod typescript;
