//! The Rust client passes every case for clients, over real sockets.

use ws_conformance::{Plan, Report, judge_client};
use ws_proto::Format;

#[tokio::test(flavor = "multi_thread")]
async fn our_client_passes_in_json() {
    let report = judged(Format::Json).await;
    assert!(report.is_good(), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn our_client_passes_in_message_pack() {
    let report = judged(Format::MessagePack).await;
    assert!(report.is_good(), "{report}");
}

async fn judged(format: Format) -> Report {
    let testee = [env!("CARGO_BIN_EXE_conformance-testee").to_owned()];
    judge_client(&testee, &Plan::new(format)).await
}
