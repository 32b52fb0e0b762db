//! Enums: words and variants that come and go.

use crate::case;

#[test]
fn a_new_word_breaks_those_who_do_not_know_it() {
    let case = case! {
        old { pub enum Thing { Full } } says Thing::Full;
        new { pub enum Thing { Full, Closed } } says Thing::Closed;
    };
    case.finds("ENUM_VALUE_ADDED", "Thing.Closed", "source", "wire").is_what_the_types_read();
}

#[test]
fn a_new_word_is_a_risk_where_the_reader_is_open() {
    let case = case! {
        old {
            #[schemars(extend("x-open" = true))]
            pub enum Thing { Full, #[serde(other)] Other }
        } says Thing::Full;
        new {
            #[schemars(extend("x-open" = true))]
            pub enum Thing { Full, Closed, #[serde(other)] Other }
        } says Thing::Closed;
    };
    case.finds("ENUM_VALUE_ADDED", "Thing.Closed", "source", "risk").is_what_the_types_read();
}

#[test]
fn a_word_that_goes_breaks_those_who_send_it() {
    let case = case! {
        old { pub enum Thing { Full, Closed } } says Thing::Closed;
        new { pub enum Thing { Full } } says Thing::Full;
    };
    case.finds("ENUM_VALUE_REMOVED", "Thing.Closed", "wire", "source").is_what_the_types_read();
}

#[test]
fn a_new_variant_breaks_those_who_do_not_know_it() {
    let case = case! {
        old { #[serde(tag = "kind")] pub enum Thing { A { x: u32 } } } says Thing::A { x: 1 };
        new { #[serde(tag = "kind")] pub enum Thing { A { x: u32 }, B { y: u32 } } }
            says Thing::B { y: 1 };
    };
    case.finds("VARIANT_ADDED", "Thing.B", "source", "wire").is_what_the_types_read();

    let case = case! {
        old { #[serde(tag = "kind")] pub enum Thing { A { x: u32 }, C } } says Thing::A { x: 1 };
        new { #[serde(tag = "kind")] pub enum Thing { A { x: u32 }, C, B { y: u32 } } }
            says Thing::B { y: 1 };
    };
    case.finds("VARIANT_ADDED", "Thing.B", "source", "wire").is_what_the_types_read();
}

#[test]
fn a_second_variant_of_a_keyed_enum_is_a_new_variant() {
    let case = case! {
        old { pub enum Thing { A { x: u32 } } } says Thing::A { x: 1 };
        new { pub enum Thing { A { x: u32 }, B { y: u32 } } } says Thing::B { y: 1 };
    };
    case.finds("VARIANT_ADDED", "Thing.B", "source", "wire").is_what_the_types_read();
    let case = case! {
        old { pub enum Thing { A { x: u32 }, B { y: u32 } } } says Thing::B { y: 1 };
        new { pub enum Thing { A { x: u32 } } } says Thing::A { x: 1 };
    };
    case.finds("VARIANT_REMOVED", "Thing.B", "wire", "source").is_what_the_types_read();
}

#[test]
fn a_variant_that_goes_breaks_those_who_send_it() {
    let case = case! {
        old { pub enum Thing { A { x: u32 }, B { y: u32 }, C } } says Thing::B { y: 1 };
        new { pub enum Thing { A { x: u32 }, C } } says Thing::C;
    };
    case.finds("VARIANT_REMOVED", "Thing.B", "wire", "source").is_what_the_types_read();
}

#[test]
fn a_first_variant_with_fields_is_a_new_variant() {
    let case = case! {
        old { pub enum Thing { Full, Closed } } says Thing::Full;
        new { pub enum Thing { Full, Closed, Banned { until: u32 } } }
            says Thing::Banned { until: 1 };
    };
    case.finds("VARIANT_ADDED", "Thing.Banned", "source", "wire").is_what_the_types_read();
}

#[test]
fn a_word_that_becomes_a_variant_with_fields_is_another_type() {
    let case = case! {
        old { pub enum Thing { Full, Banned } } says Thing::Banned;
        new { pub enum Thing { Full, Banned { until: u32 } } } says Thing::Banned { until: 1 };
    };
    case.finds("TYPE_CHANGED", "ThingBanned", "wire", "wire").is_what_the_types_read();
}

#[test]
fn the_fields_of_variants_are_compared() {
    let case = case! {
        old { pub enum Thing { A { x: u32 }, B } } says Thing::A { x: 1 };
        new { pub enum Thing { A { x: String }, B } } says Thing::A { x: "1".into() };
    };
    case.finds("TYPE_CHANGED", "ThingA.A.x", "wire", "wire").is_what_the_types_read();
}

#[test]
fn another_tag_breaks_both() {
    let case = case! {
        old { #[serde(tag = "kind")] pub enum Thing { A { x: u32 }, B } } says Thing::B;
        new { #[serde(tag = "what")] pub enum Thing { A { x: u32 }, B } } says Thing::B;
    };
    case.finds("DISCRIMINATOR_CHANGED", "Thing", "wire", "wire").is_what_the_types_read();
}

#[test]
fn another_form_of_tagging_breaks_both() {
    let case = case! {
        old { #[serde(tag = "kind")] pub enum Thing { A { x: u32 }, B } } says Thing::B;
        new { pub enum Thing { A { x: u32 }, B } } says Thing::B;
    };
    case.finds("TYPE_CHANGED", "Thing", "wire", "wire").is_what_the_types_read();
}
