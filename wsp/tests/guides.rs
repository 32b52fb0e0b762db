//! What the guides show of this tool is what it says.

use std::{fs, process::Command};

#[test]
fn the_guide_on_changing_a_protocol_shows_what_the_check_prints() {
    let guide = fs::read_to_string("../docs/guides/changing-a-protocol.md").unwrap();
    let (_, shown) = guide.split_once("```text\n$ wsp ").expect("a command");
    let (shown, _) = shown.split_once("```").expect("the end of the block");
    let (command, wanted) = shown.split_once('\n').expect("what it prints");
    let ran = Command::new(env!("CARGO_BIN_EXE_wsp"))
        .current_dir("..")
        .args(command.split(' '))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(ran.stdout).unwrap(), wanted);
    assert!(ran.status.success());
}
