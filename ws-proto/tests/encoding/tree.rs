//! Any value that a type can hand to a serializer, good or bad.

use proptest::{collection::vec, prelude::*, sample::select};
use serde::{Serialize, Serializer, ser};
use std::fmt;

/// One call of a serializer.
#[derive(Clone, Debug)]
pub(crate) enum Tree {
    Bool(bool),
    I8(i8),
    I16(i16),
    I32(i32),
    I64(i64),
    I128(i128),
    U8(u8),
    U16(u16),
    U32(u32),
    U64(u64),
    U128(u128),
    F32(f32),
    F64(f64),
    Char(char),
    Text(String),
    Bytes(Vec<u8>),
    None,
    Some(Box<Self>),
    Unit,
    UnitStruct,
    UnitVariant(&'static str),
    Newtype(Box<Self>),
    NewtypeVariant(&'static str, Box<Self>),
    Seq(Length, Vec<Self>),
    Tuple(Length, Vec<Self>),
    TupleStruct(Length, Vec<Self>),
    TupleVariant(&'static str, Length, Vec<Self>),
    Map(Length, Vec<(Self, Self)>),
    Struct(Length, Vec<(&'static str, Self)>),
    StructVariant(&'static str, Length, Vec<(&'static str, Self)>),
    /// Shown in these pieces.
    Shown(Vec<String>),
    /// Writes whether it is asked for the form for people.
    ForPeople,
    /// Says why it cannot be written.
    Fails(String),
}

/// What a list or a map declares.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Length {
    /// Where a length must be declared, the right one.
    Unknown,
    Right,
    /// Too many by so many.
    More(usize),
    /// Too few by so many.
    Less(usize),
}

impl Length {
    fn known(self, len: usize) -> usize {
        match self {
            Self::Unknown | Self::Right => len,
            Self::More(by) => len + by,
            Self::Less(by) => len.saturating_sub(by),
        }
    }

    fn of(self, len: usize) -> Option<usize> {
        (!matches!(self, Self::Unknown)).then(|| self.known(len))
    }
}

struct Pieces<'a>(&'a [String]);

impl fmt::Display for Pieces<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|piece| f.write_str(piece))
    }
}

impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool(value) => to.serialize_bool(*value),
            Self::I8(value) => to.serialize_i8(*value),
            Self::I16(value) => to.serialize_i16(*value),
            Self::I32(value) => to.serialize_i32(*value),
            Self::I64(value) => to.serialize_i64(*value),
            Self::I128(value) => to.serialize_i128(*value),
            Self::U8(value) => to.serialize_u8(*value),
            Self::U16(value) => to.serialize_u16(*value),
            Self::U32(value) => to.serialize_u32(*value),
            Self::U64(value) => to.serialize_u64(*value),
            Self::U128(value) => to.serialize_u128(*value),
            Self::F32(value) => to.serialize_f32(*value),
            Self::F64(value) => to.serialize_f64(*value),
            Self::Char(value) => to.serialize_char(*value),
            Self::Text(value) => to.serialize_str(value),
            Self::Bytes(value) => to.serialize_bytes(value),
            Self::None => to.serialize_none(),
            Self::Some(value) => to.serialize_some(value),
            Self::Unit => to.serialize_unit(),
            Self::UnitStruct => to.serialize_unit_struct("Unit"),
            Self::UnitVariant(name) => to.serialize_unit_variant("Enum", 1, name),
            Self::Newtype(value) => to.serialize_newtype_struct("_ExtStruct", value),
            Self::NewtypeVariant(name, value) => {
                to.serialize_newtype_variant("Enum", 2, name, value)
            }
            Self::Shown(pieces) => to.collect_str(&Pieces(pieces)),
            Self::ForPeople => {
                let is_text = to.is_human_readable();
                to.serialize_bool(is_text)
            }
            Self::Fails(why) => Err(ser::Error::custom(why)),
            _ => self.compound(to),
        }
    }
}

