//! The generated types under the strict compiler.
//!
//! `use.ts` says what has to compile, and with `@ts-expect-error` what must not: the compiler
//! reports a line that was expected to fail and does not.

use crate::shapes::AllShapes;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

#[test]
fn the_types_compile_and_refuse_what_is_wrong() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("typescript");
    fs::create_dir_all(&folder).expect("a folder");
    let document = ws_proto::schema::document::<AllShapes>().expect("a contract");
    let text = ws_schema::typescript(&document).expect("types");
    fs::write(folder.join("protocol.ts"), text).expect("written");
    fs::write(folder.join("use.ts"), include_str!("use.ts")).expect("written");
    let options = ["--strict", "--noEmit", "--exactOptionalPropertyTypes", "--target", "es2022"];
    let modules = ["--module", "nodenext", "--moduleResolution", "nodenext", "use.ts"];
    let mut node = Command::new("node");
    let ran = node.current_dir(&folder).arg(compiler()).args(options).args(modules).output();
    let ran = ran.expect("node runs: Node 20 or newer has to be installed");
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{said}");
}

/// The one that the TypeScript client is compiled with; `cargo xtask test` installs it.
fn compiler() -> PathBuf {
    let client = Path::new(env!("CARGO_MANIFEST_DIR")).join("../clients/typescript");
    let compiler = client.join("node_modules/typescript/bin/tsc");
    assert!(compiler.exists(), "no TypeScript: run `cargo xtask test`, it installs it");
    compiler
}
