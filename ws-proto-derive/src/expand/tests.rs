//! Mistakes: how many errors they make, and what the errors say.

use super::{address_field, channels, events, protocol, requests};
use proc_macro2::{TokenStream, TokenTree};
use quote::quote;

type Derive = fn(&syn::DeriveInput) -> TokenStream;

/// The sentences of the `compile_error!`s in what a derive makes of an item. What it makes must
/// be items in any case.
fn sentences(derive: Derive, item: TokenStream) -> Vec<String> {
    let code = derive(&syn::parse2(item).unwrap());
    syn::parse2::<syn::File>(code.clone()).expect("the code is items");
    let tokens: Vec<_> = code.into_iter().collect();
    let mut sentences = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let is_error = matches!(token, TokenTree::Ident(name) if name == "compile_error");
        if let (true, Some(TokenTree::Group(group))) = (is_error, tokens.get(at + 2)) {
            sentences.push(syn::parse2::<syn::LitStr>(group.stream()).unwrap().value());
        }
    }
    sentences
}

fn one(derive: Derive, item: TokenStream) -> String {
    let sentences = sentences(derive, item);
    assert_eq!(sentences.len(), 1, "{sentences:#?}");
    sentences.into_iter().next().unwrap_or_default()
}

fn of_request(variant: &TokenStream) -> String {
    one(requests, quote!(enum Ask { #variant }))
}

fn of_channel(variant: &TokenStream) -> String {
    one(channels, quote!(enum Place { #variant }))
}

fn of_event(variant: &TokenStream) -> String {
    one(events, quote!(enum What { #variant }))
}

#[test]
fn a_sound_enum_makes_no_error() {
    let ask = quote!(
        enum Ask {
            /// Enter.
            #[rpc(reply = Vec<(A, B)>, error = E, stream = S, dedup, ordered, cancel)]
            #[rpc(ack = received,)]
            #[rpc(since = 2, removed = 3, name = "enter_it")]
            Enter {
                #[ws(bounded)]
                id: u64,
                #[ws(text, redact)]
                code: i64,
            },
        }
    );
    assert!(sentences(requests, ask).is_empty());
    let import = quote!(
        enum Ask {
            #[rpc(reply = R, error = E, upload = P, ordered, cancel, ack = received)]
            Import { name: String },
        }
    );
    assert!(sentences(requests, import).is_empty());
    let place = quote!(
        enum Place {
            #[channel(event = E, delivery = at_least_once, history = 1, publish = client)]
            Room { id: u64 },
            #[channel(event = E, delivery = best_effort)]
            Lobby,
        }
    );
    assert!(sentences(channels, place).is_empty());
    let what = quote!(
        enum What {
            A,
            B(T),
            C {
                x: u8,
            },
            #[event(unknown)]
            D(p::UnknownEvent),
        }
    );
    assert!(sentences(events, what).is_empty());
    assert!(
        sentences(
            address_field,
            quote!(
                enum Side {
                    Left,
                    Right,
                }
            )
        )
        .is_empty()
    );
    let chat = quote!(
        #[protocol(name = "a", version = 1)]
        struct Chat;
    );
    assert!(sentences(protocol, chat).is_empty());
}

#[test]
fn every_mistake_of_an_enum_is_shown_at_once() {
    let ask = quote!(
        #[requests(handlr = H)]
        enum Ask {
            #[rpc(replly = A)]
            Misspelt,
            NoReply,
            #[rpc(reply = A, since = 0)]
            Zero,
            #[rpc(reply = A)]
            Wide {
                id: u64,
                #[ws(redakt)]
                key: String,
            },
            #[rpc(reply = A, name = "zero")]
            Again,
        }
    );
    assert_eq!(sentences(requests, ask).len(), 7);
}

#[test]
fn a_misspelt_word_is_one_error_with_a_hint() {
    let sentence = of_request(&quote!(
        #[rpc(replly = A)]
        Join
    ));
    assert!(sentence.starts_with("unknown word `replly` in `#[rpc(..)]`: expected one of `reply`"));
    assert!(sentence.ends_with("(did you mean `reply`?)"), "{sentence}");
    let sentence = of_channel(&quote!(
        #[channel(event = E, delivery = at_last_once)]
        Room
    ));
    assert_eq!(
        sentence,
        "unknown value `at_last_once` of `delivery`: expected one of `at_least_once`, \
         `best_effort` (did you mean `at_least_once`?)"
    );
    let sentence = of_event(&quote!(
        #[event(sinc = HashMap<A, B>, name = "x")]
        Said
    ));
    assert!(sentence.starts_with("unknown word `sinc` in `#[event(..)]`"), "{sentence}");
}

#[test]
fn what_is_missing_is_asked_for_once() {
    assert!(of_request(&quote!(Join)).contains("does not say what answers it"));
    assert!(
        of_request(&quote!(
            #[rpc(ordered)]
            Join
        ))
        .contains("does not say what answers it")
    );
    let delivery = of_channel(&quote!(
        #[channel(event = E)]
        Room
    ));
    assert!(delivery.contains("does not say what is promised about its events"), "{delivery}");
    let event = of_channel(&quote!(
        #[channel(delivery = best_effort)]
        Room
    ));
    assert!(event.contains("`Room` does not say what it carries: write"), "{event}");
    assert!(of_channel(&quote!(Room)).contains("what it carries and what is promised"));
}

#[test]
fn a_value_of_the_wrong_kind_says_what_is_expected() {
    for (words, expected) in [
        (quote!(reply), "`reply` needs a value: write `reply = SomeType`"),
        (quote!(reply = ), "`reply` needs a value: write `reply = SomeType`"),
        (quote!(reply = A, ordered = true), "`ordered` takes no value: write `ordered` alone"),
        (quote!(reply = A, since = "2"), "`since` expects a whole number from 1 to 4294967295"),
        (quote!(reply = A, removed = 0), "`removed` expects a whole number from 1 to 4294967295"),
        (quote!(reply = A, name = enter), "`name` expects a text in double quotes"),
        (quote!(reply = 7), "`reply` expects a type"),
        (quote!(reply = A ordered), "expected `,` between the words of `#[rpc(..)]`"),
        (quote!(reply = A, reply = B), "`reply` is given twice in `#[rpc(..)]`"),
    ] {
        assert_eq!(
            of_request(&quote!(
                #[rpc(#words)]
                Join
            )),
            expected
        );
    }
    let bare = of_request(&quote!(
        #[rpc]
        Join
    ));
    assert_eq!(bare, "the words of `#[rpc(..)]` stand in parentheses");
}

#[test]
fn an_attribute_in_the_wrong_place_is_sent_home() {
    let variant = quote!(
        #[rpc(reply = A)]
        #[channel(event = E)]
        Join
    );
    assert_eq!(of_request(&variant), "`#[channel(..)]` belongs on a variant of a channel enum");
    let field = quote!(
        #[rpc(reply = A)]
        Join {
            #[rpc(reply = A)]
            room: String
        }
    );
    assert_eq!(of_request(&field), "`#[rpc(..)]` belongs on a variant of a request enum");
    let container = quote!(
        #[rpc(reply = A)]
        enum Ask {
            #[rpc(reply = A)]
            Join,
        }
    );
    assert_eq!(one(requests, container), "`#[rpc(..)]` belongs on a variant of a request enum");
    let variant = quote!(
        #[rpc(reply = A)]
        #[ws(redact)]
        Join
    );
    assert!(of_request(&variant).starts_with("`#[ws(..)]` belongs on a named field"));
    let serde = of_event(&quote!(
        #[serde(rename = "x")]
        Said(T)
    ));
    assert_eq!(serde, "`#[serde(..)]` belongs on the payload type itself here");
}

#[test]
fn words_that_exclude_each_other_are_refused() {
    let both = of_request(&quote!(
        #[rpc(reply = A, idempotent, dedup)]
        Join
    ));
    assert!(both.starts_with("`dedup` and `idempotent` exclude each other"));
    let history = of_channel(&quote!(
        #[channel(event = E, delivery = best_effort, history = 3)]
        Room
    ));
    assert!(history.starts_with("`history` needs `delivery = at_least_once`"));
    let age = of_request(&quote!(
        #[rpc(reply = A, since = 3, removed = 3)]
        Join
    ));
    assert_eq!(age, "`removed = 3` must be later than `since = 3`");
    let travels = of_event(&quote!(Said {
        #[ws(bounded, text)]
        by: u64
    }));
    assert!(travels.starts_with("`text` and `bounded` exclude each other"));
}

#[test]
fn a_wire_name_and_a_payload_belong_to_one_variant() {
    let names = quote!(
        enum What {
            HttpGet,
            HTTPGet,
        }
    );
    assert_eq!(one(events, names), "`http_get` is already the wire name of `HttpGet`");
    let methods = quote!(
        enum Ask {
            #[rpc(reply = A)]
            HttpGet,
            #[rpc(reply = A, name = "other")]
            HTTPGet,
        }
    );
    assert_eq!(one(requests, methods), "`http_get` is already the handler method of `HttpGet`");
    let payloads = quote!(
        enum Ask {
            #[rpc(reply = A)]
            A(Q<T>),
            #[rpc(reply = A)]
            B(Q<T>),
        }
    );
    assert!(one(requests, payloads).starts_with("`Q<T>` is already the payload of `A`"));
    let generated = quote!(
        enum Ask {
            #[rpc(reply = A)]
            A(Join),
            #[rpc(reply = A)]
            Join,
        }
    );
    assert!(one(requests, generated).starts_with("`Join` is already the payload of `Join`"));
    let bad = of_request(&quote!(
        #[rpc(reply = A, name = "a.ok")]
        Join
    ));
    assert!(bad.starts_with("`a.ok` is no wire name"));
}

#[test]
fn a_variant_has_fields_a_payload_or_nothing() {
    assert!(
        of_request(&quote!(
            #[rpc(reply = A)]
            Join(A, B)
        ))
        .contains("needs named fields")
    );
    assert!(of_event(&quote!(Said())).contains("needs named fields"));
    let tuple = of_channel(&quote!(
        #[channel(event = E, delivery = best_effort)]
        Room(String)
    ));
    assert!(tuple.starts_with("the fields of a channel are its address"));
    let float = quote!(
        #[channel(event = E, delivery = best_effort)]
        Room { x: f64 }
    );
    assert!(of_channel(&float).starts_with("`f64` cannot stand in a channel address"));
    assert!(
        one(
            address_field,
            quote!(
                enum Side {
                    Left(u8),
                }
            )
        )
        .contains("has fields")
    );
}

#[test]
fn a_wide_integer_says_how_it_travels() {
    let plain = of_event(&quote!(Said { by: u64 }));
    assert!(plain.ends_with("say `#[ws(bounded)]` or `#[ws(text)]`"), "{plain}");
    let nested = of_event(&quote!(Said { by: Vec<Option<i64>> }));
    assert!(nested.ends_with("wrap it in a type that says how it travels"), "{nested}");
    let payload = of_event(&quote!(Said(u64)));
    assert!(payload.ends_with("wrap it in a type that says how it travels"), "{payload}");
    let reply = of_request(&quote!(
        #[rpc(reply = (u8, u64))]
        Join
    ));
    assert!(reply.ends_with("wrap it in a type that says how it travels"), "{reply}");
    let wrapped = of_event(&quote!(Said { #[ws(text)] by: Option<u64> }));
    assert!(wrapped.starts_with("`bounded` and `text` go on a field that is an integer itself"));
    let own = quote!(
        enum What {
            Said {
                #[serde(with = "mine")]
                by: u64,
            },
        }
    );
    assert!(sentences(events, own).is_empty());
}

#[test]
fn one_variant_takes_the_unknown_events() {
    let second = quote!(
        enum What {
            #[event(unknown)]
            A(UnknownEvent),
            #[event(unknown)]
            B(UnknownEvent),
        }
    );
    assert_eq!(one(events, second), "`A` already takes the unknown events");
    let other = of_event(&quote!(
        #[event(unknown)]
        Other { x: u8 }
    ));
    assert_eq!(other, "`unknown` goes on a variant of the form `Other(UnknownEvent)`");
    let redact = of_event(&quote!(Said {
        #[ws(redact)]
        text: String
    }));
    assert!(redact.starts_with("`redact` belongs on a field of a request"));
}

#[test]
fn a_derive_on_another_kind_of_item_says_where_it_goes() {
    let wrong = quote!(
        struct Ask {
            x: u8,
        }
    );
    assert_eq!(
        one(requests, wrong.clone()),
        "`#[derive(Requests)]` goes on an enum: each variant is one request"
    );
    for derive in [channels, events, address_field] {
        assert!(one(derive, wrong.clone()).contains("goes on an enum"));
    }
    let generic = one(
        events,
        quote!(
            enum What<T> {
                A { x: T },
            }
        ),
    );
    assert_eq!(generic, "`#[derive(Events)]` goes on an enum without generic parameters");
    assert!(
        one(
            protocol,
            quote!(
                enum Chat {}
            )
        )
        .contains("goes on a struct")
    );
    assert!(one(requests, quote!(union Ask { x: u8 })).contains("goes on an enum"));
}

#[test]
fn a_protocol_says_its_name_and_its_version() {
    assert!(
        one(
            protocol,
            quote!(
                struct P;
            )
        )
        .contains("its name and its version")
    );
    let unnamed = one(
        protocol,
        quote!(
            #[protocol(version = 1)]
            struct P;
        ),
    );
    assert!(unnamed.contains("does not say its name"), "{unnamed}");
    let ageless = one(
        protocol,
        quote!(
            #[protocol(name = "p")]
            struct P;
        ),
    );
    assert!(ageless.contains("does not say its version"), "{ageless}");
    let order = quote!(
        #[protocol(name = "p", version = 1, min_version = 2)]
        struct P;
    );
    assert_eq!(one(protocol, order), "`min_version = 2` is newer than `version = 1`");
    let name = quote!(
        #[protocol(name = "a b", version = 1)]
        struct P;
    );
    assert!(one(protocol, name).starts_with("`a b` is no protocol name"));
}
