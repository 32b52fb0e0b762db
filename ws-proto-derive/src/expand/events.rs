//! `#[derive(Events)]`: the codec of each event, and the table.

use super::{field_attrs, option, quiet, requests::match_or_empty, schema_name, serde_derives};
use crate::{
    ast::{Field, Item, Shape, Travels, Variant},
    attr, fallback,
};
use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::{Ident, spanned::Spanned};

pub(super) fn expand(item: &Item) -> TokenStream {
    let Item { krate, ident: set, variants, .. } = item;
    let is_unknown = |variant: &&Variant| variant.words.flag("unknown");
    let sound = || variants.iter().filter(|variant| !variant.poisoned);
    let known: Vec<_> = sound().filter(|variant| !is_unknown(variant)).collect();
    let unknown = sound().find(is_unknown);
    let stubs: TokenStream =
        variants.iter().filter(|variant| variant.poisoned).map(fallback::arm).collect();
    let carriers = known.iter().map(|variant| carrier(item, variant));
    let specs = known.iter().map(|variant| spec(item, variant));
    let kinds = known.iter().map(|variant| {
        let (ident, kind) = (&variant.ident, &variant.wire);
        quote!(Self::#ident { .. } => #kind,)
    });
    let kind_unknown = unknown.map(|variant| {
        let ident = &variant.ident;
        quote!(Self::#ident(__ws_event) => &__ws_event.kind,)
    });
    let encoded = known.iter().map(|variant| encode_arm(item, variant));
    let encode_unknown = unknown.map(|variant| {
        let ident = &variant.ident;
        quote! {
            Self::#ident(__ws_event) => #krate::__private::encode_unknown(__ws_event, __ws_format),
        }
    });
    let decoded = known.iter().map(|variant| decode_arm(item, variant));
    let decode_unknown = unknown.map_or_else(
        || quote!(::core::result::Result::Err(#krate::__private::unknown_kind(__ws_kind))),
        |variant| {
            let ident = &variant.ident;
            quote!(::core::result::Result::Ok(Self::#ident(
                #krate::__private::decode_unknown(__ws_kind, __ws_raw)
            )))
        },
    );
    let latest = latest(item, &known);
    let this = quote!(self);
    let kind_body = match_or_empty(&this, &quote!(#(#kinds)* #kind_unknown #stubs));
    let encode_body = match_or_empty(&this, &quote!(#(#encoded)* #encode_unknown #stubs));
    let quiet = quiet();
    quote! {
        #quiet
        const _: () = {
            #(#carriers)*

            #[automatically_derived]
            impl #krate::EventSet for #set {
                const SPECS: &'static [#krate::EventSpec] = &[#(#specs),*];

                fn kind(&self) -> &::core::primitive::str { #kind_body }

                fn encode(
                    &self,
                    __ws_format: #krate::Format,
                ) -> ::core::result::Result<#krate::Raw, #krate::EncodeError> {
                    #encode_body
                }

                fn decode(
                    __ws_kind: &::core::primitive::str,
                    __ws_raw: &#krate::Raw,
                ) -> ::core::result::Result<Self, #krate::DecodeError> {
                    match __ws_kind {
                        #(#decoded)*
                        _ => #decode_unknown,
                    }
                }

                #latest
            }
        };
    }
}

/// What names the value of an event, where fields are marked. They are reached through a marker per
/// field: a type without a text form is then one error, at the type.
fn latest(item: &Item, known: &[&Variant]) -> Option<TokenStream> {
    let krate = &item.krate;
    let mut marks = TokenStream::new();
    let mut arms = TokenStream::new();
    for variant in known {
        let marked: Vec<_> = variant.fields().iter().filter(|field| field.latest).collect();
        if marked.is_empty() {
            continue;
        }
        let (ident, kind) = (&variant.ident, &variant.wire);
        let names = marked.iter().map(|field| &field.ident);
        let bound: Vec<_> = (0..marked.len()).map(|at| format_ident!("__ws_{at}")).collect();
        let enums: Vec<_> =
            (0..marked.len()).map(|at| format_ident!("__WsLatest{ident}{at}")).collect();
        for (mark, field) in enums.iter().zip(&marked) {
            let ty = &field.ty;
            let carries = quote_spanned! {
                ty.span()=> impl #krate::__private::LatestField<#mark> for #ty {}
            };
            marks.extend(quote!(enum #mark {} #carries));
        }
        arms.extend(quote! {
            Self::#ident { #(#names: #bound,)* .. } => {
                let __ws_writer = #krate::AddressWriter::new(#kind);
                #(let __ws_writer =
                    #krate::__private::write_latest::<#enums, _>(__ws_writer, #bound);)*
                #krate::__private::latest(__ws_writer)
            }
        });
    }
    let result = quote! {
        ::core::result::Result<
            ::core::option::Option<#krate::__private::bytestring::ByteString>, #krate::EncodeError
        >
    };
    (!arms.is_empty()).then(|| {
        quote! {
            fn latest(&self) -> #result {
                #marks
                match self {
                    #arms
                    _ => ::core::result::Result::Ok(::core::option::Option::None),
                }
            }
        }
    })
}

/// The private struct that is read, or the marker under which the user's own type is reached.
fn owned(variant: &Variant) -> Ident {
    format_ident!("__Ws{}", variant.ident)
}

/// The private struct that is written: fields are borrowed, except where a serde function of the
/// user's expects the field's own type.
fn borrowed(variant: &Variant) -> Ident {
    format_ident!("__Ws{}Ref", variant.ident)
}

fn carrier(item: &Item, variant: &Variant) -> TokenStream {
    let krate = &item.krate;
    let (owned, borrowed) = (owned(variant), borrowed(variant));
    if let Shape::Newtype(ty) = &variant.shape {
        let carries =
            quote_spanned!(ty.span()=> impl #krate::__private::Carries<#owned> for #ty {});
        return quote!(enum #owned {} #carries);
    }
    let name = format!("{}{}", item.ident, variant.ident);
    let (payload_attrs, docs) = (&variant.payload_attrs, &variant.doc);
    let docs = (!docs.is_empty()).then(|| quote!(#[doc = #docs]));
    let renamed = schema_name(payload_attrs, &name);
    let read = serde_derives(krate, &["Deserialize", "JsonSchema"]);
    let written = serde_derives(krate, &["Serialize"]);
    let owned_fields = variant.fields().iter().map(|field| {
        let attrs = field_attrs(krate, field, true);
        let (name, ty) = (&field.ident, &field.ty);
        quote!(#attrs #name: #ty)
    });
    let borrowed_fields = variant.fields().iter().map(|field| {
        let attrs = field_attrs(krate, field, false);
        let (name, ty) = (&field.ident, &field.ty);
        if is_copied(field) { quote!(#attrs #name: #ty) } else { quote!(#attrs #name: &'__ws #ty) }
    });
    let serde_attrs = payload_attrs.iter().filter(|attr| attr.path().is_ident("serde"));
    let lifetime = borrows(variant).then(|| quote!(<'__ws>));
    quote! {
        #docs #read #renamed #(#payload_attrs)*
        struct #owned { #(#owned_fields),* }
        #written #(#serde_attrs)*
        struct #borrowed #lifetime { #(#borrowed_fields),* }
    }
}

/// A serde function of the field expects a reference to its own type.
fn is_copied(field: &Field) -> bool {
    field.travels != Travels::AsItIs
        || attr::serde_says(
            &field.attrs,
            &["with", "serialize_with", "skip_serializing_if", "bound", "getter"],
        )
}

fn borrows(variant: &Variant) -> bool {
    variant.fields().iter().any(|field| !is_copied(field))
}

fn spec(item: &Item, variant: &Variant) -> TokenStream {
    let krate = &item.krate;
    let Variant { words, wire, doc, .. } = variant;
    let since = variant.since();
    let removed = option(words.number("removed"));
    let deprecated = option(variant.deprecated.as_ref());
    let owned = owned(variant);
    let payload = if let Shape::Newtype(ty) = &variant.shape {
        quote!(#krate::__private::carried_schema::<#owned, #ty>)
    } else {
        quote!(#krate::__private::schema_of::<#owned>)
    };
    quote! {
        #krate::EventSpec {
            kind: #wire,
            doc: #doc,
            since: #since,
            removed: #removed,
            deprecated: #deprecated,
            payload: #payload,
        }
    }
}

fn encode_arm(item: &Item, variant: &Variant) -> TokenStream {
    let krate = &item.krate;
    let (ident, owned, borrowed) = (&variant.ident, owned(variant), borrowed(variant));
    if matches!(variant.shape, Shape::Newtype(_)) {
        return quote! {
            Self::#ident(__ws_event) =>
                #krate::__private::encode_carried::<#owned, _>(__ws_event, __ws_format),
        };
    }
    let names: Vec<_> = variant.fields().iter().map(|field| &field.ident).collect();
    let bound: Vec<_> = (0..names.len()).map(|at| format_ident!("__ws_{at}")).collect();
    let values = variant.fields().iter().zip(&bound).map(|(field, bound)| {
        if is_copied(field) { quote!(::core::clone::Clone::clone(#bound)) } else { quote!(#bound) }
    });
    quote! {
        Self::#ident { #(#names: #bound),* } =>
            #krate::Raw::encode(__ws_format, &#borrowed { #(#names: #values),* }),
    }
}

fn decode_arm(item: &Item, variant: &Variant) -> TokenStream {
    let krate = &item.krate;
    let (ident, kind, owned) = (&variant.ident, &variant.wire, owned(variant));
    if let Shape::Newtype(ty) = &variant.shape {
        return quote! {
            #kind => #krate::__private::decode_carried::<#owned, #ty>(__ws_raw).map(Self::#ident),
        };
    }
    let names: Vec<_> = variant.fields().iter().map(|field| &field.ident).collect();
    quote! {
        #kind => #krate::Raw::decode::<#owned>(__ws_raw)
            .map(|__ws_event| {
                let _ = &__ws_event;
                Self::#ident { #(#names: __ws_event.#names),* }
            }),
    }
}
