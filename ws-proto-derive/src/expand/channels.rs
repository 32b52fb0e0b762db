//! `#[derive(Channels)]`: one struct per channel, and the table.

use super::{
    deprecated_attr, docs_of, option, quiet,
    requests::{match_or_empty, pack},
    snapshots,
};
use crate::{
    ast::{Item, Shape, Variant},
    fallback,
};
use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Ident, ext::IdentExt, spanned::Spanned};

pub(super) fn expand(item: &Item) -> TokenStream {
    let usable = || item.variants.iter().filter(|variant| is_usable(variant));
    let structs = usable().map(|variant| channel_struct(item, variant));
    let channels = usable().filter(|v| !v.poisoned).map(|variant| channel_impl(item, variant));
    let stubs =
        usable().filter(|v| v.poisoned).map(|variant| fallback::channel_impl(item, variant));
    let set = channel_set(item);
    let snapshots = snapshots::expand(item);
    quote!(#(#structs)* #(#channels)* #(#stubs)* #set #snapshots)
}

fn is_usable(variant: &Variant) -> bool {
    matches!(variant.shape, Shape::Unit | Shape::Struct(_))
}

fn channel_struct(item: &Item, variant: &Variant) -> TokenStream {
    let (vis, ident, quiet) = (&item.vis, &variant.ident, quiet());
    let (docs, deprecated) = (docs_of(variant, item.role), deprecated_attr(variant));
    if variant.poisoned {
        return fallback::channel_struct(item, variant);
    }
    let fields = variant.fields().iter().map(|field| {
        let docs = field
            .attrs
            .iter()
            .filter(|attr| attr.path().is_ident("doc") || attr.path().is_ident("deprecated"));
        let (name, ty) = (&field.ident, &field.ty);
        quote!(#(#docs)* #vis #name: #ty)
    });
    let is_unit = matches!(variant.shape, Shape::Unit);
    let body = if is_unit { quote!(;) } else { quote!({ #(#fields),* }) };
    quote! {
        #docs #deprecated #quiet
        #[derive(
            ::core::fmt::Debug,
            ::core::clone::Clone,
            ::core::cmp::PartialEq,
            ::core::cmp::Eq,
            ::core::hash::Hash,
        )]
        #vis struct #ident #body
    }
}

fn channel_impl(item: &Item, variant: &Variant) -> TokenStream {
    let Item { krate, ident: set, .. } = item;
    let (ident, kind, quiet) = (&variant.ident, &variant.wire, quiet());
    let event = variant.words.ty("event").map(ToTokens::to_token_stream);
    let event = event.unwrap_or_else(|| quote!(#krate::NoEvents));
    let (delivery, snapshot) = (delivery(variant), snapshots::mode(item, variant));
    let publish = variant.words.flag("publish").then(|| {
        quote! {
            #[automatically_derived]
            #quiet
            impl #krate::ClientPublish<#set> for #ident {}
        }
    });
    let from = from_channel(item, variant);
    quote! {
        #from
        #[automatically_derived]
        #quiet
        impl #krate::Channel<#set> for #ident {
            type Event = #event;
            type Delivery = #krate::delivery::#delivery;
            type Snapshot = #snapshot;
            const KIND: &'static ::core::primitive::str = #kind;
        }
        #publish
    }
}

pub(crate) fn from_channel(item: &Item, variant: &Variant) -> TokenStream {
    let (set, ident, quiet) = (&item.ident, &variant.ident, quiet());
    let pack = pack(variant, &quote!(__ws_channel));
    quote! {
        #[automatically_derived]
        #quiet
        impl ::core::convert::From<#ident> for #set {
            fn from(__ws_channel: #ident) -> Self { #pack }
        }
    }
}

fn delivery(variant: &Variant) -> Ident {
    match variant.words.choice("delivery") {
        Some("at_least_once") => format_ident!("AtLeastOnce"),
        _ => format_ident!("BestEffort"),
    }
}

fn spec(item: &Item, variant: &Variant) -> TokenStream {
    let krate = &item.krate;
    let Variant { ident, words, wire, doc, .. } = variant;
    let fields = variant.fields().iter().map(|field| field.ident.unraw().to_string());
    let since = variant.since();
    let removed = option(words.number("removed"));
    let deprecated = option(variant.deprecated.as_ref());
    let delivery = delivery(variant);
    let history = match words.choice("delivery") {
        Some("at_least_once") => words.number("history").unwrap_or(256),
        _ => 0,
    };
    let history_bytes = option(words.number("history_bytes"));
    let history_secs = option(words.number("history_secs"));
    let latest = words.flag("latest");
    let publish = words.flag("publish");
    let snapshot = snapshots::schema(item, variant);
    quote! {
        #krate::ChannelSpec {
            kind: #wire,
            fields: &[#(#fields),*],
            doc: #doc,
            since: #since,
            removed: #removed,
            deprecated: #deprecated,
            delivery: #krate::Delivery::#delivery,
            history: #history,
            history_bytes: #history_bytes,
            history_secs: #history_secs,
            latest: #latest,
            client_publish: #publish,
            snapshot: #snapshot,
            events: #krate::__private::events_of::<Self, #ident>(),
        }
    }
}

/// Fields are reached through a marker per field: a type that cannot stand in an address is then
/// one error, at the type.
fn channel_set(item: &Item) -> TokenStream {
    let Item { krate, ident: set, variants, .. } = item;
    let sound: Vec<_> = variants.iter().filter(|variant| !variant.poisoned).collect();
    let stubs: TokenStream =
        variants.iter().filter(|variant| variant.poisoned).map(fallback::arm).collect();
    let specs = sound.iter().map(|variant| spec(item, variant));
    let spec_arms = sound.iter().enumerate().map(|(at, variant)| {
        let ident = &variant.ident;
        quote!(Self::#ident { .. } => &<Self as #krate::ChannelSet>::SPECS[#at],)
    });
    let marks = sound.iter().flat_map(|variant| field_marks(item, variant));
    let written = sound.iter().map(|variant| write_arm(item, variant));
    let read = sound.iter().map(|variant| read_arm(item, variant));
    let checked = sound.iter().map(|variant| {
        let ident = &variant.ident;
        quote! {
            Self::#ident { .. } =>
                #krate::__private::check_event::<Self, #ident>(__ws_kind, __ws_payload),
        }
    });
    let this = quote!(self);
    let spec_body = match_or_empty(&this, &quote!(#(#spec_arms)* #stubs));
    let address_body = match_or_empty(&this, &quote!(#(#written)* #stubs));
    let check_body = match_or_empty(&this, &quote!(#(#checked)* #stubs));
    let quiet = quiet();
    quote! {
        #quiet
        const _: () = {
            #(#marks)*

            #[automatically_derived]
            impl #krate::ChannelSet for #set {
                const SPECS: &'static [#krate::ChannelSpec] = &[#(#specs),*];

                fn spec(&self) -> &'static #krate::ChannelSpec { #spec_body }

                fn address(
                    &self,
                ) -> ::core::result::Result<#krate::Address, #krate::AddressError> {
                    #address_body
                }

                fn parse(
                    __ws_address: &#krate::Address,
                ) -> ::core::result::Result<Self, #krate::AddressError> {
                    match #krate::Address::kind(__ws_address) {
                        #(#read)*
                        _ => ::core::result::Result::Err(#krate::AddressError::UnknownKind),
                    }
                }

                fn check_event(
                    &self,
                    __ws_kind: &::core::primitive::str,
                    __ws_payload: &#krate::Raw,
                ) -> ::core::result::Result<#krate::EncodedEvent, #krate::DecodeError> {
                    #check_body
                }
            }
        };
    }
}

fn mark(variant: &Variant, at: usize) -> Ident {
    format_ident!("__Ws{}{at}", variant.ident)
}

fn field_marks(item: &Item, variant: &Variant) -> Vec<TokenStream> {
    let krate = &item.krate;
    let of_field = |(at, field): (usize, &crate::ast::Field)| {
        let (mark, ty) = (mark(variant, at), &field.ty);
        let span = ty.span();
        let bound = quote_spanned!(span=> impl #krate::__private::ChannelField<#mark> for #ty {});
        quote!(enum #mark {} #bound)
    };
    variant.fields().iter().enumerate().map(of_field).collect()
}

fn write_arm(item: &Item, variant: &Variant) -> TokenStream {
    let krate = &item.krate;
    let (ident, kind) = (&variant.ident, &variant.wire);
    let names: Vec<_> = variant.fields().iter().map(|field| &field.ident).collect();
    let bound: Vec<_> = (0..names.len()).map(|at| format_ident!("__ws_{at}")).collect();
    let marks = (0..names.len()).map(|at| mark(variant, at));
    quote! {
        Self::#ident { #(#names: #bound),* } => {
            let __ws_writer = #krate::AddressWriter::new(#kind);
            #(let __ws_writer =
                #krate::__private::write_field::<#marks, _>(__ws_writer, #bound);)*
            #krate::AddressWriter::finish(__ws_writer)
        }
    }
}

fn read_arm(item: &Item, variant: &Variant) -> TokenStream {
    let krate = &item.krate;
    let (ident, kind) = (&variant.ident, &variant.wire);
    let fields = variant.fields().iter().enumerate().map(|(at, field)| {
        let (name, mark) = (&field.ident, mark(variant, at));
        quote!(#name: #krate::__private::read_field::<#mark, _>(&mut __ws_reader)?)
    });
    let mutable = (!variant.fields().is_empty()).then(|| quote!(mut));
    quote! {
        #kind => {
            let #mutable __ws_reader = #krate::AddressReader::new(__ws_address);
            let __ws_channel = Self::#ident { #(#fields),* };
            #krate::AddressReader::end(__ws_reader)?;
            ::core::result::Result::Ok(__ws_channel)
        }
    }
}
