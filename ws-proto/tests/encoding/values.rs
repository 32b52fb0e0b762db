//! Payloads.

use crate::{
    rules,
    tree::{Length, Tree, tree},
};
use proptest::prelude::*;
use serde::{Serialize, Serializer};
use std::{cell::Cell, fmt};
use ws_proto::{Format, Raw};

fn ours(format: Format, value: &impl Serialize) -> Result<Vec<u8>, String> {
    let raw = Raw::encode(format, value).map_err(|error| error.to_string())?;
    Ok(raw.bytes().to_vec())
}

fn same(value: &impl Serialize, what: &dyn fmt::Debug) -> usize {
    let same = Format::ALL.map(|format| {
        let (ours, theirs) = (ours(format, value), rules::written(format, value));
        let [as_text, expected] = [&ours, &theirs]
            .map(|bytes| bytes.as_ref().map(|bytes| String::from_utf8_lossy(bytes)));
        assert!(ours == theirs, "{format}: {as_text:?} and not {expected:?}, of {what:?}");
        usize::from(ours.is_ok())
    });
    same.into_iter().sum()
}

#[test]
fn any_value_is_written_or_refused_as_the_formats_own_crates_do() {
    let (written, all) = (Cell::new(0), Cell::new(0));
    let config = ProptestConfig { failure_persistence: None, ..Default::default() };
    let run = |levels: u32| {
        proptest!(config.clone(), |(value in tree(levels))| {
            written.set(written.get() + same(&value, &value));
            all.set(all.get() + 2);
        });
    };
    run(3);
    run(20);
    assert!(written.get() * 2 > all.get(), "{} of {} were good", written.get(), all.get());
    assert!(written.get() < all.get(), "none was bad");
}

#[test]
fn every_length_at_which_a_form_changes_is_written_the_same() {
    let lengths = [0, 1, 15, 16, 17, 31, 32, 33, 255, 256, 257, 65_535, 65_536, 65_537];
    for len in lengths {
        let items = vec![Tree::U8(7); len];
        let fields = vec![("a", Tree::Unit); len];
        let entries = vec![(Tree::Text("k".into()), Tree::Bool(true)); len];
        let text = "x".repeat(len);
        let mut values = vec![
            Tree::Text(text.clone()),
            Tree::Shown(vec![text.clone(), "y".into(), text]),
            Tree::Bytes(vec![200; len]),
            Tree::Tuple(Length::Right, items.clone()),
            Tree::Struct(Length::Right, fields.clone()),
            Tree::StructVariant("Name", Length::Right, fields),
        ];
        for length in [Length::Unknown, Length::Right, Length::More(1), Length::Less(1)] {
            let inside = Tree::Map(length, entries.clone());
            let around = vec![Tree::Unit, Tree::Seq(length, items.clone()), inside];
            values.push(Tree::Seq(Length::Unknown, around));
        }
        for value in values {
            same(&value, &len);
        }
    }
}

#[test]
fn every_level_around_the_deepest_one_is_written_or_refused_the_same() {
    type Around = fn(Tree) -> Tree;
    let kinds: [Around; 6] = [
        |tree| Tree::Seq(Length::Unknown, vec![tree]),
        |tree| Tree::Struct(Length::Right, vec![("a", tree)]),
        |tree| Tree::NewtypeVariant("V", Box::new(tree)),
        |tree| Tree::TupleVariant("V", Length::Right, vec![tree]),
        |tree| Tree::StructVariant("V", Length::Right, vec![("a", tree)]),
        |tree| Tree::Map(Length::Right, vec![(Tree::Char('"'), tree)]),
    ];
    for around in kinds {
        let mut tree = Tree::Bool(false);
        for depth in 0..40 {
            same(&tree, &depth);
            tree = around(tree);
        }
    }
}

#[test]
fn what_cannot_show_itself_is_refused() {
    struct Mute;
    impl fmt::Display for Mute {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a start")?;
            Err(fmt::Error)
        }
    }
    impl Serialize for Mute {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            to.collect_str(self)
        }
    }
    for format in Format::ALL {
        let mut out = b"before".to_vec();
        assert!(format.encode_payload(&["good", "good"], &mut out).is_ok());
        let start = out.len();
        assert!(format.encode_payload(&("good", Mute), &mut out).is_err(), "{format}");
        assert_eq!(out.len(), start, "{format}: nothing is left");
    }
}

#[test]
fn a_value_may_encode_another_one_while_it_is_encoded() {
    struct Nested(u8);
    impl Serialize for Nested {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            if self.0 == 0 {
                return to.serialize_str("end");
            }
            let inside = Raw::encode(Format::Json, &Self(self.0 - 1)).expect("is good");
            to.serialize_str(str::from_utf8(inside.bytes()).expect("JSON is text"))
        }
    }
    let in_json = |text: String| serde_json::to_string(&text).expect("is text");
    let text = (0..3).fold("end".to_owned(), |text, _| in_json(text));
    for format in Format::ALL {
        let expected = rules::written(format, &text);
        assert_eq!(ours(format, &Nested(3)), expected, "{format}");
    }
}
