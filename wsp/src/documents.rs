//! Contracts in files and in the history of a repository.

use serde_json::Value;
use std::{
    ffi::OsString,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::Command,
};

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A file cannot be read.
    #[error("cannot read `{}`: {}", .0.display(), .1)]
    Read(PathBuf, io::Error),
    /// A file cannot be written.
    #[error("cannot write `{}`: {}", .0.display(), .1)]
    Write(PathBuf, io::Error),
    /// Something is no JSON.
    #[error("`{0}` is no JSON: {1}")]
    Json(String, serde_json::Error),
    /// Git does not have what was asked for.
    #[error("git has no `{0}`: {1}")]
    Git(String, String),
    /// A document is no contract of a protocol.
    #[error("`{}`: {}", .0.display(), .1)]
    Contract(PathBuf, String),
    /// A server or a client could not be talked to.
    #[error("{0}")]
    Live(String),
    /// A file of accepted changes cannot be read.
    #[error("`{}`, {}", .0.display(), .1)]
    Accepted(PathBuf, ws_schema::AcceptError),
}

/// Where an older contract comes from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// A file.
    File(PathBuf),
    /// A commit, branch or tag, in which the file has the same path.
    Git(String),
}

impl std::str::FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("git:") {
            // What begins with a hyphen would be an option of git.
            Some(reference) if reference.is_empty() || reference.starts_with('-') => {
                Err("write `git:REF`, where REF is a commit, a branch or a tag".to_owned())
            }
            Some(reference) => Ok(Self::Git(reference.to_owned())),
            None => Ok(Self::File(text.into())),
        }
    }
}

impl Source {
    /// Reads it; `new` is the file whose older version is wanted.
    pub(crate) fn read(&self, new: &Path) -> Result<Value, Failure> {
        match self {
            Self::File(path) => read(path),
            Self::Git(reference) => from_git(reference, new),
        }
    }
}

/// Reads a file of JSON.
pub(crate) fn read(path: &Path) -> Result<Value, Failure> {
    parse(&text(path)?, path.display().to_string())
}

/// Reads a file.
pub(crate) fn text(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| Failure::Read(path.to_owned(), error))
}

/// Writes a file, or to the standard output.
pub(crate) fn write(path: Option<&Path>, text: &str) -> Result<(), Failure> {
    let (name, written) = match path {
        Some(path) => (path, fs::write(path, text)),
        None => (Path::new("standard output"), to_standard_output(text)),
    };
    written.map_err(|error| Failure::Write(name.to_owned(), error))
}

/// A reader that stops early, as `head` does, is no failure.
fn to_standard_output(text: &str) -> io::Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

fn from_git(reference: &str, new: &Path) -> Result<Value, Failure> {
    let folder = new.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut object = OsString::from(format!("{reference}:./"));
    object.push(new.file_name().unwrap_or_default());
    let name = object.to_string_lossy().into_owned();
    let ran = Command::new("git")
        .arg("-C")
        .arg(folder.unwrap_or(Path::new(".")))
        .arg("show")
        .arg(object)
        .output()
        .map_err(|error| Failure::Git(name.clone(), error.to_string()))?;
    if !ran.status.success() {
        let said = String::from_utf8_lossy(&ran.stderr).trim().to_owned();
        return Err(Failure::Git(name, said));
    }
    parse(&String::from_utf8_lossy(&ran.stdout), name)
}

fn parse(text: &str, name: String) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|error| Failure::Json(name, error))
}