impl Tree {
    fn compound<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        macro_rules! written {
            ($list:expr, $method:path, $items:expr, $end:path) => {{
                let mut list = $list?;
                $items.iter().try_for_each(|item| $method(&mut list, item))?;
                $end(list)
            }};
            ($list:expr, $fields:expr, $trait:ident) => {{
                let mut list = $list?;
                let mut fields = $fields.iter();
                fields
                    .try_for_each(|(n, value)| ser::$trait::serialize_field(&mut list, n, value))?;
                ser::$trait::end(list)
            }};
        }
        match self {
            Self::Seq(len, items) => written!(
                to.serialize_seq(len.of(items.len())),
                ser::SerializeSeq::serialize_element,
                items,
                ser::SerializeSeq::end
            ),
            Self::Tuple(len, items) => written!(
                to.serialize_tuple(len.known(items.len())),
                ser::SerializeTuple::serialize_element,
                items,
                ser::SerializeTuple::end
            ),
            Self::TupleStruct(len, items) => written!(
                to.serialize_tuple_struct("Struct", len.known(items.len())),
                ser::SerializeTupleStruct::serialize_field,
                items,
                ser::SerializeTupleStruct::end
            ),
            Self::TupleVariant(name, len, items) => written!(
                to.serialize_tuple_variant("Enum", 3, name, len.known(items.len())),
                ser::SerializeTupleVariant::serialize_field,
                items,
                ser::SerializeTupleVariant::end
            ),
            Self::Struct(len, fields) => written!(
                to.serialize_struct("Struct", len.known(fields.len())),
                fields,
                SerializeStruct
            ),
            Self::StructVariant(name, len, fields) => written!(
                to.serialize_struct_variant("Enum", 4, name, len.known(fields.len())),
                fields,
                SerializeStructVariant
            ),
            Self::Map(len, entries) => {
                let mut map = to.serialize_map(len.of(entries.len()))?;
                entries.iter().try_for_each(|(key, value)| {
                    ser::SerializeMap::serialize_entry(&mut map, key, value)
                })?;
                ser::SerializeMap::end(map)
            }
            _ => unreachable!("everything else is no compound"),
        }
    }
}

/// Names of fields and variants, of every length that a format writes in another way.
const NAMES: [&str; 12] = [
    "",
    "a",
    "by",
    "is_read",
    "quo\"te",
    "back\\slash",
    "new\nline\u{1}\u{8}\u{c}\r\t\u{1f}\u{7f}",
    "\u{e9}\u{1f600}",
    "a_name_of_thirty_one_characters",
    "a_name_of_thirty_two_characters_",
    "a_name_of_thirty_three_characters",
    "a name of more than two hundred and fifty-five characters, which nobody would write down but \
     somebody may make: with a rule that puts the names of all the modules before the name of the \
     field, one after the other, and so they become as long as this one is, or longer than it is",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-z ]{0,300}",
        "[\\x00-\\x7f]{0,40}",
        "[a-z]{0,40}[\"\\\\\n\u{0}\u{1f}\u{e9}][a-z]{0,40}",
    ]
}

fn bad() -> impl Strategy<Value = Tree> {
    prop_oneof![
        any::<i64>().prop_map(Tree::I64),
        any::<u64>().prop_map(Tree::U64),
        any::<i128>().prop_map(Tree::I128),
        any::<u128>().prop_map(Tree::U128),
        select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY]).prop_map(Tree::F64),
        select(vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY]).prop_map(Tree::F32),
        "[a-z ]{0,20}".prop_map(Tree::Fails),
    ]
}

