//! `#[channel(snapshot = ..)]`: which channels have a state, and what an application must make.

use super::quiet;
use crate::ast::{Item, Shape, Variant};
use proc_macro2::TokenStream;
use quote::quote;

/// What the channels of an enum need of an application, and the way to it.
pub(super) fn expand(item: &Item) -> TokenStream {
    let Item { krate, ident: set, variants, .. } = item;
    let quiet = quiet();
    let having: Vec<_> = variants.iter().filter(|variant| has_one(variant)).collect();
    let states = having.iter().filter_map(|variant| {
        let (ident, state) = (&variant.ident, variant.words.ty("snapshot")?);
        Some(quote! {
            #[automatically_derived]
            #quiet
            impl #krate::HasSnapshot for #ident {
                type State = #state;
            }
        })
    });
    let sound: Vec<_> = having.iter().filter(|variant| !variant.poisoned).collect();
    let needs = sound.iter().map(|variant| {
        let ident = &variant.ident;
        quote!(+ #krate::Snapshot<#ident>)
    });
    let arms = sound.iter().map(|variant| {
        let ident = &variant.ident;
        let names: Vec<_> = variant.fields().iter().map(|field| &field.ident).collect();
        let is_unit = matches!(variant.shape, Shape::Unit);
        let channel = if is_unit { quote!(#ident) } else { quote!(#ident { #(#names),* }) };
        quote! {
            Self::#ident { #(#names),* } => {
                #krate::__private::take_snapshot(__ws_app, __ws_caller, &#channel).await
            }
        }
    });
    quote! {
        #(#states)*
        #[automatically_derived]
        #quiet
        impl<__WsApp: #krate::Authenticate #(#needs)*> #krate::Snapshots<__WsApp> for #set {
            async fn snapshot(
                self,
                __ws_app: &__WsApp,
                __ws_caller: &#krate::Caller<'_, <__WsApp as #krate::Authenticate>::Principal>,
            ) -> ::core::result::Result<#krate::Raw, #krate::Fault> {
                match self {
                    #(#arms)*
                    _ => ::core::result::Result::Err(#krate::__private::no_snapshot()),
                }
            }
        }
    }
}

/// The snapshot of a channel as a type.
pub(crate) fn mode(item: &Item, variant: &Variant) -> TokenStream {
    let (krate, ident) = (&item.krate, &variant.ident);
    if has_one(variant) {
        quote!(#krate::snapshot::Of<#ident>)
    } else {
        quote!(#krate::snapshot::Absent)
    }
}

/// The schema of a channel's snapshot, for the table.
pub(super) fn schema(item: &Item, variant: &Variant) -> TokenStream {
    let (krate, ident) = (&item.krate, &variant.ident);
    if has_one(variant) {
        quote! {
            ::core::option::Option::Some(#krate::__private::snapshot_schema::<#ident>)
        }
    } else {
        quote!(::core::option::Option::None)
    }
}

fn has_one(variant: &Variant) -> bool {
    let is_usable = matches!(variant.shape, Shape::Unit | Shape::Struct(_));
    is_usable && variant.words.ty("snapshot").is_some()
}
