//! Nothing is withdrawn before somebody has said the number.

use crate::failure::Failure;
use crate::output::Output;

/// Whether `count` things are meant: said on the command line, or typed by the person who sits at the terminal.
///
/// # Errors
/// Wrong usage when nobody can be asked; not confirmed when another number was said.
pub(crate) fn confirm(count: u64, what: &str, said: Option<u64>, output: &mut Output) -> Result<(), Failure> {
    let said = match said {
        Some(said) => said.to_string(),
        None => output.ask(&format!("Type {count} to {what}: ")).ok_or_else(|| {
            Failure::usage(format!("to {what}, say the number; nothing was changed"))
                .next(format!("the same with --confirm {count}, or on a terminal; --dry-run only shows it"))
        })?,
    };
    if said == count.to_string() {
        return Ok(());
    }
    Err(Failure::not_confirmed(format!(
        "to {what} needs the number {count}, not {said:?}; nothing was changed"
    ))
    .next("look at what it would hit, then say that number"))
}
