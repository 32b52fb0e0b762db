//! A word that is misspelt is taken for the one that is meant: what is built on it has no error.

use ws_proto::Requests;

#[derive(Requests)]
enum Ask {
    #[rpc(replly = String)] //~ ERROR: unknown word `replly` in `#[rpc(..)]`
    Greet {}, //~| did you mean `reply`?
}

struct App;

impl ws_proto::Authenticate for App {
    type Principal = ();
    async fn authenticate(&self, _: &ws_proto::Credentials) -> Result<(), ws_proto::Fault> {
        Ok(())
    }
}

impl AskHandler for App {
    async fn greet(
        &self,
        _: &ws_proto::Caller<'_, ()>,
        _: Greet,
    ) -> Result<String, ws_proto::Never> {
        Ok("hello".to_owned())
    }
}

fn shown<R: ws_proto::Call<Ask>>(_: R) -> Option<R::Reply> {
    None
}

fn main() {
    println!("{:?}", shown(Greet {}).map(|text| text.len()));
}
