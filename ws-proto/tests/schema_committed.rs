//! The committed documents are what the code says. After a change that is meant:
//! `WS_PROTO_BLESS=1 cargo test -p ws-proto --test schema_committed`.

use ws_proto::schema::{assert_committed_text, codes, control, to_text};

#[test]
fn schema_committed_holds_the_control_frames() {
    assert_committed_text("../schema/control.json", &to_text(&control()));
}

#[test]
fn schema_committed_holds_the_codes() {
    assert_committed_text("../schema/codes.json", &to_text(&codes()));
}
