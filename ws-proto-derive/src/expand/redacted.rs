//! Which names the fields marked `redact` have on the wire: for whoever shows payloads.

use crate::ast::{Field, Item, Variant};
use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use std::collections::BTreeSet;
use syn::{Attribute, LitStr, ext::IdentExt};

/// Stands for the whole payload: a field in it has no name of its own.
const ALL: &str = "*";
/// The words of serde behind which a name stands.
const NAMING: [&str; 4] = ["rename", "alias", "serialize", "deserialize"];

/// `const REDACTED`, where there is anything to say.
pub(super) fn redacted(item: &Item) -> TokenStream {
    let pairs = item.variants.iter().filter(|variant| !variant.poisoned).flat_map(|variant| {
        let names: BTreeSet<String> =
            variant.fields().iter().flat_map(|f| names(variant, f)).collect();
        names.into_iter().map(|name| (variant.wire.clone(), name))
    });
    let pairs: Vec<TokenStream> = pairs.map(|(kind, name)| quote!((#kind, #name))).collect();
    if pairs.is_empty() {
        return TokenStream::new();
    }
    quote! {
        const REDACTED: &'static [(&'static ::core::primitive::str, &'static ::core::primitive::str)] =
            &[#(#pairs),*];
    }
}

/// Every name that a field may have in a message. One too many hides too much, one too few shows
/// a secret.
fn names(variant: &Variant, field: &Field) -> Vec<String> {
    if !field.redact {
        return Vec::new();
    }
    let own = words(&field.attrs);
    let payload = words(&variant.payload_attrs);
    let has = |words: &[Word], name: &str| words.iter().any(|word| word.name == name);
    if has(&own, "flatten") || has(&payload, "transparent") {
        return vec![ALL.to_owned()];
    }
    let ident = field.ident.unraw().to_string();
    let given = own.into_iter().filter(|word| NAMING.contains(&&*word.name));
    let mut names: Vec<String> = given.filter_map(|word| word.text).collect();
    if ["rename_all", "rename_all_fields"].iter().any(|word| has(&payload, word)) {
        names.extend(in_all_cases(&ident));
    }
    names.push(ident);
    names
}

/// A word of a serde attribute, and the text behind it.
struct Word {
    name: String,
    text: Option<String>,
}

fn words(attrs: &[Attribute]) -> Vec<Word> {
    let mut words = Vec::new();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("serde")) {
        read(attr.meta.to_token_stream(), &mut words);
    }
    words
}

fn read(tokens: TokenStream, words: &mut Vec<Word>) {
    for token in tokens {
        match token {
            TokenTree::Ident(name) => words.push(Word { name: name.to_string(), text: None }),
            TokenTree::Group(group) => read(group.stream(), words),
            TokenTree::Literal(literal) => {
                let text = syn::parse2::<LitStr>(literal.to_token_stream());
                if let (Ok(text), Some(last)) = (text, words.last_mut()) {
                    last.text = Some(text.value());
                }
            }
            TokenTree::Punct(_) => {}
        }
    }
}

/// The spellings that serde's `rename_all` may give to a field in snake case.
fn in_all_cases(ident: &str) -> Vec<String> {
    let pascal: String = ident.split('_').map(capital).collect();
    let mut letters = pascal.chars();
    let first = letters.next().map(|first| first.to_lowercase().to_string());
    let camel = format!("{}{}", first.unwrap_or_default(), letters.as_str());
    let (upper, kebab) = (ident.to_uppercase(), ident.replace('_', "-"));
    vec![pascal, camel, upper, kebab.to_uppercase(), kebab]
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    format!("{}{}", first.unwrap_or_default(), letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ast::Role, ctxt::Ctxt};

    fn of(variant: &TokenStream) -> Vec<String> {
        let input = syn::parse2(quote!(enum Ask { #variant })).unwrap();
        let cx = Ctxt::new();
        let item = Item::read(&cx, &input, Role::Request).unwrap();
        assert!(cx.finish().is_empty());
        let variant = &item.variants[0];
        variant.fields().iter().flat_map(|field| names(variant, field)).collect()
    }

    #[test]
    fn a_redacted_field_has_the_names_that_serde_gives_it() {
        let plain = quote!(
            #[rpc(reply = ())]
            Join {
                room: String,
                #[ws(redact)]
                r#type: String
            }
        );
        assert_eq!(of(&plain), ["type"]);
        let renamed = quote!(
            #[rpc(reply = ())]
            Join {
                #[ws(redact)]
                #[serde(default, rename = "pw", alias = "pass", with = "module")]
                password: String
            }
        );
        assert_eq!(of(&renamed), ["pw", "pass", "password"]);
        let both = quote!(
            #[rpc(reply = ())]
            Join {
                #[ws(redact)]
                #[serde(rename(serialize = "out", deserialize = "in"))]
                password: String
            }
        );
        assert_eq!(of(&both), ["out", "in", "password"]);
        let renamed_all = quote!(
            #[rpc(reply = ())]
            #[serde(rename_all = "camelCase")]
            Join {
                #[ws(redact)]
                pass_word: String
            }
        );
        let cases = ["PassWord", "passWord", "PASS_WORD", "PASS-WORD", "pass-word", "pass_word"];
        assert_eq!(of(&renamed_all), cases);
    }

    #[test]
    fn a_redacted_field_without_a_name_hides_the_payload() {
        let flat = quote!(
            #[rpc(reply = ())]
            Join {
                #[ws(redact)]
                #[serde(flatten)]
                inner: Inner
            }
        );
        assert_eq!(of(&flat), ["*"]);
        let bare = quote!(
            #[rpc(reply = ())]
            #[serde(transparent)]
            Join {
                #[ws(redact)]
                password: String
            }
        );
        assert_eq!(of(&bare), ["*"]);
    }
}
