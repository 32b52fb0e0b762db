//! jsonrpsee as its documentation has it.

use super::Outcome;
use jsonrpsee::{
    RpcModule,
    server::{ServerBuilder, ServerConfig},
};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

#[derive(Clone, Deserialize, Serialize)]
struct Text {
    text: String,
}

pub(super) async fn serve(listener: TcpListener) -> Outcome {
    let config = ServerConfig::builder().max_connections(20_000).ws_only().build();
    let server = ServerBuilder::with_config(config).build_from_tcp(listener.into_std()?)?;
    let mut module = RpcModule::new(());
    module.register_method("echo", |params, (), _| params.parse::<Text>())?;
    server.start(module).stopped().await;
    Ok(())
}
