//! The rules that go across words and variants, one function each.

use crate::{
    ast::{Field, Item, Role, Shape, Travels, Variant, as_enum, snake},
    attr::{self, Words},
    ctxt::Ctxt,
};
use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use std::collections::BTreeMap;
use syn::{DataEnum, DeriveInput, Ident, Type, ext::IdentExt, spanned::Spanned};

/// Longest wire name, so that `channel.event` stays within 128 bytes.
const NAME_LEN: usize = 63;
/// The integers that can pass 2^53 - 1.
const WIDE: [&str; 6] = ["u64", "i64", "u128", "i128", "usize", "isize"];

/// The derive goes on an enum without parameters.
pub(crate) fn plain_enum<'a>(
    cx: &Ctxt,
    input: &'a DeriveInput,
    role: Role,
) -> Option<&'a DataEnum> {
    let (derive, noun) = (role.derive(), role.noun());
    let Some(data) = as_enum(input) else {
        let sentence = format!("`#[derive({derive})]` goes on an enum: each variant is one {noun}");
        cx.at(input.ident.span(), sentence);
        return None;
    };
    if input.generics.params.is_empty() {
        return Some(data);
    }
    let sentence = format!("`#[derive({derive})]` goes on an enum without generic parameters");
    cx.over(&input.generics, sentence);
    None
}

/// Every rule for one enum. A variant that breaks one is poisoned.
pub(crate) fn item(cx: &Ctxt, item: &mut Item) {
    let role = item.role;
    for variant in &mut item.variants {
        let before = cx.count();
        shape(cx, variant, role);
        wire_name(cx, variant, role);
        ages(cx, variant);
        match role {
            Role::Request => request(cx, variant),
            Role::Channel => channel(cx, variant),
            Role::Event => event(cx, variant),
            Role::Address => {}
        }
        variant.poisoned |= cx.count() > before;
    }
    names_once(cx, item);
    match role {
        Role::Request => {
            payloads_once(cx, item);
            generated_names(cx, item);
        }
        Role::Channel => generated_names(cx, item),
        Role::Event => unknown_once(cx, item),
        Role::Address => {}
    }
}

/// The words of a field that exclude each other or mean nothing in this role.
pub(crate) fn field_words(cx: &Ctxt, words: &Words, role: Role) {
    if let Some(second) = words.later_of("bounded", "text") {
        cx.at(second, "`text` and `bounded` exclude each other: an integer travels in one way");
    }
    if let (Role::Request, Some(latest)) = (role, words.span("latest")) {
        let sentence = "`latest` belongs on a field of an event: it says for what only the newest \
                        value counts";
        cx.at(latest, sentence);
    }
    if let (Role::Event, Some(redact)) = (role, words.span("redact")) {
        let sentence = "`redact` belongs on a field of a request: the `Debug` of an event enum is \
                        your own";
        cx.at(redact, sentence);
    }
}

/// `#[ws(..)]` has no words for the fields of this role.
pub(crate) fn no_field_words(cx: &Ctxt, field: &syn::Field, role: Role) {
    for attr in field.attrs.iter().filter(|attr| attr.path().is_ident("ws")) {
        let noun = role.noun();
        cx.over(attr, format!("`#[ws(..)]` has no words for the field of a {noun}"));
    }
}

fn shape(cx: &Ctxt, variant: &Variant, role: Role) {
    let ident = &variant.ident;
    match (role, &variant.shape) {
        (Role::Address, Shape::Unit) => {}
        (Role::Address, _) => cx.at(
            ident.span(),
            format!("`{ident}` has fields: an address field is an enum of variants without any"),
        ),
        (Role::Channel, Shape::Newtype(_) | Shape::Tuple) => cx.at(
            ident.span(),
            format!(
                "the fields of a channel are its address, so they have names: write `{ident} {{ \
                 id: .. }}`"
            ),
        ),
        (_, Shape::Tuple) => cx.at(
            ident.span(),
            format!(
                "`{ident}` needs named fields, one payload type, or nothing: write `{ident} {{ .. \
                 }}` or `{ident}(SomeType)`"
            ),
        ),
        (Role::Channel, Shape::Struct(fields)) => channel_fields(cx, fields),
        (Role::Request | Role::Event, Shape::Struct(fields)) => {
            for field in fields {
                integers(cx, field);
                if field.latest {
                    latest_field(cx, &field.ty);
                }
            }
        }
        (Role::Request | Role::Event, Shape::Newtype(ty)) => nested_integers(cx, ty),
        (_, Shape::Unit) => {}
    }
}

