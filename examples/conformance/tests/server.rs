//! The server of this workspace passes every case for servers, over real sockets.

use ws_conformance::{Plan, Report, judge_server};
use ws_proto::Format;

#[tokio::test(flavor = "multi_thread")]
async fn our_server_passes_in_json() {
    let report = judged(Format::Json).await;
    assert!(report.is_good(), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn our_server_passes_in_message_pack() {
    let report = judged(Format::MessagePack).await;
    assert!(report.is_good(), "{report}");
}

async fn judged(format: Format) -> Report {
    let server = conformance::server();
    let address = server.spawn("127.0.0.1:0").await.expect("a free port");
    judge_server(&format!("ws://{address}/"), &Plan::new(format)).await
}
