//! An upload without a mistake: its protocol, its handler and its caller.
//~ COMPILES

use std::error::Error;
use ws_proto::{
    Authenticate, Authorize, Access, Caller, Credentials, Fault, Format, Never, NoChannels, Parts,
    Protocol, Requests,
};
use ws_runtime::{Server, testing};

#[derive(Protocol)]
#[protocol(name = "own", version = 1, requests = OwnRequest)]
struct Own;

#[derive(Debug, Requests)]
enum OwnRequest {
    #[rpc(reply = u32, upload = String)]
    Import { name: String },
}

struct App;

impl Authenticate for App {
    type Principal = ();

    async fn authenticate(&self, _: &Credentials) -> Result<(), Fault> {
        Ok(())
    }
}

impl Authorize<NoChannels> for App {
    async fn authorize(
        &self,
        _: &Caller<'_, ()>,
        _: Access<'_, NoChannels>,
    ) -> Result<(), Fault> {
        Ok(())
    }
}

impl OwnRequestHandler for App {
    async fn import(
        &self,
        _: &Caller<'_, ()>,
        _: Import,
        mut parts: Parts<String>,
    ) -> Result<u32, Never> {
        let mut lines = 0;
        while let Some(Ok(_)) = parts.next().await {
            lines += 1;
        }
        Ok(lines)
    }
}

async fn send() -> Result<(), Box<dyn Error>> {
    let server = Server::<Own>::new(App);
    let client = testing::connect(&server, None, Format::Json).await?;
    let mut upload = client.upload(Import { name: "a".to_owned() });
    upload.send(&"a line".to_owned()).await?;
    println!("{}", upload.finish().await?);
    Ok(())
}

fn main() {
    let _ = send();
}
