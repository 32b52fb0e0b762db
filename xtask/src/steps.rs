//! The checks, in the order in which a mistake is cheapest to find.

use crate::{
    browser, counts, go, mutants, npm,
    process::{Call, Ran, Workspace},
    programs,
    progress::{Failure, Step, Verdict},
    python, python_client, sim,
    tally::Tally,
};

const WASM: &str = "wasm32-unknown-unknown";

/// What the pure half must not pull in.
const IMPURE: [&str; 3] = ["tokio", "tungstenite", "tokio-tungstenite"];

/// Every check.
pub(crate) fn all(workspace: &Workspace) -> Vec<Step> {
    vec![
        format(workspace),
        clippy(workspace),
        python::step(workspace),
        npm::tools(workspace),
        tests(workspace),
        programs::step(workspace),
        // Beside the steps behind them.
        npm::client(workspace),
        browser::step(workspace),
        python_client::step(workspace),
        go::step(workspace),
        sim::step(workspace),
        documentation(workspace),
        pure_build(workspace),
        pure_tree(workspace),
        counts::step(workspace),
        mutants::step(workspace),
    ]
}

/// Every check but the simulation, the rendered documentation, the clients in other languages, the
/// counted instructions and the planted bugs.
pub(crate) fn quick(workspace: &Workspace) -> Vec<Step> {
    vec![
        format(workspace),
        clippy(workspace),
        tests(workspace),
        pure_build(workspace),
        pure_tree(workspace),
    ]
}

/// The checks of these names and what prepares for them, in their order.
pub(crate) fn named(workspace: &Workspace, names: &[&str]) -> Result<Vec<Step>, String> {
    let mut steps = all(workspace);
    let known: Vec<&str> = steps.iter().map(|step| step.name).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(name)) {
        return Err(format!("no step `{unknown}`; the steps are: {}", known.join(", ")));
    }
    let wanted = |step: &&Step| names.contains(&step.name);
    let mut all: Vec<&str> =
        steps.iter().filter(wanted).flat_map(|step| step.needs).copied().collect();
    all.extend(names);
    steps.retain(|step| all.contains(&step.name));
    Ok(steps)
}

/// A step that is one call.
fn plain(name: &'static str, call: Call) -> Step {
    Step::new(name, move || verdict(&call))
}

/// Runs a call whose success is all that counts.
pub(crate) fn verdict(call: &Call) -> Verdict {
    let ran = call.run();
    let failure = Failure { output: ran.output, repeat: call.to_string() };
    Verdict { failure: (!ran.good).then_some(failure), ..Verdict::default() }
}

/// Runs a `cargo test` and counts.
pub(crate) fn tested(call: &Call) -> Verdict {
    judged(call, call.run())
}

/// Counts what a `cargo test` said.
pub(crate) fn judged(call: &Call, ran: Ran) -> Verdict {
    let tally = Tally::of(&ran.output);
    let failure = Failure { output: ran.output, repeat: call.to_string() };
    Verdict { tally, note: None, failure: (!ran.good).then_some(failure) }
}

fn format(workspace: &Workspace) -> Step {
    plain("format", workspace.cargo(["fmt", "--all", "--check", "--", "--color", "never"]))
}

fn clippy(workspace: &Workspace) -> Step {
    let arguments = ["clippy", "--workspace", "--all-targets", "--all-features"];
    plain("clippy", workspace.cargo(arguments.into_iter().chain(["--", "-D", "warnings"])))
}

fn tests(workspace: &Workspace) -> Step {
    let arguments = ["test", "--no-fail-fast"].into_iter().chain(programs::SELECTION);
    let workspace = workspace.clone();
    // Looked up when the step runs: the step before it may have made the interpreter.
    let run = move || {
        let call = workspace.cargo(arguments.clone());
        tested(
            &python::interpreter(&workspace)
                .map_or(call.clone(), |path| call.with("WS_PROTO_PYTHON", path.to_string_lossy())),
        )
    };
    Step::new("tests", run).after(&["python", "node packages"])
}

fn documentation(workspace: &Workspace) -> Step {
    let call = workspace.cargo(["doc", "--workspace", "--no-deps", "--all-features"]);
    plain("documentation", call.with("RUSTDOCFLAGS", "-D warnings"))
}

