//! One enum as the derives see it.

use crate::{
    attr::{self, Words},
    check,
    ctxt::Ctxt,
    words::{CHANNEL, EVENT, REQUESTS, RPC, WS_CONTAINER, WS_FIELD, Word},
};
use proc_macro2::{Group, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};
use syn::{Attribute, Data, DeriveInput, Fields, Ident, Path, Type, Visibility, ext::IdentExt};

/// What the variants of an enum are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Request,
    Channel,
    Event,
    /// Values of one address field.
    Address,
}

/// An enum and what its attributes say.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) role: Role,
    pub(crate) ident: Ident,
    pub(crate) vis: Visibility,
    pub(crate) docs: Vec<Attribute>,
    /// Where `ws_proto` is.
    pub(crate) krate: Path,
    /// The words of `#[requests(..)]`.
    pub(crate) words: Words,
    pub(crate) variants: Vec<Variant>,
}

/// One variant: a request, a channel or an event.
#[derive(Debug)]
pub(crate) struct Variant {
    pub(crate) ident: Ident,
    /// Docs and `#[deprecated]`.
    pub(crate) attrs: Vec<Attribute>,
    /// `#[serde(..)]` and `#[schemars(..)]`.
    pub(crate) payload_attrs: Vec<Attribute>,
    pub(crate) doc: String,
    pub(crate) deprecated: Option<String>,
    pub(crate) shape: Shape,
    /// The words of `#[rpc(..)]`, `#[channel(..)]` or `#[event(..)]`.
    pub(crate) words: Words,
    /// The name on the wire.
    pub(crate) wire: String,
    /// Whether a mistake was reported for it: nothing is then said about what it lacks.
    pub(crate) poisoned: bool,
}

/// What a variant holds.
#[derive(Debug)]
pub(crate) enum Shape {
    Unit,
    Newtype(Type),
    Struct(Vec<Field>),
    /// A tuple, which was reported.
    Tuple,
}

/// One named field of a variant.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
    /// Docs, `#[serde(..)]`, `#[schemars(..)]`, `#[deprecated]`.
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) travels: Travels,
    pub(crate) redact: bool,
    /// It names the value of which only the latest counts.
    pub(crate) latest: bool,
}

/// How an integer field travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Travels {
    AsItIs,
    Bounded,
    Text,
}

impl Role {
    pub(crate) const fn derive(self) -> &'static str {
        match self {
            Self::Request => "Requests",
            Self::Channel => "Channels",
            Self::Event => "Events",
            Self::Address => "AddressField",
        }
    }

    /// What one variant is called.
    pub(crate) const fn noun(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Channel => "channel",
            Self::Event => "event",
            Self::Address => "value",
        }
    }

    const fn container_attrs(self) -> &'static [&'static str] {
        match self {
            Self::Request => &["requests", "ws"],
            _ => &["ws"],
        }
    }

    const fn attr(self) -> (&'static str, &'static [Word]) {
        match self {
            Self::Request => ("rpc", RPC),
            Self::Channel => ("channel", CHANNEL),
            Self::Event => ("event", EVENT),
            Self::Address => ("", &[]),
        }
    }
}

impl Item {
    /// Reads an enum and reports its mistakes; `None` when it is no enum or has parameters.
    pub(crate) fn read(cx: &Ctxt, input: &DeriveInput, role: Role) -> Option<Self> {
        let krate = read_crate(cx, &input.attrs);
        attr::refuse_misplaced(cx, &input.attrs, role.container_attrs());
        let data = check::plain_enum(cx, input, role)?;
        let mut item = Self {
            role,
            ident: input.ident.clone(),
            vis: input.vis.clone(),
            docs: attr::named(&input.attrs, &["doc"]),
            krate,
            words: Words::default(),
            variants: Vec::new(),
        };
        if role == Role::Request {
            item.words = Words::read(cx, &input.attrs, "requests", REQUESTS);
        }
        item.variants = data.variants.iter().map(|v| item.read_variant(cx, v)).collect();
        check::item(cx, &mut item);
        Some(item)
    }

    fn read_variant(&self, cx: &Ctxt, variant: &syn::Variant) -> Variant {
        let before = cx.count();
        let (name, table) = self.role.attr();
        let words = Words::read(cx, &variant.attrs, name, table);
        attr::refuse_misplaced(cx, &variant.attrs, &[name]);
        if matches!(self.role, Role::Request | Role::Channel) {
            attr::refuse_misspelt(cx, &variant.attrs, name);
        }
        let shape = self.read_shape(cx, variant);
        let carries_serde = matches!(self.role, Role::Request | Role::Event);
        if carries_serde && matches!(shape, Shape::Unit | Shape::Newtype(_)) {
            attr::refuse_serde(cx, &variant.attrs);
        }
        let wire = words.text("name").map_or_else(|| snake(&variant.ident), syn::LitStr::value);
        Variant {
            ident: variant.ident.clone(),
            attrs: attr::named(&variant.attrs, &["doc", "deprecated"]),
            payload_attrs: attr::named(&variant.attrs, &["serde", "schemars"]),
            doc: attr::doc_text(&variant.attrs),
            deprecated: attr::deprecation(&variant.attrs),
            shape,
            words,
            wire,
            poisoned: cx.count() > before,
        }
    }

