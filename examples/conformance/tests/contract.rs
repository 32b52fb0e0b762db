//! The contract for other languages is committed. After a change that is meant:
//! `WS_PROTO_BLESS=1 cargo test -p conformance --test contract`

use conformance::protocol::Conformance;

#[test]
fn schema_committed_is_what_the_code_says() {
    ws_proto::schema::assert_committed::<Conformance>("../../schema/conformance.json");
}