fn pure_build(workspace: &Workspace) -> Step {
    let workspace = workspace.clone();
    let run = move || {
        let wasm = has_wasm(&workspace) || adds_wasm(&workspace);
        let target: &[&str] = if wasm { &["--target", WASM] } else { &[] };
        let proto = ["check", "-p", "ws-proto"];
        let runtime = ["check", "-p", "ws-runtime", "--no-default-features"];
        for arguments in [&proto[..], &runtime[..]] {
            let all = arguments.iter().chain(target).copied();
            let verdict = verdict(&workspace.cargo(all));
            if verdict.failure.is_some() {
                return verdict;
            }
        }
        let note = "no wasm32 target, and rustup adds none: checked with the host target instead";
        Verdict { note: (!wasm).then(|| note.to_owned()), ..Verdict::default() }
    };
    Step::new("pure build", run)
}

/// Whether the standard library is there for wasm32. Asked of rustc, so that a toolchain that
/// rustup does not know counts too.
fn has_wasm(workspace: &Workspace) -> bool {
    let call = Call::new(workspace, "rustc", ["--print", "target-libdir", "--target", WASM]);
    let ran = call.run();
    ran.good && std::path::Path::new(ran.output.trim()).is_dir()
}

/// Lets rustup install what is missing, where it is there and can.
fn adds_wasm(workspace: &Workspace) -> bool {
    Call::new(workspace, "rustup", ["target", "add", WASM]).run().good && has_wasm(workspace)
}

fn pure_tree(workspace: &Workspace) -> Step {
    let arguments = ["tree", "-p", "ws-runtime", "--no-default-features", "-e", "normal"];
    let call = workspace.cargo(arguments.into_iter().chain(["--prefix", "none"]));
    let run = move || {
        let ran = call.run();
        let found = impure(&ran.output);
        if ran.good && found.is_empty() {
            return Verdict::default();
        }
        let names = found.join(", ");
        let output = format!("{}\nthe pure half must not depend on: {names}\n", ran.output);
        let output = if found.is_empty() { ran.output } else { output };
        Verdict::failed(output, call.to_string())
    };
    Step::new("pure tree", run)
}

/// Which of the forbidden packages a `cargo tree --prefix none` names.
fn impure(tree: &str) -> Vec<&'static str> {
    let named = |package: &str| tree.lines().any(|l| l.split(' ').next() == Some(package));
    IMPURE.into_iter().filter(|package| named(package)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_async_runtime_in_the_pure_tree_is_found() {
        let tree = "ws-runtime v0.1.0\nws-proto v0.1.0\ntokio v1.54.1\ntokio-tungstenite v0.30.0\n";
        assert_eq!(impure(tree), ["tokio", "tokio-tungstenite"]);
    }

    #[test]
    fn names_that_only_begin_alike_are_no_matter() {
        assert!(impure("ws-runtime v0.1.0\ntokio-like v1.0.0\n").is_empty());
    }

    #[test]
    fn named_steps_run_behind_what_prepares_for_them_and_an_unknown_name_is_refused() {
        let workspace = Workspace::find();
        let steps = named(&workspace, &["browser", "clippy"]).expect("both exist");
        let names: Vec<&str> = steps.iter().map(|step| step.name).collect();
        assert_eq!(names, ["clippy", "python", "node packages", "programs", "browser"]);
        let error = named(&workspace, &["python", "brwser"]).map(|_| ()).expect_err("a slip");
        assert!(error.starts_with("no step `brwser`; the steps are: format, "), "{error}");
    }

    #[test]
    fn the_quick_run_leaves_out_what_is_slow_only() {
        let workspace = Workspace::find();
        let names = |steps: Vec<Step>| steps.iter().map(|step| step.name).collect::<Vec<_>>();
        let mut left = names(all(&workspace));
        let slow = [
            "simulation",
            "documentation",
            "python",
            "counts",
            "python client",
            "go",
            "node packages",
            "programs",
            "typescript client",
            "browser",
            "mutants",
        ];
        left.retain(|name| !slow.contains(name));
        assert_eq!(names(quick(&workspace)), left);
        assert_eq!(names(all(&workspace)).len(), left.len() + slow.len());
    }
}