fn wire_name(cx: &Ctxt, variant: &Variant, role: Role) {
    let wire = &variant.wire;
    let span = variant.words.text("name").map_or_else(|| variant.ident.span(), Spanned::span);
    let is_plain = wire.starts_with(|c: char| c.is_ascii_lowercase())
        && wire.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if is_plain && wire.len() <= NAME_LEN {
        return;
    }
    let is_given = variant.words.flag("name") || role == Role::Address;
    let remedy = if is_given { "" } else { ": write `name = \"..\"` in its attribute" };
    cx.at(
        span,
        format!(
            "`{wire}` is no wire name, which has 1 to {NAME_LEN} of `a-z`, `0-9` and `_` and \
             starts with a letter{remedy}"
        ),
    );
}

fn ages(cx: &Ctxt, variant: &Variant) {
    let (since, removed) = (variant.since(), variant.words.number("removed"));
    if let (Some(removed), Some(span)) = (removed, variant.words.span("removed"))
        && removed <= since
    {
        cx.at(span, format!("`removed = {removed}` must be later than `since = {since}`"));
    }
}

fn request(cx: &Ctxt, variant: &Variant) {
    let Variant { ident, words, .. } = variant;
    if let Some(second) = words.later_of("idempotent", "dedup") {
        let sentence = "`dedup` and `idempotent` exclude each other: a request that may run twice \
                        needs no stored result";
        cx.at(second, sentence);
    }
    stream(cx, words);
    upload(cx, words);
    for word in ["reply", "error", "stream", "upload"] {
        if let Some(ty) = words.ty(word) {
            nested_integers(cx, ty);
        }
    }
    if !variant.poisoned && !words.flag("reply") {
        let sentence = format!(
            "`{ident}` does not say what answers it: write `#[rpc(reply = SomeType)]`, or `reply = \
             ()` where there is nothing to say"
        );
        cx.at(ident.span(), sentence);
    }
}

/// What a stream cannot be besides.
fn stream(cx: &Ctxt, words: &Words) {
    if let (Some("handled"), Some(second)) = (words.choice("ack"), words.later_of("stream", "ack"))
    {
        let sentence = "`stream` and `ack = handled` exclude each other: the credit for the items \
                        could not be acknowledged before the handler has returned, and fills what \
                        the client keeps";
        cx.at(second, sentence);
    }
}

/// What an upload cannot be besides.
fn upload(cx: &Ctxt, words: &Words) {
    for word in ["idempotent", "dedup"] {
        if let Some(second) = words.later_of("upload", word) {
            let sentence = format!(
                "`upload` and `{word}` exclude each other: parts are not kept once they are sent, \
                 so an upload is never sent again by itself"
            );
            cx.at(second, sentence);
        }
    }
    if let Some(second) = words.later_of("upload", "stream") {
        let sentence = "`upload` and `stream` exclude each other: make two requests of it, one for \
                        each direction";
        cx.at(second, sentence);
    }
    if let (Some("handled"), Some(second)) = (words.choice("ack"), words.later_of("upload", "ack"))
    {
        let sentence = "`upload` and `ack = handled` exclude each other: the parts could not be \
                        acknowledged before the handler has returned, which waits for them";
        cx.at(second, sentence);
    }
}

fn channel(cx: &Ctxt, variant: &Variant) {
    let Variant { ident, words, .. } = variant;
    match words.choice("delivery") {
        Some("best_effort") => {
            for word in ["history", "history_bytes", "history_secs"] {
                let Some(span) = words.span(word) else { continue };
                let sentence = "needs `delivery = at_least_once`: best-effort events are not kept";
                cx.at(span, format!("`{word}` {sentence}"));
            }
        }
        Some(_) => {
            if let Some(latest) = words.span("latest") {
                let sentence = "`latest` needs `delivery = best_effort`: every event is delivered \
                                here, so none takes the place of another";
                cx.at(latest, sentence);
            }
        }
        None => {}
    }
    snapshot(cx, variant);
    if variant.poisoned {
        return;
    }
    let sentence = match (words.flag("event"), words.flag("delivery")) {
        (true, true) => return,
        (false, false) => format!(
            "`{ident}` does not say what it carries and what is promised: write `#[channel(event = \
             SomeEvent, delivery = at_least_once)]`, or `delivery = best_effort`"
        ),
        (false, true) => format!(
            "`{ident}` does not say what it carries: write `event = SomeEvent` in its \
             `#[channel(..)]`"
        ),
        (true, false) => format!(
            "`{ident}` does not say what is promised about its events: write `delivery = \
             at_least_once` or `delivery = best_effort` in its `#[channel(..)]`"
        ),
    };
    cx.at(ident.span(), sentence);
}

