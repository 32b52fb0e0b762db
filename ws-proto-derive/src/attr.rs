//! Reads the attributes. No function here returns a `Result`: a mistake goes to the [`Ctxt`] and
//! reading goes on, so that all mistakes of an enum are seen at once.

use crate::{
    ctxt::Ctxt,
    words::{HOMES, Takes, Word, closest, expected},
};
use proc_macro2::{Span, TokenTree};
use quote::ToTokens;
use syn::{
    Attribute, Expr, ExprLit, Ident, Lit, LitInt, LitStr, Meta, Path, Token, Type,
    ext::IdentExt,
    parse::{Parse, ParseStream},
};

/// The words given in the attributes of one item, each once.
#[derive(Debug, Default)]
pub(crate) struct Words(Vec<Given>);

#[derive(Debug)]
struct Given {
    word: &'static str,
    span: Span,
    value: Value,
}

#[derive(Debug)]
enum Value {
    Nothing,
    Type(Type),
    Number(u32),
    Text(LitStr),
    Name(Ident),
    Path(Path),
    Choice(&'static str),
    /// A mistake that was reported.
    Broken,
}

impl Words {
    /// Reads the words of every attribute called `name`.
    pub(crate) fn read(cx: &Ctxt, attrs: &[Attribute], name: &str, table: &'static [Word]) -> Self {
        let mut words = Self::default();
        for attr in attrs.iter().filter(|attr| attr.path().is_ident(name)) {
            let Meta::List(list) = &attr.meta else {
                cx.over(attr, format!("the words of `#[{name}(..)]` stand in parentheses"));
                continue;
            };
            let read = |input: ParseStream<'_>| {
                words.read_list(cx, input, name, table);
                Ok(())
            };
            // `read_list` reports what it finds and consumes everything.
            if let Err(error) = list.parse_args_with(read) {
                cx.at(error.span(), error);
            }
        }
        words
    }

    pub(crate) fn flag(&self, word: &str) -> bool {
        self.span(word).is_some()
    }

    /// Where a word stands, if it is given.
    pub(crate) fn span(&self, word: &str) -> Option<Span> {
        self.0.iter().find(|given| given.word == word).map(|given| given.span)
    }

    /// Where the second of two words stands, if both are given.
    pub(crate) fn later_of(&self, a: &str, b: &str) -> Option<Span> {
        let mut both = self.0.iter().filter(|given| given.word == a || given.word == b);
        both.next()?;
        both.next().map(|given| given.span)
    }

    pub(crate) fn ty(&self, word: &str) -> Option<&Type> {
        self.value(word).and_then(|value| if let Value::Type(v) = value { Some(v) } else { None })
    }

    pub(crate) fn number(&self, word: &str) -> Option<u32> {
        self.value(word).and_then(|v| if let Value::Number(v) = v { Some(*v) } else { None })
    }

    pub(crate) fn text(&self, word: &str) -> Option<&LitStr> {
        self.value(word).and_then(|value| if let Value::Text(v) = value { Some(v) } else { None })
    }

    pub(crate) fn name(&self, word: &str) -> Option<&Ident> {
        self.value(word).and_then(|value| if let Value::Name(v) = value { Some(v) } else { None })
    }

    pub(crate) fn path(&self, word: &str) -> Option<&Path> {
        self.value(word).and_then(|value| if let Value::Path(v) = value { Some(v) } else { None })
    }

