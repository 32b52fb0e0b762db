//! What stands in for code that a mistake made impossible, so that the mistake is the only error.
//! None of it runs: the crate does not compile.

use crate::{
    ast::{Item, Role, Shape, Variant, read_crate},
    ctxt::Ctxt,
    expand::{from_channel, requests::answer, snapshots},
};
use proc_macro2::TokenStream;
use quote::quote;
use syn::DeriveInput;

/// The arm of a poisoned variant.
pub(crate) fn arm(variant: &Variant) -> TokenStream {
    let ident = &variant.ident;
    quote!(Self::#ident { .. } => ::core::unreachable!(),)
}

/// The trait of the role for what is no enum; nothing for a type with parameters.
pub(crate) fn no_enum(input: &DeriveInput, role: Role) -> TokenStream {
    if !input.generics.params.is_empty() {
        return TokenStream::new();
    }
    let ident = &input.ident;
    // Its mistakes were reported when the item was read.
    let cx = Ctxt::new();
    let krate = read_crate(&cx, &input.attrs);
    drop(cx.finish());
    let unreachable = quote!({ ::core::unreachable!() });
    let decoded = quote!(::core::result::Result<Self, #krate::DecodeError>);
    let text = quote!(&::core::primitive::str);
    match role {
        Role::Request => quote! {
            impl #krate::RequestSet for #ident {
                const SPECS: &'static [#krate::RequestSpec] = &[];
                type Call = #krate::Never;
                fn decode(_: #text, _: &#krate::Raw) -> #decoded #unreachable
                fn with_reply(self, _: #krate::serve::ReplySlot) -> Self::Call #unreachable
            }
        },
        Role::Event => quote! {
            impl #krate::EventSet for #ident {
                const SPECS: &'static [#krate::EventSpec] = &[];
                fn kind(&self) -> #text #unreachable
                fn encode(
                    &self,
                    _: #krate::Format,
                ) -> ::core::result::Result<#krate::Raw, #krate::EncodeError> #unreachable
                fn decode(_: #text, _: &#krate::Raw) -> #decoded #unreachable
            }
        },
        Role::Channel => quote! {
            impl #krate::ChannelSet for #ident {
                const SPECS: &'static [#krate::ChannelSpec] = &[];
                fn spec(&self) -> &'static #krate::ChannelSpec #unreachable
                fn address(
                    &self,
                ) -> ::core::result::Result<#krate::Address, #krate::AddressError> #unreachable
                fn parse(
                    _: &#krate::Address,
                ) -> ::core::result::Result<Self, #krate::AddressError> #unreachable
                fn check_event(
                    &self,
                    _: #text,
                    _: &#krate::Raw,
                ) -> ::core::result::Result<#krate::EncodedEvent, #krate::DecodeError> #unreachable
            }
        },
        Role::Address => quote! {
            impl #krate::AddressField for #ident {
                fn write(&self, _: &mut ::std::string::String) #unreachable
                fn read(_: #text) -> ::core::option::Option<Self> #unreachable
            }
        },
    }
}

/// The struct of a poisoned request: its fields, and impls that ask nothing of them.
pub(crate) fn payload_struct(item: &Item, variant: &Variant) -> TokenStream {
    let (krate, ident) = (&item.krate, &variant.ident);
    let serde = quote!(#krate::__private::serde);
    let schemars = quote!(#krate::__private::schemars);
    let structure = bare_struct(item, variant);
    quote! {
        #structure
        impl #serde::Serialize for #ident {
            fn serialize<__WsS: #serde::Serializer>(
                &self,
                _: __WsS,
            ) -> ::core::result::Result<__WsS::Ok, __WsS::Error> { ::core::unreachable!() }
        }
        impl<'__ws> #serde::Deserialize<'__ws> for #ident {
            fn deserialize<__WsD: #serde::Deserializer<'__ws>>(
                _: __WsD,
            ) -> ::core::result::Result<Self, __WsD::Error> { ::core::unreachable!() }
        }
        impl #schemars::JsonSchema for #ident {
            fn schema_name() -> ::std::borrow::Cow<'static, ::core::primitive::str> {
                ::core::unreachable!()
            }
            fn json_schema(_: &mut #schemars::SchemaGenerator) -> #schemars::Schema {
                ::core::unreachable!()
            }
        }
    }
}

/// The struct of a poisoned channel.
pub(crate) fn channel_struct(item: &Item, variant: &Variant) -> TokenStream {
    let ident = &variant.ident;
    let structure = bare_struct(item, variant);
    quote! {
        #structure
        impl ::core::cmp::PartialEq for #ident {
            fn eq(&self, _: &Self) -> ::core::primitive::bool { ::core::unreachable!() }
        }
        impl ::core::cmp::Eq for #ident {}
        impl ::core::hash::Hash for #ident {
            fn hash<__WsH: ::core::hash::Hasher>(&self, _: &mut __WsH) { ::core::unreachable!() }
        }
    }
}

/// `Call` for a poisoned request.
pub(crate) fn call_impl(item: &Item, variant: &Variant) -> TokenStream {
    // The payload of a newtype may be the reason for the poison, or another variant's.
    if matches!(variant.shape, Shape::Newtype(_) | Shape::Tuple) {
        return TokenStream::new();
    }
    let (krate, set, ident) = (&item.krate, &item.ident, &variant.ident);
    let (reply, error) = answer(item, variant);
    let (part, shape) = match variant.words.ty("upload") {
        Some(part) => (quote!(#part), quote!(Parts)),
        None => (quote!(#krate::Never), quote!(Once)),
    };
    quote! {
        impl ::core::convert::From<#ident> for #set {
            fn from(_: #ident) -> Self { ::core::unreachable!() }
        }
        impl #krate::Call<#set> for #ident {
            type Reply = #reply;
            type Error = #error;
            type Item = #krate::Never;
            type Part = #part;
            type Retry = #krate::retry::Yes;
            type Shape = #krate::shape::#shape;
            const SPEC: #krate::RequestSpec = ::core::unreachable!();
        }
    }
}

/// `Channel` for a poisoned channel.
pub(crate) fn channel_impl(item: &Item, variant: &Variant) -> TokenStream {
    let (krate, set, ident) = (&item.krate, &item.ident, &variant.ident);
    let event = variant.words.ty("event");
    let event = event.map_or_else(|| quote!(#krate::NoEvents), |event| quote!(#event));
    let kind = &variant.wire;
    let from = from_channel(item, variant);
    let snapshot = snapshots::mode(item, variant);
    quote! {
        #from
        impl #krate::Channel<#set> for #ident {
            type Event = #event;
            type Delivery = #krate::delivery::AtLeastOnce;
            type Snapshot = #snapshot;
            const KIND: &'static ::core::primitive::str = #kind;
        }
        impl #krate::ClientPublish<#set> for #ident {}
    }
}

fn bare_struct(item: &Item, variant: &Variant) -> TokenStream {
    let (vis, ident) = (&item.vis, &variant.ident);
    let fields = variant.fields().iter().map(|field| {
        let (name, ty) = (&field.ident, &field.ty);
        quote!(#vis #name: #ty)
    });
    let is_unit = item.role == Role::Channel && matches!(variant.shape, Shape::Unit);
    let body = if is_unit { quote!(;) } else { quote!({ #(#fields),* }) };
    quote! {
        #[allow(dead_code, missing_docs)]
        #vis struct #ident #body
        impl ::core::fmt::Debug for #ident {
            fn fmt(&self, _: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                ::core::unreachable!()
            }
        }
        impl ::core::clone::Clone for #ident {
            fn clone(&self) -> Self { ::core::unreachable!() }
        }
    }
}
