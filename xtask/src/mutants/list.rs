//! The list of planted bugs: how it is read, and how all of them are put into a copy of the source.

use std::collections::{BTreeMap, BTreeSet};

/// Every mutant of `ws-sim/mutants/*.txt`, and the changes that plant them.
#[derive(Debug, Default)]
pub(crate) struct List {
    pub mutants: Vec<Mutant>,
    changes: Vec<Change>,
}

/// One planted bug.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mutant {
    pub name: String,
    /// What a core with this bug does, as a sentence.
    pub says: String,
}

/// Lines of a file, and what stands in their place.
#[derive(Debug)]
struct Change {
    /// Where the list says it, for people.
    place: String,
    /// The changed file, from the root of the workspace.
    file: String,
    find: Vec<String>,
    replace: Vec<String>,
}

impl List {
    /// Adds what one file of the list says. `name` is the name of that file.
    ///
    /// # Errors
    ///
    /// A sentence with the line that is not understood.
    pub(crate) fn read(&mut self, name: &str, text: &str) -> Result<(), String> {
        let mut file = None;
        let mut is_inside = false;
        for (at, line) in text.lines().enumerate() {
            let place = format!("{name}:{}", at + 1);
            if let Some(body) = line.strip_prefix(['-', '+', ' ']) {
                if !is_inside {
                    let file: Option<String> = file.clone();
                    let file = file.ok_or(format!("{place}: a change before any `file`"))?;
                    let change = Change { place, file, find: Vec::new(), replace: Vec::new() };
                    self.changes.push(change);
                    is_inside = true;
                }
                let Some(change) = self.changes.last_mut() else { continue };
                if !line.starts_with('+') {
                    change.find.push(body.trim().to_owned());
                }
                if !line.starts_with('-') {
                    change.replace.push(body.to_owned());
                }
                continue;
            }
            is_inside = false;
            if let Some(path) = line.strip_prefix("file ") {
                file = Some(path.to_owned());
            } else if let Some((name, says)) =
                line.strip_prefix("mutant ").and_then(|rest| rest.split_once(": "))
            {
                self.mutants.push(Mutant { name: name.to_owned(), says: says.to_owned() });
            } else if !line.is_empty() && !line.starts_with('#') {
                return Err(format!("{place}: neither `file`, `mutant`, a change nor a comment"));
            }
        }
        Ok(())
    }

    /// Every file that a mutant is planted in.
    pub(crate) fn files(&self) -> BTreeSet<&str> {
        self.changes.iter().map(|change| change.file.as_str()).collect()
    }

    /// The number of each mutant in the copy: from 1, in the order of the list.
    ///
    /// # Errors
    ///
    /// A sentence that names a mutant that stands there twice or is planted nowhere, or a switch
    /// of no mutant.
    pub(crate) fn numbers(&self) -> Result<BTreeMap<&str, usize>, String> {
        let mut numbers = BTreeMap::new();
        for (at, mutant) in self.mutants.iter().enumerate() {
            if numbers.insert(mutant.name.as_str(), at + 1).is_some() {
                return Err(format!("`{}` stands in the list twice", mutant.name));
            }
        }
        let mut planted = BTreeSet::new();
        for change in &self.changes {
            let names: Vec<_> = change.replace.iter().flat_map(|line| switches(line)).collect();
            let unknown = names.iter().find(|name| !numbers.contains_key(*name));
            if let Some(name) = unknown {
                return Err(format!("{}: no mutant is called `{name}`", change.place));
            }
            if names.is_empty() {
                return Err(format!("{}: a change without a switch", change.place));
            }
            planted.extend(names);
        }
        match numbers.keys().find(|name| !planted.contains(*name)) {
            Some(name) => Err(format!("`{name}` is planted nowhere")),
            None => Ok(numbers),
        }
    }

    /// The text of a file with all of its mutants in it, each behind its switch. Lines are compared
    /// without their indentation.
    ///
    /// # Errors
    ///
    /// A sentence for each change whose text does not stand there exactly once.
    pub(crate) fn plant(&self, file: &str, text: &str) -> Result<String, String> {
        let numbers = self.numbers()?;
        let lines: Vec<&str> = text.lines().collect();
        // By the first line that is replaced: how many are, and by which change.
        let mut places: BTreeMap<usize, &Change> = BTreeMap::new();
        let mut strange = Vec::new();
        for change in self.changes.iter().filter(|change| change.file == file) {
            let found = change.places(&lines);
            let [start] = found.as_slice() else {
                let (count, place) = (found.len(), &change.place);
                strange.push(format!("{place}: found {count} times in {file}, must be once"));
                continue;
            };
            if let Some(other) = places.insert(*start, change) {
                return Err(format!("{} and {} overlap", other.place, change.place));
            }
        }
        if !strange.is_empty() {
            return Err(strange.join("\n"));
        }
        let mut planted = String::new();
        let mut next = 0;
        for (start, change) in places {
            if start < next {
                return Err(format!("{} overlaps with the change before it", change.place));
            }
            push_all(&mut planted, &lines[next..start]);
            for line in &change.replace {
                planted.push_str(&numbered(line, &numbers));
                planted.push('\n');
            }
            next = start + change.find.len();
        }
        push_all(&mut planted, &lines[next..]);
        Ok(planted)
    }
}