fn leaf() -> impl Strategy<Value = Tree> {
    let end = 1_i64 << 53;
    let numbers = prop_oneof![
        any::<i8>().prop_map(Tree::I8),
        any::<i16>().prop_map(Tree::I16),
        any::<i32>().prop_map(Tree::I32),
        any::<u8>().prop_map(Tree::U8),
        any::<u16>().prop_map(Tree::U16),
        any::<u32>().prop_map(Tree::U32),
        (-end + 1..end).prop_map(Tree::I64),
        (0..end.unsigned_abs()).prop_map(Tree::U64),
        (0..53_u32)
            .prop_flat_map(move |bit| (-2..=2_i64).prop_map(move |by| (1 << bit) + by))
            .prop_map(move |number: i64| Tree::I64(number.min(end - 1))),
        (0..53_u32)
            .prop_flat_map(move |bit| (-2..=2_i64).prop_map(move |by| by - (1 << bit)))
            .prop_map(move |number: i64| Tree::I64(number.max(1 - end))),
        any::<f32>().prop_map(Tree::F32),
        any::<f64>().prop_map(Tree::F64),
        (-1000..1000_i16).prop_map(|number| Tree::F64(number.into())),
        any::<u64>().prop_map(|bits| Tree::F64(f64::from_bits(bits))),
    ];
    prop_oneof![
        4 => numbers,
        1 => any::<bool>().prop_map(Tree::Bool),
        1 => any::<char>().prop_map(Tree::Char),
        4 => text().prop_map(Tree::Text),
        1 => vec(any::<u8>(), 0..300).prop_map(Tree::Bytes),
        1 => select(vec![Tree::None, Tree::Unit, Tree::UnitStruct, Tree::ForPeople]),
        1 => select(&NAMES[..]).prop_map(Tree::UnitVariant),
        1 => vec(text(), 0..4).prop_map(Tree::Shown),
    ]
}

fn length() -> impl Strategy<Value = Length> {
    prop_oneof![
        40 => Just(Length::Right),
        20 => Just(Length::Unknown),
        1 => (1..300_usize).prop_map(Length::More),
        1 => (1..3_usize).prop_map(Length::Less),
    ]
}

fn key(inside: impl Strategy<Value = Tree> + 'static) -> impl Strategy<Value = Tree> {
    prop_oneof![
        60 => text().prop_map(Tree::Text),
        5 => any::<char>().prop_map(Tree::Char),
        5 => select(&NAMES[..]).prop_map(Tree::UnitVariant),
        5 => vec(text(), 0..4).prop_map(Tree::Shown),
        5 => text().prop_map(|text| Tree::Newtype(Box::new(Tree::Text(text)))),
        1 => inside,
        1 => text().prop_map(|text| Tree::Some(Box::new(Tree::Text(text)))),
    ]
}

/// A value that most often can be written, of up to so many levels.
pub(crate) fn tree(levels: u32) -> impl Strategy<Value = Tree> {
    let end = prop_oneof![200 => leaf(), 1 => bad()];
    end.prop_recursive(levels, 60, 6, |inside| {
        let name = || select(&NAMES[..]);
        let boxed = || inside.clone().prop_map(Box::new);
        let list = || (length(), vec(inside.clone(), 0..6));
        let fields = || (length(), vec((name(), inside.clone()), 0..6));
        let entries = vec((key(inside.clone()), inside.clone()), 0..20);
        prop_oneof![
            boxed().prop_map(Tree::Some),
            boxed().prop_map(Tree::Newtype),
            (name(), boxed()).prop_map(|(name, inside)| Tree::NewtypeVariant(name, inside)),
            list().prop_map(|(len, items)| Tree::Seq(len, items)),
            (length(), vec(leaf(), 0..40)).prop_map(|(len, items)| Tree::Seq(len, items)),
            list().prop_map(|(len, items)| Tree::Tuple(len, items)),
            list().prop_map(|(len, items)| Tree::TupleStruct(len, items)),
            (name(), list()).prop_map(|(name, (len, items))| Tree::TupleVariant(name, len, items)),
            (length(), entries).prop_map(|(len, entries)| Tree::Map(len, entries)),
            fields().prop_map(|(len, fields)| Tree::Struct(len, fields)),
            (name(), fields())
                .prop_map(|(name, (len, fields))| Tree::StructVariant(name, len, fields)),
        ]
    })
}
