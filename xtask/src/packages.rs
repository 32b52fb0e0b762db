//! Programs that come from the system's packages, installed where they are missing and it lets us.

use crate::{
    process::{Call, Workspace},
    progress::Failure,
};

/// A program that a suite needs, and the Debian package that has it.
pub(crate) struct Package {
    /// What it may be called, the first that is there counts.
    pub(crate) programs: &'static [&'static str],
    pub(crate) name: &'static str,
    /// What it is needed for, and what to do where it cannot be installed.
    pub(crate) missing: &'static str,
}

impl Package {
    /// Sees to it that the program is there.
    pub(crate) fn ensure(&self, workspace: &Workspace) -> Result<(), Failure> {
        if self.is_there(workspace) {
            return Ok(());
        }
        let install = ["apt-get", "install", "--yes", "--no-install-recommends", self.name];
        // A new machine has no list of packages yet, or one of packages that are gone.
        let update: &[&str] = &["apt-get", "update"];
        let mut output = String::new();
        for command in [&install[..], update, &install] {
            output.push_str(&as_root(workspace, command));
            if self.is_there(workspace) {
                return Ok(());
            }
        }
        output.push_str(self.missing);
        Err(Failure { output, repeat: install.join(" ") })
    }

    fn is_there(&self, workspace: &Workspace) -> bool {
        self.programs.iter().any(|name| Call::new(workspace, *name, ["--version"]).run().good)
    }
}

/// Without a password or not at all: nobody is asked anything.
fn as_root(workspace: &Workspace, command: &[&str]) -> String {
    let (program, rest) = command.split_first().unwrap_or((&"true", &[]));
    let ran = Call::new(workspace, *program, rest.iter().copied()).run();
    if ran.good {
        return ran.output;
    }
    let with_sudo = ["-n"].into_iter().chain(command.iter().copied());
    ran.output + &Call::new(workspace, "sudo", with_sudo).run().output
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_under_any_of_its_names_is_not_installed() {
        let package = Package { programs: &["no-such-program", "cargo"], name: "-", missing: "" };
        assert!(package.ensure(&Workspace::find()).is_ok());
    }
}