/// A type that is known to have no single text form.
fn is_no_text(ty: &Type) -> bool {
    let none = ["f32", "f64", "Vec", "Option", "HashMap", "BTreeMap"];
    last_segment(ty).is_some_and(|last| none.contains(&last.as_str()))
}

/// What names a value is compared as text.
fn latest_field(cx: &Ctxt, ty: &Type) {
    if is_no_text(ty) {
        let shown = shown(ty);
        let sentence = format!(
            "`{shown}` cannot be `#[ws(latest)]`: what names a value is a `String`, an integer, \
             `bool`, `Uuid`, or an enum with `#[derive(AddressField)]`"
        );
        cx.over(ty, sentence);
    }
}

/// The position is what puts a state and the events after it in order.
fn snapshot(cx: &Ctxt, variant: &Variant) {
    let words = &variant.words;
    let snapshot = words.span("snapshot");
    if let (Some("best_effort"), Some(snapshot)) = (words.choice("delivery"), snapshot) {
        let sentence = "`snapshot` needs `delivery = at_least_once`: without positions nobody \
                        knows which events a state shows";
        cx.at(snapshot, sentence);
    }
    if let Some(ty) = words.ty("snapshot") {
        nested_integers(cx, ty);
    }
}

/// A float or a list is refused here, so that the generated struct adds no errors of its own.
fn channel_fields(cx: &Ctxt, fields: &[Field]) {
    for Field { ty, .. } in fields {
        if is_no_text(ty) {
            let shown = shown(ty);
            let sentence = format!(
                "`{shown}` cannot stand in a channel address: its fields are `String`, integers, \
                 `bool`, `Uuid`, or enums with `#[derive(AddressField)]`"
            );
            cx.over(ty, sentence);
        }
    }
}

fn event(cx: &Ctxt, variant: &Variant) {
    let Variant { ident, words, .. } = variant;
    let Some(unknown) = words.span("unknown") else { return };
    for other in ["since", "removed", "name"] {
        if let Some(span) = words.span(other) {
            cx.at(span, format!("`{other}` means nothing beside `unknown`"));
        }
    }
    let holds_unknown = matches!(&variant.shape, Shape::Newtype(ty)
        if last_segment(ty).is_some_and(|last| last == "UnknownEvent"));
    if !holds_unknown {
        let sentence = format!("`unknown` goes on a variant of the form `{ident}(UnknownEvent)`");
        cx.at(unknown, sentence);
    }
}

/// No two variants have one name, on the wire or in the handler trait.
fn names_once(cx: &Ctxt, item: &mut Item) {
    let (role, mut wires, mut methods) = (item.role, BTreeMap::new(), BTreeMap::new());
    for variant in item.variants.iter_mut().filter(|variant| !variant.words.flag("unknown")) {
        let ident = variant.ident.clone();
        if let Some(first) = wires.get(&variant.wire) {
            let span = variant.words.text("name").map_or_else(|| ident.span(), Spanned::span);
            let wire = &variant.wire;
            let sentence = format!("`{wire}` is already the wire name of `{first}`");
            cx.at(span, sentence);
            variant.poisoned = true;
            continue;
        }
        wires.insert(variant.wire.clone(), ident.clone());
        let method = snake(&ident);
        match methods.get(&method) {
            Some(first) if role == Role::Request => {
                let sentence = format!("`{method}` is already the handler method of `{first}`");
                cx.at(ident.span(), sentence);
                variant.poisoned = true;
            }
            _ => {
                methods.insert(method, ident);
            }
        }
    }
}

