//! The generated models under `mypy --strict`, and with real payloads.

use crate::shapes::{AllShapes, Choice, Failed, Shapes, Untagged, Words};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

#[test]
fn the_models_pass_the_strict_checker_and_read_what_servers_write() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
    fs::create_dir_all(&folder).expect("a folder");
    let document = ws_proto::schema::document::<AllShapes>().expect("a contract");
    let text = ws_schema::python(&document).expect("models");
    fs::write(folder.join("protocol.py"), text).expect("written");
    fs::write(folder.join("use.py"), include_str!("use.py")).expect("written");
    let payload = serde_json::to_string(&shapes(Some(shapes(None)))).expect("JSON");
    fs::write(folder.join("shapes.json"), payload).expect("written");
    run(
        &folder,
        &["-m", "mypy", "--strict", "--no-incremental", "--warn-unused-ignores", "use.py"],
    );
    run(&folder, &["use.py"]);
    // What Python wrote is what the types here read.
    let written = fs::read(folder.join("written.json")).expect("written by use.py");
    let read: Shapes = serde_json::from_slice(&written).expect("the same shape");
    assert!(matches!(read.keyed, Failed::Banned { until: 7 }), "{read:?}");
    assert_eq!(read.maybe, None);
}

fn shapes(next: Option<Shapes>) -> Shapes {
    Shapes {
        maybe: Some(1),
        nullable: None,
        flag: true,
        list: vec![Some(Words::TwoThree), None],
        pair: (1, 2),
        mixed: (1, "a".to_owned()),
        map: [("a".to_owned(), vec![1])].into(),
        any: serde_json::json!({ "whatever": 1 }),
        tagged: Choice::Circle { radius: 1.5 },
        keyed: Failed::Banned { until: 1 },
        free: Untagged::Text("text".to_owned()),
        hyphen: true,
        next: next.map(Box::new),
    }
}

fn run(folder: &Path, arguments: &[&str]) {
    let ran = Command::new(interpreter()).current_dir(folder).args(arguments).output();
    let ran = ran.expect("Python runs");
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{said}{}", String::from_utf8_lossy(&ran.stderr));
}

/// Where `cargo xtask test` makes it.
fn interpreter() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder");
    let python = target.join("venv/bin/python");
    assert!(python.exists(), "no Python with Pydantic: run `cargo xtask test`, it makes one");
    python
}
