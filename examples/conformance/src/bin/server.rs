//! The reference server of the conformance contract: `conformance-server 127.0.0.1:9001`. It prints
//! its URL when it listens.

use std::{env, error::Error};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let bound = conformance::server().bind(address).await?;
    println!("ws://{}/", bound.local_addr()?);
    bound.serve().await;
    Ok(())
}
