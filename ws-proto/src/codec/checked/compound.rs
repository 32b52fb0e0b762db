//! Lists, maps and structs while they are written.

use super::{Checked, Failed, Form, Written, key};
use crate::codec::error::rule;
use serde::{
    Serialize,
    ser::{
        SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
        SerializeTupleStruct, SerializeTupleVariant,
    },
};

/// A value that is open.
pub(in crate::codec) struct Compound<'a, F> {
    inside: Checked<'a, F>,
    is_empty: bool,
    length: Length,
}

/// How many values or entries there are.
enum Length {
    /// What was declared and is not written yet: MessagePack writes the length first, so a wrong
    /// one would spoil the whole message.
    Left(usize),
    /// Nobody said; so many came since that place.
    Counted { start: usize, count: usize },
}

impl<'a, F: Form> Compound<'a, F> {
    #[inline]
    pub(super) fn new(len: Option<usize>, inside: Checked<'a, F>) -> Self {
        let length = match len {
            Some(len) => Length::Left(len),
            None => Length::Counted { start: inside.out.len(), count: 0 },
        };
        Self { inside, is_empty: true, length }
    }

    /// Counts another one: whether it is the first.
    #[inline]
    fn count(&mut self) -> Result<bool, Failed> {
        match &mut self.length {
            Length::Left(0) => return Err(Failed::rule(rule::LENGTH)),
            Length::Left(left) => *left -= 1,
            Length::Counted { count, .. } => *count += 1,
        }
        Ok(std::mem::replace(&mut self.is_empty, false))
    }

    #[inline]
    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failed> {
        value.serialize(Checked::<F>::new(self.inside.depth, self.inside.out))
    }

    #[inline]
    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failed> {
        let is_first = self.count()?;
        F::before_item(is_first, self.inside.out);
        self.value(value)
    }

    #[inline]
    fn field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Failed> {
        let is_first = self.count()?;
        F::field(name, is_first, self.inside.out)?;
        self.value(value)
    }

    #[inline]
    fn written(&self) -> Result<Written, Failed> {
        let counted = match self.length {
            Length::Left(0) => None,
            Length::Left(_) => return Err(Failed::rule(rule::LENGTH)),
            Length::Counted { start, count } => Some((start, count)),
        };
        Ok(Written { is_empty: self.is_empty, counted })
    }

    #[inline]
    fn close_list(&mut self) -> Result<(), Failed> {
        F::close_list(self.written()?, self.inside.out)
    }

    #[inline]
    fn close_map(&mut self) -> Result<(), Failed> {
        F::close_map(self.written()?, self.inside.out)
    }
}

macro_rules! lists {
    ($($list:ident::$method:ident)+) => {
        $(impl<F: Form> $list for Compound<'_, F> {
            type Ok = ();
            type Error = Failed;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failed> {
                self.item(value)
            }

            #[inline]
            fn end(mut self) -> Result<(), Failed> {
                self.close_list()
            }
        })+
    };
}

lists! {
    SerializeSeq::serialize_element
    SerializeTuple::serialize_element
    SerializeTupleStruct::serialize_field
}

impl<F: Form> SerializeTupleVariant for Compound<'_, F> {
    type Ok = ();
    type Error = Failed;

    #[inline]
    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failed> {
        self.item(value)
    }

    #[inline]
    fn end(mut self) -> Result<(), Failed> {
        self.close_list()?;
        F::close_variant(self.inside.out);
        Ok(())
    }
}

impl<F: Form> SerializeStruct for Compound<'_, F> {
    type Ok = ();
    type Error = Failed;

    #[inline]
    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Failed> {
        self.field(name, value)
    }

    #[inline]
    fn end(mut self) -> Result<(), Failed> {
        self.close_map()
    }
}

impl<F: Form> SerializeStructVariant for Compound<'_, F> {
    type Ok = ();
    type Error = Failed;

    #[inline]
    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Failed> {
        self.field(name, value)
    }

    #[inline]
    fn end(mut self) -> Result<(), Failed> {
        self.close_map()?;
        F::close_variant(self.inside.out);
        Ok(())
    }
}

impl<F: Form> SerializeMap for Compound<'_, F> {
    type Ok = ();
    type Error = Failed;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Failed> {
        let is_first = self.count()?;
        F::before_key(is_first, self.inside.out);
        key::write::<F, T>(key, self.inside.out)
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failed> {
        F::after_key(self.inside.out);
        self.value(value)
    }

    #[inline]
    fn end(mut self) -> Result<(), Failed> {
        self.close_map()
    }
}
