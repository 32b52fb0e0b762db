//! Writes the code. Everything is named by absolute paths; locals and parameters that a user's
//! name could meet are mangled.

mod address_field;
mod channels;
mod events;
mod flow;
mod protocol;
mod redacted;
pub(crate) mod requests;
pub(crate) mod snapshots;

#[cfg(test)]
mod tests;

use crate::{
    ast::{Field, Item, Role, Travels, Variant},
    attr,
    ctxt::Ctxt,
    fallback,
};
use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Attribute, DeriveInput, Path};

pub(crate) use channels::from_channel;
pub(crate) use protocol::protocol;

pub(crate) fn requests(input: &DeriveInput) -> TokenStream {
    of_enum(input, Role::Request, requests::expand)
}

pub(crate) fn channels(input: &DeriveInput) -> TokenStream {
    of_enum(input, Role::Channel, channels::expand)
}

pub(crate) fn events(input: &DeriveInput) -> TokenStream {
    of_enum(input, Role::Event, events::expand)
}

pub(crate) fn address_field(input: &DeriveInput) -> TokenStream {
    of_enum(input, Role::Address, address_field::expand)
}

fn of_enum(input: &DeriveInput, role: Role, expand: fn(&Item) -> TokenStream) -> TokenStream {
    let cx = Ctxt::new();
    let code = match Item::read(&cx, input, role) {
        Some(item) => expand(&item),
        None => fallback::no_enum(input, role),
    };
    let errors = cx.finish();
    quote!(#errors #code)
}

/// The lints that generated items may trip without the user having written a line.
fn quiet() -> TokenStream {
    quote! {
        #[allow(
            dead_code,
            deprecated,
            missing_docs,
            unreachable_code,
            unreachable_patterns,
            unreachable_pub,
            unused_qualifications,
            non_camel_case_types,
            non_local_definitions,
            clippy::all,
            clippy::pedantic,
            clippy::nursery
        )]
    }
}

/// The docs of a variant, or a sentence where it has none.
fn docs_of(variant: &Variant, role: Role) -> TokenStream {
    if variant.doc.is_empty() {
        let sentence = format!("The {} `{}`.", role.noun(), variant.wire);
        return quote!(#[doc = #sentence]);
    }
    let docs = variant.attrs.iter().filter(|attr| attr.path().is_ident("doc"));
    quote!(#(#docs)*)
}

fn deprecated_attr(variant: &Variant) -> TokenStream {
    let attrs = variant.attrs.iter().filter(|attr| attr.path().is_ident("deprecated"));
    quote!(#(#attrs)*)
}

/// `Some(..)` or `None`, spelled out.
fn option(value: Option<impl ToTokens>) -> TokenStream {
    value.map_or_else(
        || quote!(::core::option::Option::None),
        |value| quote!(::core::option::Option::Some(#value)),
    )
}

/// `#[derive(..)]` of serde and schemars through the re-exports.
fn serde_derives(krate: &Path, derives: &[&str]) -> TokenStream {
    let serde = quote!(#krate::__private::serde).to_string();
    let schemars = quote!(#krate::__private::schemars).to_string();
    let mut paths = TokenStream::new();
    for derive in derives {
        paths.extend(match *derive {
            "Serialize" => quote!(#krate::__private::serde::Serialize,),
            "Deserialize" => quote!(#krate::__private::serde::Deserialize,),
            _ => quote!(#krate::__private::schemars::JsonSchema,),
        });
    }
    let schemars = derives.contains(&"JsonSchema").then(|| quote!(#[schemars(crate = #schemars)]));
    quote!(#[derive(#paths)] #[serde(crate = #serde)] #schemars)
}

/// The schema's name for a private struct, unless the user names it.
fn schema_name(payload_attrs: &[Attribute], name: &str) -> Option<TokenStream> {
    let is_named = attr::serde_says(payload_attrs, &["rename"]);
    (!is_named).then(|| quote!(#[schemars(rename = #name)]))
}

/// The attributes of a field in a generated struct.
fn field_attrs(krate: &Path, field: &Field, with_schema: bool) -> TokenStream {
    let attrs = field.attrs.iter().filter(|attr| with_schema || !attr.path().is_ident("schemars"));
    let (module, schema) = match field.travels {
        Travels::AsItIs => return quote!(#(#attrs)*),
        Travels::Bounded => (quote!(#krate::int::bounded), quote!(#krate::int::Bounded)),
        Travels::Text => (quote!(#krate::int::text), quote!(#krate::int::Text)),
    };
    let (module, schema) = (module.to_string(), schema.to_string());
    let schema = with_schema.then(|| quote!(#[schemars(with = #schema)]));
    quote!(#(#attrs)* #[serde(with = #module)] #schema)
}
