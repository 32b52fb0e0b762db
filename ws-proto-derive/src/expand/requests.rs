//! `#[derive(Requests)]`: payload structs, the handler trait, the call enum, and the tables.

use super::{
    deprecated_attr, docs_of, field_attrs, flow::flow, option, quiet, redacted::redacted,
    schema_name, serde_derives,
};
use crate::{
    ast::{Item, Role, Shape, Variant},
    check::shown,
    fallback,
};
use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use std::{collections::BTreeSet, fmt::Write as _};
use syn::{Ident, Type, ext::IdentExt};

/// The enum with the names of what is made of it.
struct Names<'a> {
    item: &'a Item,
    handler: Ident,
    call: Ident,
}

pub(super) fn expand(item: &Item) -> TokenStream {
    let name = |word: &str, suffix: &str| {
        item.words.name(word).cloned().unwrap_or_else(|| format_ident!("{}{suffix}", item.ident))
    };
    let names = Names { item, handler: name("handler", "Handler"), call: name("call", "Call") };
    let usable = || item.variants.iter().filter(|variant| !variant.is_tuple());
    let structs = usable().map(|variant| payload_struct(item, variant));
    let calls = usable().filter(|v| !v.poisoned).map(|variant| call_impl(item, variant));
    let stubs = usable().filter(|v| v.poisoned).map(|variant| fallback::call_impl(item, variant));
    let set = request_set(&names);
    let handler = handler_trait(&names);
    let dispatch = dispatch(&names);
    let call_enum = call_enum(&names);
    quote!(#(#structs)* #(#calls)* #(#stubs)* #handler #call_enum #set #dispatch)
}

fn payload_struct(item: &Item, variant: &Variant) -> TokenStream {
    if matches!(variant.shape, Shape::Newtype(_)) {
        return TokenStream::new();
    }
    let Item { krate, vis, .. } = item;
    let ident = &variant.ident;
    let docs = docs_of(variant, Role::Request);
    let deprecated = deprecated_attr(variant);
    let quiet = quiet();
    if variant.poisoned {
        return fallback::payload_struct(item, variant);
    }
    // `derive(JsonSchema)` warns of a deprecated struct wherever it names it.
    let by_hand = variant.deprecated.is_some();
    let schema = by_hand.then(|| schema_impl(item, variant));
    let all = ["Serialize", "Deserialize", "JsonSchema"];
    let derives = serde_derives(krate, if by_hand { &all[..2] } else { &all });
    let payload_attrs = &variant.payload_attrs;
    let serde_attrs = payload_attrs.iter().filter(|a| !by_hand || a.path().is_ident("serde"));
    let fields = variant.fields().iter().map(|field| {
        let attrs = field_attrs(krate, field, !by_hand);
        let (name, ty) = (&field.ident, &field.ty);
        quote!(#attrs #vis #name: #ty)
    });
    let debug = debug_impl(variant);
    quote! {
        #docs #deprecated #quiet
        #[derive(::core::clone::Clone)]
        #derives
        #(#serde_attrs)*
        #vis struct #ident { #(#fields),* }
        #debug
        #schema
    }
}

/// The schema of a deprecated payload, taken from a private struct that is not.
fn schema_impl(item: &Item, variant: &Variant) -> TokenStream {
    let krate = &item.krate;
    let ident = &variant.ident;
    let schemars = quote!(#krate::__private::schemars);
    let shadow = format_ident!("__Ws{ident}");
    let shadow_schema = quote!(<#shadow as #schemars::JsonSchema>);
    let derives = serde_derives(krate, &["Deserialize", "JsonSchema"]);
    let docs = docs_of(variant, Role::Request);
    let payload_attrs = &variant.payload_attrs;
    let renamed = schema_name(payload_attrs, &ident.to_string());
    let fields = variant.fields().iter().map(|field| {
        let attrs = field_attrs(krate, field, true);
        let (name, ty) = (&field.ident, &field.ty);
        quote!(#attrs #name: #ty)
    });
    let quiet = quiet();
    quote! {
        #quiet
        const _: () = {
            #docs #derives #renamed #(#payload_attrs)*
            struct #shadow { #(#fields),* }

            #[automatically_derived]
            impl #schemars::JsonSchema for #ident {
                fn schema_name() -> ::std::borrow::Cow<'static, ::core::primitive::str> {
                    #shadow_schema::schema_name()
                }
                fn schema_id() -> ::std::borrow::Cow<'static, ::core::primitive::str> {
                    #shadow_schema::schema_id()
                }
                fn json_schema(
                    __ws_generator: &mut #schemars::SchemaGenerator,
                ) -> #schemars::Schema {
                    #shadow_schema::json_schema(__ws_generator)
                }
            }
        };
    }
}

/// Written out, so that a field marked `redact` is never printed.
fn debug_impl(variant: &Variant) -> TokenStream {
    let ident = &variant.ident;
    let (quiet, name) = (quiet(), ident.to_string());
    let fields = variant.fields().iter().map(|field| {
        let (label, ident) = (field.ident.unraw().to_string(), &field.ident);
        let value = if field.redact {
            quote!(&::core::format_args!("<redacted>"))
        } else {
            quote!(&self.#ident)
        };
        quote!(::core::fmt::DebugStruct::field(&mut __ws_shown, #label, #value);)
    });
    quote! {
        #[automatically_derived]
        #quiet
        impl ::core::fmt::Debug for #ident {
            fn fmt(&self, __ws_f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                let mut __ws_shown = ::core::fmt::Formatter::debug_struct(__ws_f, #name);
                #(#fields)*
                ::core::fmt::DebugStruct::finish(&mut __ws_shown)
            }
        }
    }
}

fn call_impl(item: &Item, variant: &Variant) -> TokenStream {
    let Item { krate, ident: set, .. } = item;
    let payload = variant.payload();
    let never = || quote!(#krate::Never);
    let given = |word: &str| variant.words.ty(word).map(ToTokens::to_token_stream);
    let reply = given("reply").unwrap_or_else(|| quote!(()));
    let error = given("error").unwrap_or_else(never);
    let stream = given("stream");
    let upload = given("upload");
    let shape = match (&stream, &upload) {
        (Some(_), _) => quote!(Items),
        (None, Some(_)) => quote!(Parts),
        (None, None) => quote!(Once),
    };
    let may_resend = variant.words.flag("idempotent") || variant.words.flag("dedup");
    let retry = if may_resend { quote!(Yes) } else { quote!(No) };
    let item_type = stream.unwrap_or_else(never);
    let part_type = upload.unwrap_or_else(never);
    let spec = spec(item, variant);
    let from = from_payload(item, variant);
    let quiet = quiet();
    quote! {
        #from
        #[automatically_derived]
        #quiet
        impl #krate::Call<#set> for #payload {
            type Reply = #reply;
            type Error = #error;
            type Item = #item_type;
            type Part = #part_type;
            type Retry = #krate::retry::#retry;
            type Shape = #krate::shape::#shape;
            const SPEC: #krate::RequestSpec = #spec;
        }
    }
}

/// The schemas are reached through [`Call`]: a payload without serde is then one error, at the
/// impl above, and not one per use.
fn spec(item: &Item, variant: &Variant) -> TokenStream {
    let Item { krate, ident: set, .. } = item;
    let Variant { words, wire, doc, .. } = variant;
    let (ok, err) = (format!("{wire}.ok"), format!("{wire}.err"));
    let streams = words.flag("stream");
    let item_kind = option(streams.then(|| format!("{wire}.item")));
    let item_schema = option(streams.then(|| quote!(#krate::__private::item_schema::<#set, Self>)));
    let uploads = words.flag("upload");
    let part_kind = option(uploads.then(|| format!("{wire}.part")));
    let part_schema = option(uploads.then(|| quote!(#krate::__private::part_schema::<#set, Self>)));
    let since = variant.since();
    let removed = option(words.number("removed"));
    let deprecated = option(variant.deprecated.as_ref());
    let resend = match (words.flag("idempotent"), words.flag("dedup")) {
        (true, _) => quote!(Idempotent),
        (_, true) => quote!(Dedup),
        _ => quote!(Never),
    };
    let (ordered, cancel) = (words.flag("ordered"), words.flag("cancel"));
    let is_handled = words.choice("ack") == Some("handled");
    let ack = if is_handled { quote!(Handled) } else { quote!(Received) };
    quote! {
        #krate::RequestSpec {
            kind: #wire,
            ok: #ok,
            err: #err,
            item: #item_kind,
            part: #part_kind,
            doc: #doc,
            since: #since,
            removed: #removed,
            deprecated: #deprecated,
            resend: #krate::Resend::#resend,
            ordered: #ordered,
            cancel: #cancel,
            ack: #krate::AckMeaning::#ack,
            request: #krate::__private::request_schema::<#set, Self>,
            reply: #krate::__private::reply_schema::<#set, Self>,
            error: #krate::__private::error_schema::<#set, Self>,
            item_schema: #item_schema,
            part_schema: #part_schema,
        }
    }
}

/// `From<Payload> for Enum`.
fn from_payload(item: &Item, variant: &Variant) -> TokenStream {
    let (set, payload, quiet) = (&item.ident, variant.payload(), quiet());
    let pack = pack(variant, &quote!(__ws_payload));
    quote! {
        #[automatically_derived]
        #quiet
        impl ::core::convert::From<#payload> for #set {
            fn from(__ws_payload: #payload) -> Self { #pack }
        }
    }
}

/// The enum's value of a payload in a local.
pub(super) fn pack(variant: &Variant, local: &TokenStream) -> TokenStream {
    let ident = &variant.ident;
    match &variant.shape {
        Shape::Unit => quote!({ let _ = #local; Self::#ident }),
        Shape::Newtype(_) => quote!(Self::#ident(#local)),
        _ => {
            let fields = variant.fields().iter().map(|field| {
                let name = &field.ident;
                quote!(#name: #local.#name)
            });
            quote!({ let _ = &#local; Self::#ident { #(#fields),* } })
        }
    }
}

/// The pattern of a variant and the payload made of it. Fields are bound to mangled names.
fn unpack(variant: &Variant) -> (TokenStream, TokenStream) {
    let ident = &variant.ident;
    match &variant.shape {
        Shape::Unit => (quote!(Self::#ident), quote!(#ident {})),
        Shape::Newtype(_) => (quote!(Self::#ident(__ws_payload)), quote!(__ws_payload)),
        _ => {
            let names: Vec<_> = variant.fields().iter().map(|field| &field.ident).collect();
            let bound: Vec<_> = (0..names.len()).map(|at| format_ident!("__ws_{at}")).collect();
            let pattern = quote!(Self::#ident { #(#names: #bound),* });
            (pattern, quote!(#ident { #(#names: #bound),* }))
        }
    }
}

fn request_set(names: &Names<'_>) -> TokenStream {
    let Names { item, call, .. } = names;
    let Item { krate, ident: set, variants, .. } = item;
    let sound = || variants.iter().filter(|variant| !variant.poisoned);
    let payloads = sound().map(Variant::payload);
    let decoded = sound().map(|variant| {
        let (kind, payload) = (&variant.wire, variant.payload());
        quote! {
            #kind => #krate::__private::decode_request::<Self, #payload>(__ws_raw)
                .map(::core::convert::Into::into),
        }
    });
    let replied = variants.iter().map(|variant| {
        if variant.poisoned {
            return fallback::arm(variant);
        }
        let (ident, payload_type) = (&variant.ident, variant.payload());
        let (pattern, payload) = unpack(variant);
        let flow = flow(variant, |_, _, make| {
            let make = format_ident!("reply_{make}");
            quote!(#krate::__private::#make::<Self, #payload_type>(&__ws_slot),)
        });
        quote!(#pattern => #call::#ident(#payload, #flow #krate::Reply::new(__ws_slot)),)
    });
    let redacted = redacted(item);
    let quiet = quiet();
    quote! {
        #[automatically_derived]
        #quiet
        impl #krate::RequestSet for #set {
            #redacted
            const SPECS: &'static [#krate::RequestSpec] =
                &[#(#krate::__private::spec_of::<Self, #payloads>()),*];
            type Call = #call;

            fn decode(
                __ws_kind: &::core::primitive::str,
                __ws_raw: &#krate::Raw,
            ) -> ::core::result::Result<Self, #krate::DecodeError> {
                match __ws_kind {
                    #(#decoded)*
                    _ => ::core::result::Result::Err(#krate::__private::unknown_kind(__ws_kind)),
                }
            }

            fn with_reply(self, __ws_slot: #krate::serve::ReplySlot) -> Self::Call {
                match self { #(#replied)* }
            }
        }
    }
}

fn handler_trait(names: &Names<'_>) -> TokenStream {
    let Names { item, handler, .. } = names;
    let Item { krate, ident: set, vis, docs, variants, .. } = item;
    let mut methods_seen = BTreeSet::new();
    // A second method of one name was reported.
    let is_first =
        |variant: &&Variant| !variant.is_tuple() && methods_seen.insert(variant.method());
    let methods =
        variants.iter().filter(is_first).map(|variant| method(item, variant)).collect::<Vec<_>>();
    let message = format!("`{{Self}}` does not serve `{set}`");
    let label = format!("no `impl {handler}` for this type");
    let note = format!(
        "add `impl {handler} for {{Self}}`: one async method per variant of `{set}`, beside `impl \
         Authenticate for {{Self}}` (on a client: `impl Serve for {{Self}}`)"
    );
    let (skeleton, quiet) = (skeleton(names), quiet());
    quote! {
        #(#docs)*
        #[doc = ""]
        #[doc = #skeleton]
        #quiet
        #[diagnostic::on_unimplemented(message = #message, label = #label, note = #note)]
        #vis trait #handler: #krate::Serve { #(#methods)* }
    }
}

fn method(item: &Item, variant: &Variant) -> TokenStream {
    let krate = &item.krate;
    let (name, payload, docs) = (variant.method(), variant.payload(), docs_of(variant, item.role));
    let (reply, error) = answer(item, variant);
    let flow = flow(variant, |carrier, ty, name| {
        let name = format_ident!("{name}");
        quote!(#name: #krate::#carrier<#ty>,)
    });
    // Where a poisoned variant does not say what it answers, any method is accepted.
    let future = if variant.poisoned && !variant.words.flag("reply") {
        quote!(::core::future::Future)
    } else {
        quote!(::core::future::Future<Output = ::core::result::Result<#reply, #error>>)
    };
    quote! {
        #docs
        fn #name(
            &self,
            caller: &#krate::Caller<'_, Self::Principal>,
            req: #payload,
            #flow
        ) -> impl #future + ::core::marker::Send;
    }
}

/// The types of the answer and of the typed error.
pub(crate) fn answer(item: &Item, variant: &Variant) -> (TokenStream, TokenStream) {
    let krate = &item.krate;
    let or = |ty: Option<&Type>, default| ty.map_or(default, ToTokens::to_token_stream);
    let reply = or(variant.words.ty("reply"), quote!(()));
    (reply, or(variant.words.ty("error"), quote!(#krate::Never)))
}

/// The methods as they are written, for the trait's documentation.
fn skeleton(names: &Names<'_>) -> String {
    let Names { item, handler, .. } = names;
    let mut text = format!(
        "One method per variant of [`{}`]:\n\n```text\nimpl {handler} for App {{\n",
        item.ident
    );
    for variant in item.variants.iter().filter(|variant| !variant.is_tuple()) {
        let (reply, error) = match (variant.words.ty("reply"), variant.words.ty("error")) {
            (reply, Some(error)) => (reply.map(shown), shown(error)),
            (reply, None) => (reply.map(shown), "Never".to_owned()),
        };
        let flow = flow(variant, |carrier, ty, name| format!(", {name}: {carrier}<{}>", shown(ty)));
        // Writing to a `String` cannot fail.
        let _ = writeln!(
            text,
            "    async fn {}(&self, caller: &Caller<'_, Self::Principal>, req: {}{}) -> Result<{}, \
             {error}> {{ .. }}",
            variant.method(),
            shown(&variant.payload()),
            flow.unwrap_or_default(),
            reply.unwrap_or_default(),
        );
    }
    text.push_str("}\n```");
    text
}

fn dispatch(names: &Names<'_>) -> TokenStream {
    let Names { item, handler, .. } = names;
    let Item { krate, ident: set, variants, .. } = item;
    let arms = variants.iter().map(|variant| {
        if variant.poisoned {
            return fallback::arm(variant);
        }
        let (method, payload_type) = (variant.method(), variant.payload());
        let (pattern, payload) = unpack(variant);
        let flow = flow(variant, |_, _, make| {
            let make = format_ident!("caller_{make}");
            quote!(#krate::__private::#make::<Self, #payload_type, _>(__ws_caller),)
        });
        quote! {
            #pattern => {
                let __ws_result =
                    <__WsApp as #handler>::#method(__ws_app, __ws_caller, #payload, #flow).await;
                #krate::__private::answer::<Self, #payload_type, _>(__ws_caller, &__ws_result)
            }
        }
    });
    let quiet = quiet();
    quote! {
        #[automatically_derived]
        #quiet
        impl<__WsApp: #handler> #krate::Dispatch<__WsApp> for #set {
            async fn dispatch(
                self,
                __ws_app: &__WsApp,
                __ws_caller: &#krate::Caller<'_, <__WsApp as #krate::Serve>::Principal>,
            ) -> #krate::Answer {
                match self { #(#arms)* }
            }
        }
    }
}

fn call_enum(names: &Names<'_>) -> TokenStream {
    let Names { item, call, .. } = names;
    let Item { krate, ident: set, vis, docs, variants, .. } = item;
    let sound = || variants.iter().filter(|variant| !variant.poisoned);
    let stubs = variants.iter().filter(|variant| variant.poisoned).map(|variant| {
        let ident = &variant.ident;
        quote!(#ident(#krate::Never))
    });
    let slots = sound().map(|variant| {
        let (ident, payload) = (&variant.ident, variant.payload());
        let (docs, deprecated) = (docs_of(variant, item.role), deprecated_attr(variant));
        let flow = flow(variant, |carrier, ty, _| quote!(#krate::#carrier<#ty>,));
        quote!(#docs #deprecated #ident(#payload, #flow #krate::Reply<#set, #payload>))
    });
    let shown = variants.iter().map(|variant| {
        let (ident, name) = (&variant.ident, variant.ident.to_string());
        // A payload of the user's own need not be `Debug`, and may hold a secret.
        let is_own = matches!(variant.shape, Shape::Newtype(_)) || variant.poisoned;
        let field = (!is_own)
            .then(|| quote!(::core::fmt::DebugTuple::field(&mut __ws_shown, __ws_payload);));
        let bound = if is_own { quote!(..) } else { quote!(__ws_payload, ..) };
        quote! {
            Self::#ident(#bound) => {
                let mut __ws_shown = ::core::fmt::Formatter::debug_tuple(__ws_f, #name);
                #field
                ::core::fmt::DebugTuple::finish_non_exhaustive(&mut __ws_shown)
            }
        }
    });
    let body = match_or_empty(&quote!(self), &shown.collect());
    let quiet = quiet();
    let doc = format!("The requests of [`{set}`], each with the slot for its answer.");
    quote! {
        #(#docs)*
        #[doc = ""]
        #[doc = #doc]
        #quiet
        #vis enum #call { #(#slots,)* #(#stubs),* }

        #[automatically_derived]
        #quiet
        impl ::core::fmt::Debug for #call {
            fn fmt(&self, __ws_f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                #body
            }
        }
    }
}

/// A `match` on a reference; one without arms is written on the place itself.
pub(super) fn match_or_empty(value: &TokenStream, arms: &TokenStream) -> TokenStream {
    if arms.is_empty() { quote!(match *#value {}) } else { quote!(match #value { #arms }) }
}
