//! Running other programs: output kept until it is known whether anybody has to see it.

use std::{
    env, fmt,
    io::{self, Read},
    path::{Path, PathBuf},
    process::Command,
};

/// Where everything happens.
#[derive(Clone, Debug)]
pub(crate) struct Workspace {
    /// The folder of the workspace's `Cargo.toml`.
    pub root: PathBuf,
    /// Where cargo puts what it builds.
    pub target: PathBuf,
}

impl Workspace {
    pub(crate) fn find() -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = here.parent().unwrap_or(here).to_path_buf();
        let target = env::var_os("CARGO_TARGET_DIR").map_or("target".into(), PathBuf::from);
        // A relative target directory is relative to the root; `join` keeps an absolute one.
        Self { target: root.join(target), root }
    }

    pub(crate) fn cargo<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Call {
        Call::new(self, "cargo", arguments)
    }
}

/// One program to run in the root of the workspace. Its `Display` is what a person types to run
/// it again.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    root: PathBuf,
    program: String,
    arguments: Vec<String>,
    variables: Vec<(&'static str, String)>,
}

/// What came of a [`Call`].
#[derive(Debug)]
pub(crate) struct Ran {
    pub good: bool,
    /// Both outputs, in the order in which they were written.
    pub output: String,
}

impl Call {
    pub(crate) fn new<'a>(
        workspace: &Workspace,
        program: impl Into<String>,
        arguments: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        Self {
            root: workspace.root.clone(),
            program: program.into(),
            arguments: arguments.into_iter().map(str::to_owned).collect(),
            variables: Vec::new(),
        }
    }

    /// Sets a variable of the program's environment.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// Runs it to its end. A program that cannot be started is one that failed, with the reason
    /// as its output.
    pub(crate) fn run(&self) -> Ran {
        self.collect().unwrap_or_else(|error| Ran {
            good: false,
            output: format!("cannot run `{}`: {error}\n", self.program),
        })
    }

    fn collect(&self) -> io::Result<Ran> {
        let (mut reader, writer) = io::pipe()?;
        // The command holds a writing end, and the pipe ends only when all of them are gone.
        let mut child = {
            let mut command = Command::new(&self.program);
            command.args(&self.arguments).current_dir(&self.root);
            command.envs(self.variables.iter().map(|(name, value)| (name, value)));
            command.stdin(std::process::Stdio::null());
            command.stdout(writer.try_clone()?).stderr(writer).spawn()?
        };
        let mut output = Vec::new();
        reader.read_to_end(&mut output)?;
        let good = child.wait()?.success();
        Ok(Ran { good, output: String::from_utf8_lossy(&output).into_owned() })
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.variables {
            write!(f, "{name}={} ", quoted(value))?;
        }
        f.write_str(&quoted(&self.program))?;
        self.arguments.iter().try_for_each(|argument| write!(f, " {}", quoted(argument)))
    }
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=:,+@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_shown_as_a_person_would_type_it() {
        let call =
            Workspace::find().cargo(["doc", "--no-deps"]).with("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(call.to_string(), "RUSTDOCFLAGS='-D warnings' cargo doc --no-deps");
    }

    #[test]
    fn both_outputs_are_kept_and_a_failure_is_seen() {
        let call = Call::new(&Workspace::find(), "sh", ["-c", "echo one; echo two >&2; exit 3"]);
        let ran = call.run();
        assert_eq!((ran.good, ran.output.as_str()), (false, "one\ntwo\n"));
    }

    #[test]
    fn a_missing_program_is_a_failure_that_names_it() {
        let ran = Call::new(&Workspace::find(), "no-such-program", []).run();
        assert!(!ran.good);
        assert!(ran.output.starts_with("cannot run `no-such-program`"), "{}", ran.output);
    }
}
