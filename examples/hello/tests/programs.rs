//! The programs of this example run, and the smallest is small: `cargo test -p hello`

use std::process::Command;

/// Lines that are neither blank nor a comment.
const SMALLEST: usize = 30;

#[test]
fn the_smallest_program_is_small() {
    let source = include_str!("../src/bin/smallest.rs");
    let is_code = |line: &&str| !line.trim().is_empty() && !line.trim().starts_with("//");
    let lines = source.lines().filter(is_code).count();
    assert!(lines <= SMALLEST, "{lines} lines");
}

#[test]
fn the_readme_shows_the_smallest_program() {
    let source = include_str!("../src/bin/smallest.rs");
    let shown = source.find("use ").map(|start| &source[start..]).unwrap();
    assert!(include_str!("../../../README.md").contains(shown));
}

#[test]
fn the_smallest_program_runs_to_its_end() {
    assert_eq!(output(env!("CARGO_BIN_EXE_smallest")), "hello world, true\nSome(Ok(Greeted))\n");
}

#[test]
fn hello_prints_the_answer_and_the_event() {
    assert_eq!(
        output(env!("CARGO_BIN_EXE_hello")),
        "answer: hello world, says ann\nevent:  Some(Ok(Greeted { name: \"world\" }))\n"
    );
}

/// What a program printed; it must have ended well.
fn output(program: &str) -> String {
    let output = Command::new(program).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