impl Change {
    /// The lines at which the text that is replaced begins.
    fn places(&self, lines: &[&str]) -> Vec<usize> {
        let windows = lines.windows(self.find.len().max(1)).enumerate();
        let same = |window: &[&str]| {
            !self.find.is_empty() && window.iter().zip(&self.find).all(|(a, b)| a.trim() == b)
        };
        windows.filter(|(_, window)| same(window)).map(|(at, _)| at).collect()
    }
}

/// The names of the switches in a line.
fn switches(line: &str) -> impl Iterator<Item = &str> {
    line.split("mutant!(\"").skip(1).filter_map(|rest| Some(rest.split_once("\")")?.0))
}

/// A line whose switches have become questions to the module of the copy.
fn numbered(line: &str, numbers: &BTreeMap<&str, usize>) -> String {
    switches(line).fold(line.to_owned(), |line, name| {
        let number = numbers.get(name).copied().unwrap_or_default();
        let switch = format!("mutant!(\"{name}\")");
        line.replace(&switch, &format!("crate::mutant::is_on({number})"))
    })
}

fn push_all(text: &mut String, lines: &[&str]) {
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "\
# Two of one file.
file a.rs

mutant first: It says one.
-let a = 1;
+let a = if mutant!(\"first\") { 2 } else { 1 };

mutant second: It says nothing.
 let b = 1;
-say(b);
+if !mutant!(\"second\") { say(b) }
";

    fn list(text: &str) -> List {
        let mut list = List::default();
        list.read("a.txt", text).unwrap();
        list
    }

    #[test]
    fn every_change_stands_behind_its_switch() {
        let text = "fn f() {\n    let a = 1;\n    let b = 1;\n    say(b);\n}\n";
        let planted = list(LIST).plant("a.rs", text).unwrap();
        let expected = "fn f() {\nlet a = if crate::mutant::is_on(1) { 2 } else { 1 };\n\
                        let b = 1;\nif !crate::mutant::is_on(2) { say(b) }\n}\n";
        assert_eq!(planted, expected);
    }

    #[test]
    fn a_text_that_is_not_there_once_is_named_with_its_place() {
        let none = list(LIST).plant("a.rs", "let a = 1;\nlet b = 1;\nother(b);\n");
        assert_eq!(none.unwrap_err(), "a.txt:9: found 0 times in a.rs, must be once");
        let twice = "let a = 1;\nlet b = 1;\nsay(b);\nlet a = 1;\n";
        let twice = list(LIST).plant("a.rs", twice);
        assert_eq!(twice.unwrap_err(), "a.txt:5: found 2 times in a.rs, must be once");
    }

    #[test]
    fn changes_of_the_same_lines_are_refused() {
        let both = format!("{LIST}\nmutant third: It is late.\n-say(b);\n+mutant!(\"third\");\n");
        let refused = list(&both).plant("a.rs", "let a = 1;\nlet b = 1;\nsay(b);\n");
        assert_eq!(refused.unwrap_err(), "a.txt:14 overlaps with the change before it");
    }

    #[test]
    fn each_switch_has_a_mutant_and_each_mutant_a_switch() {
        let says = |text| list(text).numbers().unwrap_err();
        let twice = format!("{LIST}mutant first: Again.\n");
        assert_eq!(says(&twice), "`first` stands in the list twice");
        let unplanted = format!("{LIST}\nmutant third: It is nowhere.\n");
        assert_eq!(says(&unplanted), "`third` is planted nowhere");
        let unknown = "file a.rs\n-a\n+mutant!(\"other\")\n";
        assert_eq!(says(unknown), "a.txt:2: no mutant is called `other`");
        assert_eq!(says("file a.rs\n-a\n+b\n"), "a.txt:2: a change without a switch");
    }

    #[test]
    fn what_is_not_understood_is_named_with_its_line() {
        let refused = List::default().read("a.txt", "file a.rs\nmutants first: x\n");
        assert_eq!(
            refused.unwrap_err(),
            "a.txt:2: neither `file`, `mutant`, a change nor a comment"
        );
    }
}
