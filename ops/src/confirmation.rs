//! Confirmation of what cannot be undone: a person types a number or a name.

use cli::ask;

use crate::failure::Failure;

/// Asks for `count` on the terminal, unless it was given on the command line. An error on another number.
pub(crate) fn confirm_count(count: u64, what: &str, said: Option<u64>) -> Result<(), Failure> {
    let said = said.map(|said| said.to_string());
    confirm(&count.to_string(), what, said, &format!("--confirm {count}"))
}

/// Asks for `name` on the terminal, unless `--yes` was given. An error if something else was typed.
pub(crate) fn confirm_name(name: &str, what: &str, yes: bool) -> Result<(), Failure> {
    confirm(name, what, yes.then(|| name.to_owned()), "--yes")
}

fn confirm(wanted: &str, what: &str, said: Option<String>, option: &str) -> Result<(), Failure> {
    let Some(said) = said.or_else(|| ask(&format!("Type {wanted} to {what}: "))) else {
        return Err(Failure::not_confirmed(format!("not confirmed: {what}; nothing was changed"))
            .next(format!("repeat the command on a terminal, or with {option}")));
    };
    if said == wanted {
        return Ok(());
    }
    Err(Failure::not_confirmed(format!(
        "not confirmed: to {what} needs {wanted}, not {said:?}; nothing was changed"
    ))
    .next(format!("look again at what it is about; then type {wanted}, or say {option}")))
}
