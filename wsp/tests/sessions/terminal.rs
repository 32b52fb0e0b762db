//! `wsp connect` at a terminal.

use crate::places::{CONTRACT, chat};
use rexpect::{
    process::WaitStatus,
    session::{PtySession, spawn_command},
};
use std::process::Command;

/// How long a terminal may say nothing, in milliseconds: a test that waits for ever says less.
const PATIENCE: u64 = 60_000;

type Shown<T> = Result<T, rexpect::error::Error>;

/// A terminal of ann's, with the prompt on it.
fn terminal(url: &str, more: &[&str]) -> Shown<PtySession> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wsp"));
    command.args(["connect", url, "--token", "ann", "--contract", CONTRACT]).args(more);
    command.env_remove("WSP_TOKEN").env("TERM", "xterm");
    let mut terminal = spawn_command(command, Some(PATIENCE))?;
    terminal.exp_string("ctrl-D ends")?;
    terminal.exp_string("> ")?;
    Ok(terminal)
}

fn types(terminal: &mut PtySession, keys: &str) -> Shown<()> {
    terminal.send(keys)?;
    terminal.flush()
}

/// Types what is there to be typed, away from the runtime.
async fn typed(test: impl FnOnce() -> Shown<()> + Send + 'static) {
    tokio::task::spawn_blocking(test).await.expect("no panic").expect("what was waited for");
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_completed_answered_and_found_again() {
    let (_server, address) = chat().await;
    typed(move || {
        let mut terminal = terminal(&format!("ws://{address}/"), &[])?;
        types(&mut terminal, "call li\t")?;
        terminal.exp_string("list_rooms")?;
        types(&mut terminal, "\r")?;
        terminal.exp_string(r#"{"call":1,"ok":{"rooms":["#)?;
        // The line before, once more.
        types(&mut terminal, "\x1b[A\r")?;
        terminal.exp_string(r#"{"call":2,"ok":{"rooms":["#)?;
        types(&mut terminal, "call join {\"r\t\"den\"}\r")?;
        terminal.exp_string(r#""members":["ann"]"#)?;
        types(&mut terminal, "\x04")?;
        terminal.exp_eof()?;
        assert!(matches!(terminal.process().wait(), Ok(WaitStatus::Exited(_, 0))));
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_arrives_above_the_line_that_is_typed() {
    let (server, address) = chat().await;
    typed(move || {
        let mut terminal = terminal(&format!("ws://{address}/"), &[])?;
        types(&mut terminal, "sub lobby\r")?;
        terminal.exp_string(r#""subscribed""#)?;
        terminal.exp_string("> ")?;
        types(&mut terminal, "call lis")?;
        terminal.exp_string("call lis")?;
        // Somebody else opens a room meanwhile.
        let join = ["call", &format!("ws://{address}/"), "join", r#"{"room":"den"}"#];
        let mut bob = Command::new(env!("CARGO_BIN_EXE_wsp"));
        let ran = bob.args(join).args(["--token", "bob"]).output().expect("wsp runs");
        assert!(ran.status.success());
        terminal.exp_string(r#""type":"lobby.room_opened"}"#)?;
        terminal.exp_string("> call lis")?;
        types(&mut terminal, "t_rooms\r")?;
        terminal.exp_string(r#"{"call":1,"ok":{"rooms":["#)?;
        types(&mut terminal, "quit\r")?;
        terminal.exp_eof()?;
        drop(server);
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_is_marked_at_its_place_and_is_no_failure() {
    let (_server, address) = chat().await;
    typed(move || {
        let mut terminal = terminal(&format!("ws://{address}/"), &[])?;
        types(&mut terminal, "call jion {}\r")?;
        terminal.exp_string("\n       ^ no request is `jion`: did you mean `join`?")?;
        types(&mut terminal, "quit\r")?;
        terminal.exp_eof()?;
        assert!(matches!(terminal.process().wait(), Ok(WaitStatus::Exited(_, 0))));
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_ends_for_good_ends_the_editor() {
    let (server, address) = chat().await;
    typed(move || {
        let mut terminal = terminal(&format!("ws://{address}/"), &[])?;
        types(&mut terminal, "call li")?;
        terminal.exp_string("call li")?;
        assert_eq!(server.kick("ann", "enough"), 1);
        terminal.exp_string("enough")?;
        assert!(matches!(terminal.process().wait(), Ok(WaitStatus::Exited(_, 2))));
        // Whoever types next finds the terminal as it was.
        let modes = rustix::termios::tcgetattr(terminal.process().get_file_handle()?);
        let modes = modes.expect("its modes").local_modes;
        assert!(modes.contains(rustix::termios::LocalModes::ICANON), "{modes:?}");
        Ok(())
    })
    .await;
}
