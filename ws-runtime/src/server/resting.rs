//! What a connection keeps while nothing happens: no more memory than it needs.

use super::connection::Connection;
use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
};

impl Connection {
    /// Gives back the memory of what is empty: a tree keeps a node of the largest size.
    pub(super) fn give_back(&mut self) {
        // To drop an empty tree is no less work than to drop a full one, and a turn that only
        // delivers has touched none.
        if !mem::take(&mut self.is_stirred) {
            return;
        }
        if self.behind.is_empty() {
            self.behind = BTreeSet::new();
        }
        if self.running.is_empty() {
            self.running = BTreeMap::new();
        }
        if self.questions.is_empty() {
            self.questions = BTreeMap::new();
        }
        if self.wishes.is_empty() {
            self.wishes = BTreeMap::new();
        }
    }
}
