//! One `cargo check` over all cases, and its errors.

use super::Case;
use serde_json::Value;
use std::{
    collections::HashMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// What the compiler made of one case.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) compiled: bool,
    pub(crate) errors: Vec<Mistake>,
    /// What cargo said of the whole project, for a case that it never came to.
    pub(crate) log: String,
}

/// One error of the compiler.
#[derive(Debug)]
pub(crate) struct Mistake {
    /// The lines of the case that it points at; none when it points elsewhere.
    pub(crate) lines: Vec<usize>,
    /// Its message, labels, notes and helps.
    pub(crate) texts: Vec<String>,
    /// As the user sees it.
    pub(crate) rendered: String,
}

/// Checks all cases at once, each as a program of one generated project.
pub(crate) fn compile(cases: &[Case]) -> Vec<Verdict> {
    let project = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mistakes");
    write_project(&project, cases);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // Warnings are the cases' own affair, whatever the flags of the run around this one.
    let output = Command::new(cargo)
        .args(["check", "--bins", "--offline", "--keep-going", "--message-format=json"])
        .arg("--target-dir")
        .arg(target_dir())
        .current_dir(&project)
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .output()
        .expect("cargo starts");
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    let mut found: HashMap<String, Verdict> = HashMap::new();
    for line in output.stdout.split(|byte| *byte == b'\n') {
        if let Ok(message) = serde_json::from_slice::<Value>(line) {
            read(&message, &mut found);
        }
    }
    let verdict = |case: &Case| {
        let found = found.remove(&case.name).unwrap_or_default();
        Verdict { log: log.clone(), ..found }
    };
    cases.iter().map(verdict).collect()
}

/// The folder of the run around this one: what it has built is not built again.
fn target_dir() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is a folder in it").to_owned()
}

/// The versions are those of the workspace: its lock file is copied.
fn write_project(project: &Path, cases: &[Case]) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here.parent().expect("this package lies in the workspace");
    let mut manifest = format!(
        "[package]\nname = \"mistakes\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
         autobins = false\n\n[workspace]\n\n[profile.dev]\ndebug = \"line-tables-only\"\n\n\
         [dependencies]\nschemars = \"1\"\nserde = {{ version = \"1\", features = [\"derive\"] }}\n\
         chat = {{ path = {}, package = \"ui-tests\" }}\n\
         ws-proto = {{ path = {} }}\nws-runtime = {{ path = {} }}\n",
        quoted(here),
        quoted(&root.join("ws-proto")),
        quoted(&root.join("ws-runtime")),
    );
    for case in cases {
        // Writing to a `String` cannot fail.
        let path = quoted(&case.path());
        let _ = write!(manifest, "\n[[bin]]\nname = {:?}\npath = {path}\n", case.name);
    }
    fs::create_dir_all(project).expect("a folder for the project");
    fs::write(project.join("Cargo.toml"), manifest).expect("its manifest");
    fs::copy(root.join("Cargo.lock"), project.join("Cargo.lock")).expect("its lock file");
}

/// A path as a text of the manifest.
fn quoted(path: &Path) -> String {
    Value::from(path.to_str().expect("a path in plain text")).to_string()
}

fn read(message: &Value, found: &mut HashMap<String, Verdict>) {
    let Some(name) = message["target"]["name"].as_str() else { return };
    let is_case = message["target"]["kind"][0] == "bin";
    match message["reason"].as_str() {
        Some("compiler-artifact") if is_case => {
            found.entry(name.to_owned()).or_default().compiled = true;
        }
        Some("compiler-message") if is_case => {
            if let Some(error) = Mistake::read(&message["message"], name) {
                found.entry(name.to_owned()).or_default().errors.push(error);
            }
        }
        _ => {}
    }
}

impl Mistake {
    /// Whether the text is a part of one of its texts.
    pub(crate) fn says(&self, part: &str) -> bool {
        self.texts.iter().any(|text| text.contains(part))
    }

    /// `None` for a warning, and for the line that counts the errors.
    fn read(message: &Value, case: &str) -> Option<Self> {
        let spans = message["spans"].as_array()?;
        let first = message["message"].as_str()?;
        let is_count = spans.is_empty() && first.starts_with("aborting due to");
        if message["level"] != "error" || is_count {
            return None;
        }
        let primary = spans.iter().filter(|span| span["is_primary"] == true);
        let lines = primary.filter_map(|span| line_in_case(span, case)).collect();
        let mut texts = Vec::new();
        collect_texts(message, &mut texts);
        let rendered = message["rendered"].as_str().unwrap_or(first).to_owned();
        Some(Self { lines, texts, rendered })
    }
}

/// The line of a span in the case; for a span inside a macro, the line of the macro's use.
fn line_in_case(span: &Value, case: &str) -> Option<usize> {
    let mut span = span;
    while !span.is_null() {
        let file = Path::new(span["file_name"].as_str()?);
        if file.file_stem().is_some_and(|stem| stem == case) {
            return usize::try_from(span["line_start"].as_u64()?).ok();
        }
        span = &span["expansion"]["span"];
    }
    None
}

fn collect_texts(message: &Value, texts: &mut Vec<String>) {
    texts.extend(message["message"].as_str().map(str::to_owned));
    let labels = message["spans"].as_array().into_iter().flatten();
    texts.extend(labels.filter_map(|span| span["label"].as_str().map(str::to_owned)));
    for child in message["children"].as_array().into_iter().flatten() {
        collect_texts(child, texts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_error_has_its_line_and_all_its_texts() {
        let span = json!({
            "file_name": "/a/case.rs", "line_start": 3, "is_primary": true, "label": "here",
        });
        let message = json!({
            "level": "error", "message": "wrong", "spans": [span], "rendered": "error: wrong",
            "children": [{ "message": "a note", "spans": [], "children": [] }],
        });
        let error = Mistake::read(&message, "case").expect("an error");
        assert_eq!(error.lines, [3]);
        assert_eq!(error.texts, ["wrong", "here", "a note"]);
    }

    #[test]
    fn a_span_in_a_macro_is_where_the_macro_is_used() {
        let used = json!({ "file_name": "/a/case.rs", "line_start": 7 });
        let span = json!({
            "file_name": "/b/macros.rs", "line_start": 3, "expansion": { "span": used },
        });
        assert_eq!(line_in_case(&span, "case"), Some(7));
        assert_eq!(line_in_case(&json!({ "file_name": "/b/x.rs", "line_start": 3 }), "case"), None);
    }

    #[test]
    fn warnings_and_the_count_of_errors_are_no_errors() {
        let of = |level: &str, text: &str| {
            let message = json!({ "level": level, "message": text, "spans": [], "children": [] });
            Mistake::read(&message, "case").is_some()
        };
        assert!(!of("warning", "unused"));
        assert!(!of("error", "aborting due to 2 previous errors"));
        assert!(of("error", "linking failed"));
    }
}
