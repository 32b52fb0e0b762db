//! Lists, maps and structs while they are written.

use super::{Inside, key::KeyOf, rule};
use serde::{
    Serialize,
    ser::{
        Error, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
        SerializeTupleStruct, SerializeTupleVariant,
    },
};

/// A value that is open. `left` is what it declared and has not written yet: MessagePack writes
/// the length first, so a wrong one would spoil the whole message.
pub(crate) struct Compound<C> {
    pub(super) inner: C,
    pub(super) depth: usize,
    pub(super) left: Option<usize>,
}

impl<C> Compound<C> {
    fn count<E: Error>(&mut self) -> Result<(), E> {
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(1).ok_or_else(|| E::custom(rule::LENGTH))?;
        }
        Ok(())
    }

    fn close<E: Error>(self) -> Result<C, E> {
        match self.left {
            None | Some(0) => Ok(self.inner),
            Some(_) => Err(E::custom(rule::LENGTH)),
        }
    }
}

macro_rules! lists {
    ($($list:ident::$method:ident)+) => {
        $(impl<C: $list> $list for Compound<C> {
            type Ok = C::Ok;
            type Error = C::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
                self.count()?;
                self.inner.$method(&Inside { value, depth: self.depth })
            }

            fn end(self) -> Result<C::Ok, C::Error> {
                self.close::<C::Error>()?.end()
            }
        })+
    };
}

lists! {
    SerializeSeq::serialize_element
    SerializeTuple::serialize_element
    SerializeTupleStruct::serialize_field
    SerializeTupleVariant::serialize_field
}

macro_rules! structs {
    ($($list:ident)+) => {
        $(impl<C: $list> $list for Compound<C> {
            type Ok = C::Ok;
            type Error = C::Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), C::Error> {
                self.count()?;
                self.inner.serialize_field(name, &Inside { value, depth: self.depth })
            }

            fn end(self) -> Result<C::Ok, C::Error> {
                self.close::<C::Error>()?.end()
            }
        })+
    };
}

structs! { SerializeStruct SerializeStructVariant }

impl<C: SerializeMap> SerializeMap for Compound<C> {
    type Ok = C::Ok;
    type Error = C::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), C::Error> {
        self.count()?;
        self.inner.serialize_key(&KeyOf(key))
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
        self.inner.serialize_value(&Inside { value, depth: self.depth })
    }

    fn end(self) -> Result<C::Ok, C::Error> {
        self.close::<C::Error>()?.end()
    }
}
