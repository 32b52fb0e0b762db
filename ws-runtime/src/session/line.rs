//! A queue that seldom holds more than one thing, and is seldom empty for long: the first has its
//! place here, so that what comes and goes alone allocates nothing.

use super::resting::{at_the_start, relieve};
use std::{collections::VecDeque, mem};

/// A queue. It has a first if it has any.
#[derive(Debug)]
pub(crate) struct Line<T> {
    first: Option<T>,
    others: VecDeque<T>,
}

impl<T> Line<T> {
    pub(crate) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(crate) fn front(&self) -> Option<&T> {
        self.first.as_ref()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.first.iter().chain(&self.others)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.first.iter_mut().chain(&mut self.others)
    }

    pub(crate) fn push_back(&mut self, it: T) {
        if self.first.is_none() {
            self.first = Some(it);
        } else {
            self.others.push_back(it);
        }
    }

    pub(crate) fn push_front(&mut self, it: T) {
        if let Some(second) = self.first.replace(it) {
            self.others.push_front(second);
        }
    }

    pub(crate) fn pop_front(&mut self) -> Option<T> {
        let first = self.first.take();
        if !self.others.is_empty() {
            self.first = self.others.pop_front();
            at_the_start(&mut self.others);
        }
        first
    }

    /// Puts one in at a place, which is not past the end.
    pub(crate) fn insert(&mut self, at: usize, it: T) {
        match at.checked_sub(1) {
            None => self.push_front(it),
            Some(at) => self.others.insert(at, it),
        }
    }

    pub(crate) fn remove(&mut self, at: usize) -> Option<T> {
        match at.checked_sub(1) {
            None => self.pop_front(),
            Some(at) => self.others.remove(at),
        }
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        self.first.take_if(|first| !keep(first));
        self.others.retain(keep);
        if self.first.is_none() {
            self.first = self.others.pop_front();
        }
    }

    /// Exchanges the memory for more than one with another queue, where both use none of it.
    pub(crate) fn exchange(&mut self, other: &mut Self) {
        if self.others.is_empty() && other.others.is_empty() {
            mem::swap(&mut self.others, &mut other.others);
        }
    }

    /// Gives back memory that nothing uses, but for so many.
    pub(crate) fn rest(&mut self, kept: usize) {
        relieve(&mut self.others, kept);
    }
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self { first: None, others: VecDeque::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        PushBack(u8),
        PushFront(u8),
        PopFront,
        Insert(usize, u8),
        Remove(usize),
        Set(usize, u8),
        KeepBelow(u8),
        Rest,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            any::<u8>().prop_map(Step::PushBack),
            any::<u8>().prop_map(Step::PushFront),
            Just(Step::PopFront),
            (0..6_usize, any::<u8>()).prop_map(|(at, it)| Step::Insert(at, it)),
            (0..6_usize).prop_map(Step::Remove),
            (0..6_usize, any::<u8>()).prop_map(|(at, it)| Step::Set(at, it)),
            any::<u8>().prop_map(Step::KeepBelow),
            Just(Step::Rest),
        ]
    }

    proptest! {
        #[test]
        fn it_does_what_a_queue_does(steps in prop::collection::vec(step(), 0..60)) {
            let (mut line, mut queue) = (Line::default(), VecDeque::new());
            for step in steps {
                match step {
                    Step::PushBack(it) => { line.push_back(it); queue.push_back(it); }
                    Step::PushFront(it) => { line.push_front(it); queue.push_front(it); }
                    Step::PopFront => prop_assert_eq!(line.pop_front(), queue.pop_front()),
                    Step::Insert(at, it) if at <= queue.len() => {
                        line.insert(at, it);
                        queue.insert(at, it);
                    }
                    Step::Insert(..) => {}
                    Step::Remove(at) => prop_assert_eq!(line.remove(at), queue.remove(at)),
                    Step::Set(at, it) => {
                        line.iter_mut().nth(at).into_iter().for_each(|place| *place = it);
                        queue.get_mut(at).into_iter().for_each(|place| *place = it);
                    }
                    Step::KeepBelow(bound) => {
                        line.retain(|it| *it < bound);
                        queue.retain(|it| *it < bound);
                    }
                    Step::Rest => line.rest(0),
                }
                prop_assert_eq!(line.iter().collect::<Vec<_>>(), queue.iter().collect::<Vec<_>>());
                prop_assert_eq!(line.iter_mut().count(), queue.len());
                prop_assert_eq!((line.front(), line.len()), (queue.front(), queue.len()));
                prop_assert_eq!(line.is_empty(), queue.is_empty());
            }
        }
    }
}