/// A payload type decides what `call(..)` sends, so it belongs to one variant.
fn payloads_once(cx: &Ctxt, item: &mut Item) {
    let mut payloads: BTreeMap<String, Ident> = BTreeMap::new();
    let generated = |variant: &&Variant| matches!(variant.shape, Shape::Unit | Shape::Struct(_));
    for variant in item.variants.iter().filter(generated) {
        payloads.insert(variant.ident.to_string(), variant.ident.clone());
    }
    for variant in &mut item.variants {
        let Shape::Newtype(ty) = &variant.shape else { continue };
        let shown = shown(ty);
        if let Some(first) = payloads.get(&shown) {
            let sentence = format!(
                "`{shown}` is already the payload of `{first}`: a payload type belongs to one \
                 request, since it decides what `call(..)` sends"
            );
            cx.over(ty, sentence);
            variant.poisoned = true;
        } else {
            payloads.insert(shown, variant.ident.clone());
        }
    }
}

/// A generated struct cannot have the name of the enum it comes from.
fn generated_names(cx: &Ctxt, item: &mut Item) {
    for variant in &mut item.variants {
        if variant.ident == item.ident && !matches!(variant.shape, Shape::Newtype(_)) {
            let ident = &variant.ident;
            let sentence =
                format!("the struct of `{ident}` would have the name of the enum: rename one");
            cx.at(ident.span(), sentence);
            variant.shape = Shape::Tuple;
            variant.poisoned = true;
        }
    }
}

fn unknown_once(cx: &Ctxt, item: &mut Item) {
    let mut first: Option<Ident> = None;
    for variant in &mut item.variants {
        let Some(span) = variant.words.span("unknown") else { continue };
        if let Some(first) = &first {
            cx.at(span, format!("`{first}` already takes the unknown events"));
            variant.poisoned = true;
        } else {
            first = Some(variant.ident.clone());
        }
    }
}

/// JavaScript keeps integers exact only up to 2^53 - 1.
fn integers(cx: &Ctxt, field: &Field) {
    let wide = wide_integer(field.ty.to_token_stream());
    let Some(wide) = wide else { return };
    let is_plain = last_segment(&field.ty).is_some_and(|last| WIDE.contains(&last.as_str()));
    if field.travels != Travels::AsItIs {
        if !is_plain {
            let sentence = format!(
                "`bounded` and `text` go on a field that is an integer itself: wrap `{wide}` in a \
                 type that says how it travels"
            );
            cx.over(&field.ty, sentence);
        }
        return;
    }
    if attr::serde_says(&field.attrs, &["with", "serialize_with", "skip", "into"]) {
        return;
    }
    if is_plain {
        let sentence = format!(
            "`{wide}` can pass 2^53 - 1, which JavaScript does not keep exact: say \
             `#[ws(bounded)]` or `#[ws(text)]`"
        );
        cx.over(&field.ty, sentence);
    } else {
        nested_integers(cx, &field.ty);
    }
}

fn nested_integers(cx: &Ctxt, ty: &Type) {
    if let Some(wide) = wide_integer(ty.to_token_stream()) {
        let sentence = format!(
            "`{wide}` can pass 2^53 - 1, which JavaScript does not keep exact: wrap it in a type \
             that says how it travels"
        );
        cx.over(ty, sentence);
    }
}

fn wide_integer(tokens: TokenStream) -> Option<String> {
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Ident(word) => Some(word.to_string()).filter(|w| WIDE.contains(&w.as_str())),
        TokenTree::Group(group) => wide_integer(group.stream()),
        _ => None,
    })
}

fn last_segment(ty: &Type) -> Option<String> {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|last| last.ident.unraw().to_string()),
        Type::Paren(inner) => last_segment(&inner.elem),
        Type::Group(inner) => last_segment(&inner.elem),
        _ => None,
    }
}

/// A type as people write it.
pub(crate) fn shown(ty: &impl ToTokens) -> String {
    let mut text = ty.to_token_stream().to_string();
    for tight in ["::", "<", ">", ",", "(", ")", "&", "[", "]", ";"] {
        text = text.replace(&format!(" {tight}"), tight);
        if !matches!(tight, "," | ">" | ";" | ")" | "]") {
            text = text.replace(&format!("{tight} "), tight);
        }
    }
    text
}