    fn read_shape(&self, cx: &Ctxt, variant: &syn::Variant) -> Shape {
        match &variant.fields {
            Fields::Unit => Shape::Unit,
            Fields::Named(fields) => {
                Shape::Struct(fields.named.iter().filter_map(|f| self.read_field(cx, f)).collect())
            }
            Fields::Unnamed(fields) => {
                for field in &fields.unnamed {
                    attr::refuse_misplaced(cx, &field.attrs, &[]);
                    if matches!(self.role, Role::Request | Role::Event) {
                        attr::refuse_serde(cx, &field.attrs);
                    }
                }
                match fields.unnamed.first() {
                    Some(only) if fields.unnamed.len() == 1 => {
                        Shape::Newtype(without_self(&only.ty, &self.ident))
                    }
                    _ => Shape::Tuple,
                }
            }
        }
    }

    fn read_field(&self, cx: &Ctxt, field: &syn::Field) -> Option<Field> {
        attr::refuse_misplaced(cx, &field.attrs, &["ws"]);
        let words = if matches!(self.role, Role::Request | Role::Event) {
            Words::read(cx, &field.attrs, "ws", WS_FIELD)
        } else {
            check::no_field_words(cx, field, self.role);
            Words::default()
        };
        check::field_words(cx, &words, self.role);
        let travels = match (words.flag("bounded"), words.flag("text")) {
            (true, _) => Travels::Bounded,
            (_, true) => Travels::Text,
            _ => Travels::AsItIs,
        };
        Some(Field {
            ident: field.ident.clone()?,
            ty: without_self(&field.ty, &self.ident),
            attrs: attr::named(&field.attrs, &["doc", "serde", "schemars", "deprecated"]),
            travels,
            redact: words.flag("redact"),
            latest: words.flag("latest"),
        })
    }
}

impl Variant {
    pub(crate) fn since(&self) -> u32 {
        self.words.number("since").unwrap_or(1)
    }

    /// The method of the handler trait: snake case, raw where it is a keyword.
    pub(crate) fn method(&self) -> Ident {
        let name = snake(&self.ident);
        let span = self.ident.span();
        match name.as_str() {
            // These cannot be written raw.
            "self" | "super" | "crate" | "_" => format_ident!("{name}_", span = span),
            _ => syn::parse_str(&name).map_or_else(
                |_| Ident::new_raw(&name, span),
                |mut method: Ident| {
                    method.set_span(span);
                    method
                },
            ),
        }
    }

    /// The type of the payload: the generated struct or the user's own type.
    pub(crate) fn payload(&self) -> TokenStream {
        match &self.shape {
            Shape::Newtype(ty) => ty.to_token_stream(),
            _ => self.ident.to_token_stream(),
        }
    }

    pub(crate) fn fields(&self) -> &[Field] {
        if let Shape::Struct(fields) = &self.shape { fields } else { &[] }
    }

    /// Whether the generated code can use it: it has a payload and no other variant's name.
    pub(crate) fn is_tuple(&self) -> bool {
        matches!(self.shape, Shape::Tuple)
    }
}

/// Where `ws_proto` is: `#[ws(crate = ..)]`.
pub(crate) fn read_crate(cx: &Ctxt, attrs: &[Attribute]) -> Path {
    let words = Words::read(cx, attrs, "ws", WS_CONTAINER);
    words.path("crate").cloned().unwrap_or_else(|| syn::parse_quote!(::ws_proto))
}

/// `HttpGet` as `http_get`, `HTTPGet` too.
pub(crate) fn snake(ident: &Ident) -> String {
    let chars: Vec<char> = ident.unraw().to_string().chars().collect();
    let mut snake = String::new();
    for (at, &c) in chars.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| chars.get(at));
        let after = chars.get(at + 1);
        let word_starts = c.is_uppercase()
            && before.is_some_and(|b| {
                *b != '_' && (!b.is_uppercase() || after.is_some_and(|a| a.is_lowercase()))
            });
        if word_starts {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
}

/// The enum of a derive's input.
pub(crate) const fn as_enum(input: &DeriveInput) -> Option<&syn::DataEnum> {
    if let Data::Enum(data) = &input.data { Some(data) } else { None }
}

/// `Self` in a variant is the enum; in a generated struct it would be the struct.
fn without_self(ty: &Type, ident: &Ident) -> Type {
    let tokens = replace_self(ty.to_token_stream(), ident);
    syn::parse2(quote!(#tokens)).unwrap_or_else(|_| ty.clone())
}

fn replace_self(tokens: TokenStream, ident: &Ident) -> TokenStream {
    tokens
        .into_iter()
        .map(|token| match token {
            TokenTree::Ident(word) if word == "Self" => {
                let mut ident = ident.clone();
                ident.set_span(word.span());
                TokenTree::Ident(ident)
            }
            TokenTree::Group(group) => {
                let inner = replace_self(group.stream(), ident);
                let mut replaced = Group::new(group.delimiter(), inner);
                replaced.set_span(group.span());
                TokenTree::Group(replaced)
            }
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_snake_case() {
        for (ident, expected) in [
            ("Join", "join"),
            ("GetUser", "get_user"),
            ("HTTPGet", "http_get"),
            ("GetHTTP", "get_http"),
            ("V2Search", "v2_search"),
            ("Already_Snake", "already_snake"),
            ("Box", "box"),
        ] {
            let ident: Ident = syn::parse_str(ident).unwrap();
            assert_eq!(snake(&ident), expected);
        }
    }

    #[test]
    fn self_in_a_field_is_the_enum() {
        let ty: Type = syn::parse_quote!(Vec<(Self, Option<Self>)>);
        let expected: Type = syn::parse_quote!(Vec<(Tree, Option<Tree>)>);
        assert_eq!(without_self(&ty, &format_ident!("Tree")), expected);
    }
}
