//! `#[derive(AddressField)]`: unit variants as text.

use super::{quiet, requests::match_or_empty};
use crate::{
    ast::{Item, Shape},
    fallback,
};
use quote::quote;

pub(super) fn expand(item: &Item) -> proc_macro2::TokenStream {
    let Item { krate, ident, variants, .. } = item;
    let is_sound =
        |variant: &&crate::ast::Variant| !variant.poisoned && matches!(variant.shape, Shape::Unit);
    let names: Vec<_> = variants.iter().filter(is_sound).map(|variant| &variant.ident).collect();
    let texts: Vec<_> = variants.iter().filter(is_sound).map(|variant| &variant.wire).collect();
    let stubs = variants.iter().filter(|variant| !is_sound(variant)).map(fallback::arm);
    let text = match_or_empty(&quote!(self), &quote!(#(Self::#names => #texts,)* #(#stubs)*));
    let quiet = quiet();
    quote! {
        #[automatically_derived]
        #quiet
        impl #krate::AddressField for #ident {
            fn write(&self, __ws_to: &mut ::std::string::String) {
                let __ws_text: &::core::primitive::str = #text;
                ::std::string::String::push_str(__ws_to, __ws_text);
            }

            fn read(__ws_text: &::core::primitive::str) -> ::core::option::Option<Self> {
                match __ws_text {
                    #(#texts => ::core::option::Option::Some(Self::#names),)*
                    _ => ::core::option::Option::None,
                }
            }
        }
    }
}
