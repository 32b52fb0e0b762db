//! Fields that come, go and change their names.

use crate::case;

#[test]
fn a_new_required_field_breaks_those_who_do_not_send_it() {
    let case = case! {
        old { pub struct Thing { pub a: u32 } } says Thing { a: 1 };
        new { pub struct Thing { pub a: u32, pub b: u32 } } says Thing { a: 1, b: 2 };
    };
    case.finds("FIELD_ADDED_REQUIRED", "Thing.b", "wire", "source").is_what_the_types_read();
}

#[test]
fn a_new_optional_field_breaks_nobody() {
    let case = case! {
        old { pub struct Thing { pub a: u32 } } says Thing { a: 1 };
        new {
            pub struct Thing {
                pub a: u32,
                #[serde(skip_serializing_if = "Option::is_none")]
                pub b: Option<u32>,
            }
        } says Thing { a: 1, b: Some(2) };
    };
    case.finds("FIELD_ADDED_OPTIONAL", "Thing.b", "source", "source").is_what_the_types_read();
}

#[test]
fn a_new_field_with_a_default_is_required_of_servers_only() {
    let case = case! {
        old { pub struct Thing { pub a: u32 } } says Thing { a: 1 };
        new { pub struct Thing { pub a: u32, #[serde(default)] pub b: u32 } }
            says Thing { a: 1, b: 2 };
    };
    assert!(case.new_reads_old && case.old_reads_new);
    case.finds("FIELD_ADDED_OPTIONAL", "ThingInput.b", "source", "-").finds(
        "FIELD_ADDED_REQUIRED",
        "Thing.b",
        "-",
        "source",
    );
}

#[test]
fn a_new_field_breaks_readers_that_are_closed() {
    let case = case! {
        old { #[serde(deny_unknown_fields)] pub struct Thing { pub a: u32 } }
            says Thing { a: 1 };
        new {
            #[serde(deny_unknown_fields)]
            pub struct Thing {
                pub a: u32,
                #[serde(skip_serializing_if = "Option::is_none")]
                pub b: Option<u32>,
            }
        } says Thing { a: 1, b: Some(2) };
    };
    case.finds("FIELD_ADDED_OPTIONAL", "Thing.b", "source", "wire").is_what_the_types_read();
}

#[test]
fn a_required_field_that_goes_breaks_those_who_wait_for_it() {
    let case = case! {
        old { pub struct Thing { pub a: u32, pub b: u32 } } says Thing { a: 1, b: 2 };
        new { pub struct Thing { pub a: u32 } } says Thing { a: 1 };
    };
    case.finds("FIELD_REMOVED", "Thing.b", "risk", "wire").is_what_the_types_read();
}

#[test]
fn an_optional_field_that_goes_is_lost_without_an_error() {
    let case = case! {
        old {
            pub struct Thing {
                pub a: u32,
                #[serde(skip_serializing_if = "Option::is_none")]
                pub b: Option<u32>,
            }
        } says Thing { a: 1, b: Some(2) };
        new { pub struct Thing { pub a: u32 } } says Thing { a: 1 };
    };
    case.finds("FIELD_REMOVED", "Thing.b", "risk", "risk").is_what_the_types_read();
}

#[test]
fn a_field_that_goes_breaks_readers_that_are_closed() {
    let case = case! {
        old {
            #[serde(deny_unknown_fields)]
            pub struct Thing {
                pub a: u32,
                #[serde(skip_serializing_if = "Option::is_none")]
                pub b: Option<u32>,
            }
        } says Thing { a: 1, b: Some(2) };
        new { #[serde(deny_unknown_fields)] pub struct Thing { pub a: u32 } }
            says Thing { a: 1 };
    };
    case.finds("FIELD_REMOVED", "Thing.b", "wire", "risk").is_what_the_types_read();
}

#[test]
fn a_type_that_closes_breaks_those_who_send_more() {
    let case = case! {
        old { pub struct Thing { pub a: u32 } } says Thing { a: 1 };
        new { #[serde(deny_unknown_fields)] pub struct Thing { pub a: u32 } }
            says Thing { a: 1 };
    };
    case.finds("CONSTRAINT_TIGHTENED", "Thing", "wire", "-");
}

#[test]
fn a_renamed_field_breaks_both() {
    let case = case! {
        old { pub struct Thing { pub a: u32, pub room: String } }
            says Thing { a: 1, room: "x".into() };
        new { pub struct Thing { pub a: u32, pub name: String } }
            says Thing { a: 1, name: "x".into() };
    };
    case.finds("FIELD_RENAMED", "Thing.room", "wire", "wire").is_what_the_types_read();
}

#[test]
fn an_alias_that_the_schema_names_keeps_old_writers_alive() {
    let case = case! {
        old { pub struct Thing { pub room: String } } says Thing { room: "x".into() };
        new {
            pub struct Thing {
                #[serde(alias = "room")]
                #[schemars(extend("x-aliases" = ["room"]))]
                pub name: String,
            }
        } says Thing { name: "x".into() };
    };
    case.finds("FIELD_RENAMED", "Thing.room", "source", "wire").is_what_the_types_read();
}

#[test]
fn a_field_that_must_be_there_now_breaks_those_who_leave_it_out() {
    let case = case! {
        old {
            pub struct Thing {
                #[serde(skip_serializing_if = "Option::is_none")]
                pub a: Option<u32>,
            }
        } says Thing { a: None };
        new { pub struct Thing { pub a: u32 } } says Thing { a: 1 };
    };
    case.finds("FIELD_NOW_REQUIRED", "Thing.a", "wire", "source").is_what_the_types_read();
}

#[test]
fn a_field_that_may_be_absent_now_breaks_those_who_need_it() {
    let case = case! {
        old { pub struct Thing { pub a: u32 } } says Thing { a: 1 };
        new {
            pub struct Thing {
                #[serde(skip_serializing_if = "Option::is_none")]
                pub a: Option<u32>,
            }
        } says Thing { a: None };
    };
    case.finds("FIELD_NOW_OPTIONAL", "Thing.a", "source", "wire").is_what_the_types_read();
}

#[test]
fn null_breaks_those_who_do_not_expect_it() {
    let case = case! {
        old { pub struct Thing { pub a: u32 } } says Thing { a: 1 };
        new { pub struct Thing { pub a: Option<u32> } } says Thing { a: None };
    };
    case.finds("NULL_ALLOWED", "Thing.a", "-", "wire").is_what_the_types_read();
    case.finds("NULL_ALLOWED", "ThingInput.a", "source", "-");
}

#[test]
fn null_is_seen_at_each_place_of_a_type() {
    let case = case! {
        old { pub struct Thing { pub a: Inner, pub b: Inner } pub struct Inner { pub c: u32 } }
            says Thing { a: Inner { c: 1 }, b: Inner { c: 1 } };
        new {
            pub struct Thing { pub a: Inner, pub b: Option<Inner> }
            pub struct Inner { pub c: u32 }
        } says Thing { a: Inner { c: 1 }, b: None };
    };
    case.finds("NULL_ALLOWED", "Thing.b", "-", "wire").is_what_the_types_read();
}

#[test]
fn null_that_is_forbidden_breaks_those_who_send_it() {
    let case = case! {
        old { pub struct Thing { pub a: Option<u32> } } says Thing { a: None };
        new { pub struct Thing { pub a: u32 } } says Thing { a: 1 };
    };
    case.finds("NULL_FORBIDDEN", "Thing.a", "wire", "source").is_what_the_types_read();
}

#[test]
fn another_default_is_understood_differently_without_an_error() {
    let case = case! {
        old { pub struct Thing { #[serde(default)] pub a: bool } } says Thing { a: true };
        new {
            pub struct Thing {
                #[serde(default)]
                #[schemars(extend("default" = true))]
                pub a: bool,
            }
        } says Thing { a: true };
    };
    case.finds("DEFAULT_CHANGED", "ThingInput.a", "risk", "-").is_what_the_types_read();
}

#[test]
fn a_type_with_another_name_breaks_nobody() {
    let case = case! {
        old { pub struct Thing { pub a: Inner } pub struct Inner { pub b: u32 } }
            says Thing { a: Inner { b: 1 } };
        new { pub struct Thing { pub a: Core } pub struct Core { pub b: u32 } }
            says Thing { a: Core { b: 1 } };
    };
    case.finds("TYPE_RENAMED", "Core", "source", "source").is_what_the_types_read();
}

#[test]
fn a_type_that_contains_itself_is_compared_once() {
    let case = case! {
        old { pub struct Thing { pub next: Option<Box<Self>>, pub a: u32 } }
            says Thing { next: None, a: 1 };
        new { pub struct Thing { pub next: Option<Box<Self>>, pub a: String } }
            says Thing { next: None, a: "1".into() };
    };
    case.finds("TYPE_CHANGED", "Thing.a", "-", "wire").is_what_the_types_read();
}