    pub(crate) fn choice(&self, word: &str) -> Option<&'static str> {
        self.value(word)
            .and_then(|value| if let Value::Choice(v) = value { Some(*v) } else { None })
    }

    fn value(&self, word: &str) -> Option<&Value> {
        self.0.iter().find(|given| given.word == word).map(|given| &given.value)
    }

    fn read_list(&mut self, cx: &Ctxt, input: ParseStream<'_>, attr: &str, table: &'static [Word]) {
        while !input.is_empty() {
            self.read_word(cx, input, attr, table);
            if !input.is_empty() && !input.peek(Token![,]) {
                cx.at(input.span(), format!("expected `,` between the words of `#[{attr}(..)]`"));
                skip_to_comma(input);
            }
            // Nothing but a comma or the end can stand here.
            let _ = input.parse::<Option<Token![,]>>();
        }
    }

    fn read_word(&mut self, cx: &Ctxt, input: ParseStream<'_>, attr: &str, table: &'static [Word]) {
        let known: Vec<_> = table.iter().map(|word| word.name).collect();
        let Ok(ident) = input.call(Ident::parse_any) else {
            let expected = expected("", &known);
            cx.at(input.span(), format!("this is no word of `#[{attr}(..)]`: {expected}"));
            return skip_to_comma(input);
        };
        let name = ident.unraw().to_string();
        let Some(word) = table.iter().find(|word| word.name == name) else {
            let expected = expected(&name, &known);
            cx.at(ident.span(), format!("unknown word `{name}` in `#[{attr}(..)]`: {expected}"));
            let meant = closest(&name, &known);
            let meant = table.iter().find(|word| Some(word.name) == meant);
            return self.read_meant(input, meant, &ident);
        };
        let value = read_value(cx, input, word, &ident);
        if self.flag(word.name) {
            cx.at(ident.span(), format!("`{name}` is given twice in `#[{attr}(..)]`"));
        } else {
            self.0.push(Given { word: word.name, span: ident.span(), value });
        }
    }

    /// A misspelt word is taken for the one that is meant, so that what it says is not missed
    /// elsewhere. Its mistake is told already: it makes no other.
    fn read_meant(&mut self, input: ParseStream<'_>, meant: Option<&'static Word>, ident: &Ident) {
        let untold = Ctxt::new();
        if let Some(word) = meant {
            let value = read_value(&untold, input, word, ident);
            if !self.flag(word.name) {
                self.0.push(Given { word: word.name, span: ident.span(), value });
            }
        }
        // What follows, up to the next word, belongs to the mistake.
        skip_to_comma(input);
        let _ = untold.finish();
    }
}

/// Reports the attributes of the derives that stand where they mean nothing.
pub(crate) fn refuse_misplaced(cx: &Ctxt, attrs: &[Attribute], at_home: &[&str]) {
    for attr in attrs {
        for (name, home) in HOMES {
            if attr.path().is_ident(name) && !at_home.contains(name) {
                cx.over(attr, format!("`#[{name}(..)]` belongs {home}"));
            }
        }
    }
}

/// Reports an attribute that must be meant for the mandatory `name`, which is not there.
pub(crate) fn refuse_misspelt(cx: &Ctxt, attrs: &[Attribute], name: &str) {
    if attrs.iter().any(|attr| attr.path().is_ident(name)) {
        return;
    }
    let given = attrs.iter().filter_map(|attr| attr.path().get_ident());
    for ident in given.filter(|ident| closest(&ident.to_string(), &[name]).is_some()) {
        cx.at(ident.span(), format!("unknown attribute `{ident}` (did you mean `{name}`?)"));
    }
}

/// Reports `#[serde(..)]` and `#[schemars(..)]` where there is no payload struct to move them to.
pub(crate) fn refuse_serde(cx: &Ctxt, attrs: &[Attribute]) {
    for attr in attrs {
        for name in ["serde", "schemars"] {
            if attr.path().is_ident(name) {
                cx.over(attr, format!("`#[{name}(..)]` belongs on the payload type itself here"));
            }
        }
    }
}

/// The attributes that move to a generated item.
pub(crate) fn named(attrs: &[Attribute], names: &[&str]) -> Vec<Attribute> {
    let is_named = |attr: &&Attribute| names.iter().any(|name| attr.path().is_ident(name));
    attrs.iter().filter(is_named).cloned().collect()
}

/// The text of the documentation.
pub(crate) fn doc_text(attrs: &[Attribute]) -> String {
    let lines: Vec<String> = attrs
        .iter()
        .filter(|attr| attr.path().is_ident("doc"))
        .filter_map(|attr| text_of(attr.meta.require_name_value().ok().map(|doc| &doc.value)?))
        .map(|line| line.strip_prefix(' ').unwrap_or(&line).to_owned())
        .collect();
    lines.join("\n").trim().to_owned()
}

/// The note of `#[deprecated]`; empty when it has none.
pub(crate) fn deprecation(attrs: &[Attribute]) -> Option<String> {
    let attr = attrs.iter().find(|attr| attr.path().is_ident("deprecated"))?;
    let mut note = String::new();
    match &attr.meta {
        Meta::Path(_) => {}
        Meta::NameValue(pair) => note = text_of(&pair.value).unwrap_or_default(),
        Meta::List(list) => {
            // The compiler reports what is wrong with its own attribute.
            let _ = list.parse_nested_meta(|meta| {
                let text = meta.value()?.parse::<LitStr>()?;
                if meta.path.is_ident("note") {
                    note = text.value();
                }
                Ok(())
            });
        }
    }
    Some(note)
}

