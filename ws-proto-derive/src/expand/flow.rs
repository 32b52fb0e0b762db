//! What a handler gets besides the payload: the way for items, or the parts of an upload.

use crate::ast::Variant;
use quote::format_ident;
use syn::{Ident, Type};

/// Makes something of the type that a handler gets, what that carries, and its name; `None` for a
/// request that is one message and one answer.
pub(super) fn flow<T>(variant: &Variant, make: impl FnOnce(Ident, &Type, &str) -> T) -> Option<T> {
    let (word, carrier, name) = if variant.words.flag("stream") {
        ("stream", "Items", "items")
    } else {
        ("upload", "Parts", "parts")
    };
    variant.words.ty(word).map(|ty| make(format_ident!("{carrier}"), ty, name))
}
