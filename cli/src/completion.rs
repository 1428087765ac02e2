//! Completion scripts, made from the same definitions as the help.

use clap::CommandFactory;
pub use clap_complete::Shell;

/// The completion script of a program for a shell.
pub fn completion_script<A: CommandFactory>(program: &str, shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut A::command(), program, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}