/// Whether a `#[serde(..)]` or `#[schemars(..)]` attribute says one of these words.
pub(crate) fn serde_says(attrs: &[Attribute], words: &[&str]) -> bool {
    let says = |attr: &Attribute| {
        let Ok(list) = attr.meta.require_list() else { return false };
        list.tokens
            .clone()
            .into_iter()
            .any(|token| matches!(token, TokenTree::Ident(word) if words.iter().any(|w| word == w)))
    };
    let is_read =
        |attr: &&Attribute| attr.path().is_ident("serde") || attr.path().is_ident("schemars");
    attrs.iter().filter(is_read).any(says)
}

fn text_of(value: &Expr) -> Option<String> {
    if let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = value {
        Some(text.value())
    } else {
        None
    }
}

fn read_value(cx: &Ctxt, input: ParseStream<'_>, word: &Word, ident: &Ident) -> Value {
    let name = word.name;
    let has_value = input.peek(Token![=]);
    if matches!(word.takes, Takes::Nothing) {
        if has_value || input.peek(syn::token::Paren) {
            cx.at(ident.span(), format!("`{name}` takes no value: write `{name}` alone"));
            skip_to_comma(input);
            return Value::Broken;
        }
        return Value::Nothing;
    }
    let needs = || format!("`{name}` needs a value: write {}", word.takes.example(name));
    if !has_value {
        cx.at(ident.span(), needs());
        skip_to_comma(input);
        return Value::Broken;
    }
    // The `=` was seen.
    let _ = input.parse::<Token![=]>();
    if input.is_empty() || input.peek(Token![,]) {
        cx.at(ident.span(), needs());
        return Value::Broken;
    }
    match &word.takes {
        Takes::Nothing => Value::Nothing,
        Takes::Type => {
            read_as::<Type>(cx, input, name, "a type").map_or(Value::Broken, Value::Type)
        }
        Takes::Number => read_number(cx, input, name),
        Takes::Text => {
            read_as(cx, input, name, "a text in double quotes").map_or(Value::Broken, Value::Text)
        }
        Takes::Name => {
            read_as(cx, input, name, "the name of a new type").map_or(Value::Broken, Value::Name)
        }
        Takes::Path => read_as(cx, input, name, "a path").map_or(Value::Broken, Value::Path),
        Takes::Choice(choices) => read_choice(cx, input, name, choices),
    }
}

fn read_as<T: Parse>(cx: &Ctxt, input: ParseStream<'_>, name: &str, what: &str) -> Option<T> {
    let span = input.span();
    if let Ok(value) = input.parse() {
        return Some(value);
    }
    cx.at(span, format!("`{name}` expects {what}"));
    skip_to_comma(input);
    None
}

fn read_number(cx: &Ctxt, input: ParseStream<'_>, name: &str) -> Value {
    let what = "a whole number from 1 to 4294967295";
    let Some(number) = read_as::<LitInt>(cx, input, name, what) else { return Value::Broken };
    match number.base10_parse::<u32>() {
        Ok(value) if value > 0 => Value::Number(value),
        _ => {
            cx.at(number.span(), format!("`{name}` expects {what}"));
            Value::Broken
        }
    }
}

fn read_choice(
    cx: &Ctxt,
    input: ParseStream<'_>,
    name: &str,
    choices: &'static [&'static str],
) -> Value {
    let span = input.span();
    let given = match input.parse::<TokenTree>() {
        Ok(TokenTree::Ident(ident)) => ident.unraw().to_string(),
        Ok(other) => other.to_token_stream().to_string(),
        Err(_) => String::new(),
    };
    if let Some(choice) = choices.iter().find(|choice| **choice == given) {
        return Value::Choice(choice);
    }
    let expected = expected(&given, choices);
    cx.at(span, format!("unknown value `{given}` of `{name}`: {expected}"));
    skip_to_comma(input);
    Value::Broken
}

/// Goes to the next comma that is not inside `<..>`.
fn skip_to_comma(input: ParseStream<'_>) {
    let mut depth = 0_usize;
    while !(input.is_empty() || depth == 0 && input.peek(Token![,])) {
        match input.parse::<TokenTree>() {
            Ok(TokenTree::Punct(punct)) if punct.as_char() == '<' => depth += 1,
            Ok(TokenTree::Punct(punct)) if punct.as_char() == '>' => {
                depth = depth.saturating_sub(1);
            }
            _ => {}
        }
    }
}
