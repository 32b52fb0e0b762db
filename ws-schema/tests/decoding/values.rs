//! Numbers, texts, lists, and values that become something else.

use crate::case;

#[test]
fn another_type_breaks_both() {
    let case = case! {
        old { pub struct Thing { pub a: u32 } } says Thing { a: 1 };
        new { pub struct Thing { pub a: String } } says Thing { a: "1".into() };
    };
    case.finds("TYPE_CHANGED", "Thing.a", "wire", "wire").is_what_the_types_read();
}

#[test]
fn a_wider_number_may_be_too_large_for_old_readers() {
    let case = case! {
        old { pub struct Thing { pub a: u8 } } says Thing { a: 1 };
        new { pub struct Thing { pub a: u32 } } says Thing { a: 1 };
    };
    case.finds("NUMBER_WIDENED", "Thing.a", "source", "risk").is_what_the_types_read();
}

#[test]
fn a_narrower_number_breaks_those_who_send_more() {
    let case = case! {
        old { pub struct Thing { pub a: u32 } } says Thing { a: 70_000 };
        new { pub struct Thing { pub a: u8 } } says Thing { a: 1 };
    };
    case.finds("NUMBER_NARROWED", "Thing.a", "wire", "source").is_what_the_types_read();
}

#[test]
fn a_sign_widens_at_one_end_and_narrows_at_the_other() {
    let case = case! {
        old { pub struct Thing { pub a: u32 } } says Thing { a: u32::MAX };
        new { pub struct Thing { pub a: i32 } } says Thing { a: 1 };
    };
    case.finds("NUMBER_NARROWED", "Thing.a", "wire", "source")
        .finds("NUMBER_WIDENED", "Thing.a", "source", "risk")
        .is_what_the_types_read();
}

#[test]
fn a_fraction_breaks_those_who_read_integers() {
    let case = case! {
        old { pub struct Thing { pub a: u32 } } says Thing { a: 1 };
        new { pub struct Thing { pub a: f64 } } says Thing { a: 1.0 };
    };
    case.finds("INTEGER_TO_NUMBER", "Thing.a", "source", "wire").is_what_the_types_read();
}

#[test]
fn an_integer_breaks_those_who_send_fractions() {
    let case = case! {
        old { pub struct Thing { pub a: f64 } } says Thing { a: 1.5 };
        new { pub struct Thing { pub a: u32 } } says Thing { a: 1 };
    };
    case.finds("NUMBER_NARROWED", "Thing.a", "wire", "source").is_what_the_types_read();
}

#[test]
fn a_tighter_rule_is_for_those_who_write() {
    let case = case! {
        old { pub struct Thing { #[schemars(length(max = 9))] pub a: String } }
            says Thing { a: String::new() };
        new { pub struct Thing { #[schemars(length(max = 5))] pub a: String } }
            says Thing { a: String::new() };
    };
    case.finds("CONSTRAINT_TIGHTENED", "Thing.a", "wire", "-");
}

#[test]
fn a_looser_rule_is_for_those_who_read() {
    let case = case! {
        old { pub struct Thing { #[schemars(regex(pattern = "^a$"))] pub a: String } }
            says Thing { a: String::new() };
        new { pub struct Thing { pub a: String } } says Thing { a: String::new() };
    };
    case.finds("CONSTRAINT_LOOSENED", "Thing.a", "-", "risk");
}

#[test]
fn text_instead_of_words_breaks_those_who_know_the_words_only() {
    let case = case! {
        old { pub struct Thing { pub a: Word } pub enum Word { Full } }
            says Thing { a: Word::Full };
        new { pub struct Thing { pub a: String } } says Thing { a: "Closed".into() };
    };
    assert!(case.new_reads_old && !case.old_reads_new);
    case.is_what_the_types_read();
}

#[test]
fn any_value_takes_everything() {
    let case = case! {
        old { pub struct Thing { pub a: u32 } } says Thing { a: 1 };
        new { pub struct Thing { pub a: serde_json::Value } } says Thing { a: "text".into() };
    };
    case.finds("TYPE_CHANGED", "Thing.a", "source", "wire").is_what_the_types_read();
}

#[test]
fn the_items_of_lists_and_maps_are_compared() {
    let case = case! {
        old { pub struct Thing { pub a: Vec<u32> } } says Thing { a: vec![1] };
        new { pub struct Thing { pub a: Vec<bool> } } says Thing { a: vec![true] };
    };
    case.finds("TYPE_CHANGED", "Thing.a[]", "wire", "wire").is_what_the_types_read();
    let case = case! {
        old { pub struct Thing { pub a: std::collections::BTreeMap<String, u32> } }
            says Thing { a: [("x".into(), 1)].into() };
        new { pub struct Thing { pub a: std::collections::BTreeMap<String, bool> } }
            says Thing { a: [("x".into(), true)].into() };
    };
    case.finds("TYPE_CHANGED", "Thing.a.*", "wire", "wire").is_what_the_types_read();
}

#[test]
fn a_pair_that_becomes_three_breaks_both() {
    let case = case! {
        old { pub struct Thing { pub a: (u32, u32) } } says Thing { a: (1, 2) };
        new { pub struct Thing { pub a: (u32, u32, u32) } } says Thing { a: (1, 2, 3) };
    };
    case.finds("TYPE_CHANGED", "Thing.a", "wire", "wire").is_what_the_types_read();
}

#[test]
fn nothing_that_becomes_something_breaks_both() {
    let case = case! {
        old { pub struct Thing; } says Thing;
        new { pub struct Thing { pub a: Option<u32> } } says Thing { a: None };
    };
    case.finds("UNIT_TO_PAYLOAD", "Thing", "-", "wire").is_what_the_types_read();
}
