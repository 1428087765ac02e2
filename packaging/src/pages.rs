//! Man pages and completions, from the clap definition of a program.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

/// Writes `PROGRAM.1` and a page for each of its commands (`PROGRAM-COMMAND.1`).
pub fn write_man_pages(command: Command, directory: &Path) -> Result<()> {
    std::fs::create_dir_all(directory)?;
    // `help` has no page: it prints the others.
    let mut command = without_help(command);
    command.build();
    write_page(command, directory)
}

fn write_page(command: Command, directory: &Path) -> Result<()> {
    for subcommand in command.get_subcommands().filter(|one| !one.is_hide_set()) {
        write_page(subcommand.clone(), directory)?;
    }
    let page = Man::new(command).source(concat!("Touchmark ", env!("CARGO_PKG_VERSION"))).manual("Touchmark");
    let mut text = Vec::new();
    page.render(&mut text)?;
    // The text after the options in the help: exit statuses, files, examples.
    let text = String::from_utf8(text)?.replace(".SH EXTRA\n", ".SH NOTES\n");
    let path = directory.join(page.get_filename());
    std::fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))
}

fn without_help(command: Command) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|one| one.get_name().to_owned()).collect();
    let command = command.disable_help_subcommand(true);
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, without_help))
}

/// Writes the completions of a program below `root`, where the shells of Debian find them.
pub fn write_completions(mut command: Command, program: &str, root: &Path) -> Result<()> {
    let places = [
        (Shell::Bash, "usr/share/bash-completion/completions", program.to_owned()),
        (Shell::Zsh, "usr/share/zsh/vendor-completions", format!("_{program}")),
        (Shell::Fish, "usr/share/fish/vendor_completions.d", format!("{program}.fish")),
    ];
    for (shell, directory, name) in places {
        let directory = root.join(directory);
        std::fs::create_dir_all(&directory)?;
        let path: PathBuf = directory.join(name);
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut command, program, &mut script);
        std::fs::write(&path, script).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(())
}
