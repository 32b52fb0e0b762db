//! `#[derive(Protocol)]`: names, versions, and the checks that go across the enums.

use super::quiet;
use crate::{
    ast::read_crate,
    attr::{Words, refuse_misplaced},
    ctxt::Ctxt,
    words::PROTOCOL,
};
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Data, DeriveInput, LitStr};

pub(crate) fn protocol(input: &DeriveInput) -> TokenStream {
    let cx = Ctxt::new();
    let code = expand(&cx, input);
    let errors = cx.finish();
    quote!(#errors #code)
}

fn expand(cx: &Ctxt, input: &DeriveInput) -> TokenStream {
    let ident = &input.ident;
    refuse_misplaced(cx, &input.attrs, &["protocol", "ws"]);
    let krate = read_crate(cx, &input.attrs);
    let words = Words::read(cx, &input.attrs, "protocol", PROTOCOL);
    if !matches!(input.data, Data::Struct(_)) {
        cx.at(ident.span(), format!("`#[derive(Protocol)]` goes on a struct: `struct {ident};`"));
    }
    if !input.generics.params.is_empty() {
        let sentence = "`#[derive(Protocol)]` goes on a struct without generic parameters";
        cx.over(&input.generics, sentence);
        return TokenStream::new();
    }
    check_words(cx, input, &words);
    let name = words.text("name").map(LitStr::value).unwrap_or_default();
    let version = words.number("version").unwrap_or(1);
    let oldest = words.number("min_version").unwrap_or(version);
    let given = |word: &str| words.ty(word).map(ToTokens::to_token_stream);
    let requests = given("requests").unwrap_or_else(|| quote!(#krate::NoRequests));
    let channels = given("channels").unwrap_or_else(|| quote!(#krate::NoChannels));
    let callbacks = given("callbacks").unwrap_or_else(|| quote!(#krate::NoRequests));
    // With a mistake above, the version may not be what was meant.
    let check = (cx.count() == 0).then(|| {
        let span = words.span("version").unwrap_or_else(|| ident.span());
        let check = check_at(span, &quote!(#krate::__private::check_protocol::<#ident>()));
        let of_callbacks = words
            .span("callbacks")
            .map(|span| check_at(span, &quote!(#krate::__private::check_callbacks::<#ident>())));
        quote!(#check #of_callbacks)
    });
    let quiet = quiet();
    quote! {
        #[automatically_derived]
        #quiet
        impl #krate::Protocol for #ident {
            const NAME: &'static ::core::primitive::str = #name;
            const VERSION: ::core::primitive::u32 = #version;
            const MIN_VERSION: ::core::primitive::u32 = #oldest;
            type Requests = #requests;
            type Channels = #channels;
            type Callbacks = #callbacks;
        }
        #check
    }
}

/// Every token of the call stands at the word, so that the compiler points there.
fn check_at(span: Span, call: &TokenStream) -> TokenStream {
    let call: TokenStream = call
        .clone()
        .into_iter()
        .map(|mut token| {
            token.set_span(token.span().located_at(span));
            token
        })
        .collect();
    quote_spanned!(span=> const _: () = #call;)
}

fn check_words(cx: &Ctxt, input: &DeriveInput, words: &Words) {
    if let Some(name) = words.text("name") {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let value = name.value();
        if value.is_empty() || value.len() > 63 || !value.chars().all(is_plain) {
            let sentence = format!(
                "`{value}` is no protocol name: it has 1 to 63 of `A-Z`, `a-z`, `0-9`, `_`, `-` \
                 and `.`"
            );
            cx.at(name.span(), sentence);
        }
    }
    let (version, oldest) = (words.number("version"), words.number("min_version"));
    if let (Some(version), Some(oldest), Some(span)) = (version, oldest, words.span("min_version"))
        && oldest > version
    {
        let sentence = format!("`min_version = {oldest}` is newer than `version = {version}`");
        cx.at(span, sentence);
    }
    if cx.count() > 0 {
        return;
    }
    let ident = &input.ident;
    let missing = match (words.flag("name"), words.flag("version")) {
        (true, true) => return,
        (false, false) => {
            "its name and its version: write `#[protocol(name = \"..\", version = 1)]`"
        }
        (false, true) => "its name: write `name = \"..\"` in its `#[protocol(..)]`",
        (true, false) => "its version: write `version = 1` in its `#[protocol(..)]`",
    };
    cx.at(ident.span(), format!("`{ident}` does not say {missing}"));
}
