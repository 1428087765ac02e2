//! The sources of an error, for people and for whoever looks for one of a certain type.

use std::error::Error;
use std::io;
use std::iter::successors;

/// An error and its sources, the nearest first, with the errors inside `io::Error`s, which are no sources.
pub fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    successors(Some(error), |error| {
        let error: &'a (dyn Error + 'static) = *error;
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        wrapped.map(|wrapped| wrapped as &(dyn Error + 'static)).or_else(|| error.source())
    })
}

/// The nearest error of one type among an error and its sources.
pub fn cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    causes(error).find_map(<dyn Error>::downcast_ref)
}

/// The texts of an error's sources, the nearest first. What `message` or a nearer one says is left out.
pub fn source_texts(message: &str, error: &(dyn Error + 'static)) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for text in causes(error).skip(1).map(ToString::to_string) {
        if !message.contains(&text) && !texts.iter().any(|said| said.contains(&text)) {
            texts.push(text);
        }
    }
    texts
}

/// An error and its sources in one line, separated by colons; nothing is said twice.
pub fn error_chain(error: &(dyn Error + 'static)) -> String {
    let message = error.to_string();
    source_texts(&message, error).iter().fold(message, |text, source| text + ": " + source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_was_said_is_not_said_again() {
        let inner = io::Error::other("the disk is full");
        assert_eq!(
            error_chain(&io::Error::other(format!("cannot write: {inner}"))),
            "cannot write: the disk is full"
        );
        assert_eq!(error_chain(&io::Error::other(inner)), "the disk is full");
    }

    #[test]
    fn an_error_is_found_inside_an_io_error() {
        let number = "x".parse::<u8>().unwrap_err();
        let wrapped = io::Error::other(io::Error::other(number.clone()));
        assert_eq!(cause::<std::num::ParseIntError>(&wrapped), Some(&number));
    }
}
