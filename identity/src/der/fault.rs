//! Explains why bytes are not an element, for error messages.

/// The rule that the element at the beginning of `bytes` breaks; `None`: it breaks none.
pub fn element_fault(bytes: &[u8]) -> Option<&'static str> {
    let Some((tag, after_tag)) = bytes.split_first() else { return Some("is missing") };
    if tag & super::MULTIPLE_OCTETS == super::MULTIPLE_OCTETS {
        return Some("has a tag of more than one octet, which nothing here has (X.690, section 8.1.2.4)");
    }
    match super::length(after_tag) {
        Ok((length, content)) if content.len() < length => Some("ends before its length says"),
        Ok(_) => None,
        Err(super::NotDer) => Some(match after_tag {
            [] => "ends before its length",
            [0x80, ..] => "has an indefinite length, which is BER and not DER (X.690, section 10.1)",
            [0x81..=0x83, rest @ ..] if rest.len() < usize::from(after_tag_octets(after_tag)) => {
                "ends before its length"
            }
            [0x81..=0x83, ..] => {
                "has a length that is not written in as few octets as possible (X.690, sections 8.1.3 and 10.1)"
            }
            _ => "has a length of more octets than anything that is read here",
        }),
    }
}

fn after_tag_octets(after_tag: &[u8]) -> u8 {
    after_tag.first().map_or(0, |first| first & 0x7f)
}
