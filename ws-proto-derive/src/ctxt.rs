//! Where the mistakes of one derive are collected.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use std::cell::RefCell;

/// Collects every mistake, so that all are shown at once. Panics when it is dropped unread.
#[derive(Debug)]
pub(crate) struct Ctxt(RefCell<Option<Vec<syn::Error>>>);

impl Ctxt {
    pub(crate) fn new() -> Self {
        Self(RefCell::new(Some(Vec::new())))
    }

    /// A mistake at a token.
    pub(crate) fn at(&self, span: Span, sentence: impl std::fmt::Display) {
        self.push(syn::Error::new(span, sentence));
    }

    /// A mistake that covers several tokens.
    pub(crate) fn over(&self, tokens: impl ToTokens, sentence: impl std::fmt::Display) {
        self.push(syn::Error::new_spanned(tokens, sentence));
    }

    /// How many mistakes there are; more than before means that the item in between is poisoned.
    pub(crate) fn count(&self) -> usize {
        self.0.borrow().as_ref().map_or(0, Vec::len)
    }

    /// One `compile_error!` per mistake.
    pub(crate) fn finish(self) -> TokenStream {
        let errors = self.0.take().unwrap_or_default();
        errors.iter().map(syn::Error::to_compile_error).collect()
    }

    fn push(&self, error: syn::Error) {
        if let Some(errors) = self.0.borrow_mut().as_mut() {
            errors.push(error);
        }
    }
}

impl Drop for Ctxt {
    fn drop(&mut self) {
        let is_read = self.0.borrow().is_none();
        assert!(is_read || std::thread::panicking(), "the collected mistakes were not read");
    }
}
