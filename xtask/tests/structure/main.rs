//! The rules of `ARCHITECTURE.md` and `CONTRIBUTING.md` that a program can check.
//!
//! A rule is a function over one file and carries its own tests on samples that break it. Here
//! the rules meet the tree.

mod arrows;
mod code;
mod leftovers;
mod manifest;
mod paths;
mod places;
mod prose;
mod pure;
mod sizes;
mod tree;
mod words;

use std::process::Command;
use tree::{File, Violation};

type Rule<'a> = &'a dyn Fn(&File) -> Vec<Violation>;

#[test]
fn modules_and_crates_follow_the_arrows() {
    let files = tree::files();
    let roots = arrows::Roots::of(&files);
    judge(&files, &[&|file| arrows::modules(file, &roots), &arrows::crates, &manifest::arrows]);
}

#[test]
fn files_and_lines_keep_to_their_sizes() {
    judge(&tree::files(), &[&sizes::file_length, &sizes::line_length]);
}

#[test]
fn empty_words_name_nothing() {
    judge(&tree::files(), &[&words::banned]);
}

#[test]
fn nothing_is_left_over() {
    let rules: [Rule<'_>; 3] =
        [&leftovers::markers, &leftovers::unfinished_code, &leftovers::allowed_lints];
    judge(&tree::files(), &rules);
}

#[test]
fn the_rust_version_is_stated_once() {
    let files = tree::files();
    let root = files.iter().find(|file| file.path == "Cargo.toml").expect("a root manifest");
    let version = manifest::value(root, "rust-version").expect("the root states it");
    judge(&files, &[&manifest::rust_version, &|file| prose::rust_version(file, &version)]);
}

#[test]
fn every_test_is_run() {
    let files = tree::files();
    judge(&files, &[&|file| manifest::forgotten_tests(file, &files)]);
}

#[test]
fn no_file_names_a_machine() {
    judge(&tree::files(), &[&places::machine_paths, &places::registries]);
}

#[test]
fn documents_name_only_commands_that_exist() {
    let help = Command::new(env!("CARGO_BIN_EXE_xtask")).arg("help").output().expect("it starts");
    let help = String::from_utf8(help.stdout).expect("text");
    let files = tree::files();
    let commands = prose::Commands::new(&help, &files);
    judge(&files, &[&|file| prose::commands(file, &commands)]);
}

#[test]
fn the_pure_modules_deny_what_is_not_pure() {
    judge(&tree::files(), &[&pure::denials]);
}

/// Fails with every violation in the tree, each with its place.
fn judge(files: &[File], rules: &[Rule<'_>]) {
    let broken: Vec<String> = files
        .iter()
        .flat_map(|file| rules.iter().map(move |rule| (file, rule(file))))
        .flat_map(|(file, found)| found.into_iter().map(|violation| violation.at(&file.path)))
        .collect();
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}
