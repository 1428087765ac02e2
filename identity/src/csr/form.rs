//! Reads the form of a request, or finds the part and the rule that it breaks.

use super::Parts;
use super::attribute::{self, EXTENSION_REQUEST};
use crate::der::{
    BIT_STRING, CONTEXT_0_CONSTRUCTED, Element, Elements, INTEGER, OBJECT_IDENTIFIER, SEQUENCE, SET,
    element_fault, value_fault,
};

/// A fault in the form of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FormFault {
    /// The part of the request (RFC 2986, section 4).
    pub part: &'static str,
    /// The fault and the rule that it breaks.
    pub rule: &'static str,
}

impl FormFault {
    pub(super) const fn of(part: &'static str, rule: &'static str) -> Self {
        Self { part, rule }
    }
}

/// Reads a request in strict DER.
pub(super) fn parts(der: &[u8]) -> Result<Parts<'_>, FormFault> {
    let mut whole = Fields(der);
    let outer = whole.next(WHOLE, SEQUENCE, "is not a SEQUENCE (RFC 2986, section 4.2)")?;
    if !whole.0.is_empty() {
        return Err(FormFault::of(WHOLE, AFTER_THE_END));
    }
    let mut outer = Fields(outer.content);
    let info = outer.next(INFO, SEQUENCE, "is not a SEQUENCE (RFC 2986, section 4.1)")?;
    let algorithm = outer.next(ALGORITHM, SEQUENCE, "is not a SEQUENCE (RFC 2986, section 4.2)")?;
    let signature = outer.next(SIGNATURE, BIT_STRING, "is not a BIT STRING (RFC 2986, section 4.2)")?;
    let [0, signature @ ..] = signature.content else {
        return Err(FormFault::of(SIGNATURE, "is not a whole number of octets"));
    };
    if !outer.0.is_empty() {
        return Err(FormFault::of(WHOLE, "has a field after the signature (RFC 2986, section 4.2)"));
    }
    let (subject, spki) = check_info(Fields(info.content))?;
    values(ALGORITHM, algorithm.raw)?;
    // What no part breaks by itself, for example how deep elements lie in one another.
    values(WHOLE, der)?;
    Ok(Parts { info: info.raw, subject, spki, algorithm, signature })
}

/// Subject and subjectPublicKeyInfo.
fn check_info(mut info: Fields<'_>) -> Result<(&[u8], &[u8]), FormFault> {
    let version = info.next(VERSION, INTEGER, "is not an INTEGER (RFC 2986, section 4.1)")?;
    values(VERSION, version.raw)?;
    if version.content != [0] {
        return Err(FormFault::of(
            VERSION,
            "is not 0, the only version that PKCS#10 has (RFC 2986, section 4.1)",
        ));
    }
    let subject = info.next(SUBJECT, SEQUENCE, "is not a SEQUENCE (RFC 2986, section 4.1)")?.raw;
    let key = info.next(KEY, SEQUENCE, "is not a SEQUENCE (RFC 2986, section 4.1)")?.raw;
    let absent =
        "are not there: the field is written also when it is empty, as A0 00 (RFC 2986, section 4.1)";
    if info.0.is_empty() {
        return Err(FormFault::of(ATTRIBUTES, absent));
    }
    let attributes = info.next(ATTRIBUTES, CONTEXT_0_CONSTRUCTED, absent)?.content;
    if !info.0.is_empty() {
        return Err(FormFault::of(INFO, "has a field after the attributes (RFC 2986, section 4.1)"));
    }
    values(SUBJECT, subject)?;
    values(KEY, key)?;
    values(ATTRIBUTES, attributes)?;
    check_attributes(attributes)?;
    Ok((subject, key))
}

fn check_attributes(attributes: &[u8]) -> Result<(), FormFault> {
    let wrong = |rule| FormFault::of(ATTRIBUTES, rule);
    let form =
        |_| wrong("have one that is not an OBJECT IDENTIFIER and a SET of values (RFC 2986, section 4.1)");
    let mut elements = Elements::new(attributes).map_err(form)?;
    let mut previous: &[u8] = &[];
    while !elements.is_empty() {
        let one: Element<'_> = elements.expect(SEQUENCE).map_err(form)?;
        if one.raw < previous {
            return Err(wrong(
                "are not in ascending order, as the elements of a SET OF are (X.690, section 11.6)",
            ));
        }
        previous = one.raw;
        let mut fields = one.elements().map_err(form)?;
        let oid = fields.expect(OBJECT_IDENTIFIER).map_err(form)?;
        let set = fields.expect(SET).map_err(form)?;
        fields.end().map_err(form)?;
        if oid.content == EXTENSION_REQUEST {
            let values = set.elements().map_err(form)?;
            attribute::extensions(values).map_err(|rule| FormFault::of("the extensionRequest", rule))?;
        }
    }
    Ok(())
}

fn values(part: &'static str, raw: &[u8]) -> Result<(), FormFault> {
    value_fault(raw).map_or(Ok(()), |rule| Err(FormFault::of(part, rule)))
}

struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn next(&mut self, part: &'static str, tag: u8, rule: &'static str) -> Result<Element<'a>, FormFault> {
        let broken = || FormFault::of(part, element_fault(self.0).unwrap_or("is not strict DER"));
        let mut elements = Elements::new(self.0).map_err(|_| broken())?;
        let element = elements.any().map_err(|_| broken())?;
        if element.tag != tag {
            return Err(FormFault::of(part, rule));
        }
        self.0 = self.0.get(element.raw.len()..).unwrap_or_default();
        Ok(element)
    }
}

const WHOLE: &str = "the certificate request";
const INFO: &str = "its CertificationRequestInfo";
const VERSION: &str = "its version";
const SUBJECT: &str = "its subject";
const KEY: &str = "its subjectPublicKeyInfo";
const ATTRIBUTES: &str = "its attributes";
const ALGORITHM: &str = "its signatureAlgorithm";
const SIGNATURE: &str = "its signature";

const AFTER_THE_END: &str =
    "is followed by more bytes: a line end, a zero or a second request; send the DER and nothing else";
