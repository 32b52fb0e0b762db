//! The cases and their annotations.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// One file of `tests/mistakes`.
#[derive(Debug)]
pub(crate) struct Case {
    /// The file's name without `.rs`.
    pub(crate) name: String,
    pub(crate) source: String,
    /// Whether it says that it has no errors.
    pub(crate) compiles: bool,
    pub(crate) expected: Vec<Expected>,
    /// Texts of errors that the compiler adds, wherever they point.
    pub(crate) also: Vec<String>,
}

/// One error that an annotation announces.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    /// Where it points; the first line is 1.
    pub(crate) line: usize,
    /// What stands in its message, labels, notes and helps.
    pub(crate) parts: Vec<String>,
}

impl Case {
    /// Reads the annotations of a source.
    pub(crate) fn parse(name: &str, source: &str) -> Self {
        let mut case = Self {
            name: name.to_owned(),
            source: source.to_owned(),
            compiles: false,
            expected: Vec::new(),
            also: Vec::new(),
        };
        for (index, line) in source.lines().enumerate() {
            if let Some((_, annotation)) = line.split_once("//~") {
                case.read(index + 1, annotation);
            }
        }
        case
    }

    pub(crate) fn path(&self) -> PathBuf {
        folder().join(format!("{}.rs", self.name))
    }

    fn read(&mut self, line: usize, annotation: &str) {
        let above = annotation.chars().take_while(|c| *c == '^').count();
        let text = annotation[above..].trim();
        let (error, also) = (text.strip_prefix("ERROR:"), text.strip_prefix("ALSO:"));
        let part = text.strip_prefix('|').or(error).or(also).map(|part| part.trim().to_owned());
        assert!(part.as_ref().is_none_or(|p| !p.is_empty()), "{}:{line}: no text", self.name);
        match (part, error, self.expected.last_mut()) {
            (None, ..) if text == "COMPILES" => self.compiles = true,
            (Some(part), None, _) if also.is_some() => self.also.push(part),
            (Some(part), Some(_), _) => {
                self.expected.push(Expected { line: line - above, parts: vec![part] });
            }
            (Some(part), None, Some(last)) => last.parts.push(part),
            _ => panic!("{}:{line}: no annotation: `//~{annotation}`", self.name),
        }
    }
}

/// Every case, by name.
pub(crate) fn cases() -> Vec<Case> {
    let entries = fs::read_dir(folder()).expect("the folder of the cases");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Case {
    let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a plain name");
    Case::parse(name, &fs::read_to_string(path).expect("a text"))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mistakes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(source: &str) -> Vec<Expected> {
        Case::parse("case", source).expected
    }

    #[test]
    fn an_annotation_is_about_its_line_or_one_above() {
        let found = expected("a //~ ERROR: x\nb\nc\n//~^^ ERROR: y");
        let at = |line, part: &str| Expected { line, parts: vec![part.to_owned()] };
        assert_eq!(found, [at(1, "x"), at(2, "y")]);
    }

    #[test]
    fn a_further_part_belongs_to_the_annotation_before() {
        let found = expected("a //~ ERROR: x\n//~| y\n//~| z");
        assert_eq!(found[0].parts, ["x", "y", "z"]);
        assert_eq!(found.len(), 1);
    }

    #[test]
    #[should_panic(expected = "case:1: no annotation: `//~ EROR: x`")]
    fn a_misspelt_annotation_is_refused() {
        expected("a //~ EROR: x");
    }

    #[test]
    #[should_panic(expected = "case:1: no text")]
    fn an_annotation_without_a_text_is_refused() {
        expected("a //~ ERROR:");
    }
}
