//! The contract for other languages is committed. After a change that is meant:
//! `WS_PROTO_BLESS=1 cargo test -p chat --test contract`

use chat::protocol::Chat;

#[test]
fn schema_committed_is_what_the_code_says() {
    ws_proto::schema::assert_committed::<Chat>("../../schema/chat.json");
}

/// The contract as it was published: clients of that day are still about. A new version adds a file
/// and a line; a line goes when `min_version` has left its file behind.
#[test]
fn clients_of_published_versions_are_not_broken() {
    ws_schema::assert_compatible::<Chat>("../../schema/history/chat-1.json");
    ws_schema::assert_compatible::<Chat>("../../schema/history/chat-2.json");
}
