//! Attributes of a request: checked for form, then forgotten (R-5280-21).

use crate::der::{BOOLEAN, Elements, NotDer, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, SET};

/// Checks the content of `[0] IMPLICIT SET OF Attribute`: each an object identifier and a set of values, in ascending order.
pub(super) fn check(attributes: &[u8]) -> Result<(), NotDer> {
    let mut elements = Elements::new(attributes)?;
    let mut previous: &[u8] = &[];
    while !elements.is_empty() {
        let attribute = elements.expect(SEQUENCE)?;
        if attribute.raw < previous {
            return Err(NotDer);
        }
        previous = attribute.raw;
        let mut fields = attribute.elements()?;
        let oid = fields.expect(OBJECT_IDENTIFIER)?.content;
        let values = fields.expect(SET)?;
        fields.end()?;
        if oid == EXTENSION_REQUEST {
            extensions(values.elements()?)?;
        }
    }
    Ok(())
}

/// Extensions that are asked for: a `critical` that is FALSE is the default, which DER leaves out.
fn extensions(mut values: Elements<'_>) -> Result<(), NotDer> {
    let mut list = values.expect(SEQUENCE)?.elements()?;
    values.end()?;
    while !list.is_empty() {
        let mut fields = list.expect(SEQUENCE)?.elements()?;
        fields.expect(OBJECT_IDENTIFIER)?;
        if fields.optional(BOOLEAN)?.is_some_and(|critical| critical.content != [0xff]) {
            return Err(NotDer);
        }
        fields.expect(OCTET_STRING)?;
        fields.end()?;
    }
    Ok(())
}

/// extensionRequest, 1.2.840.113549.1.9.14 (RFC 2985, section 5.4.2).
const EXTENSION_REQUEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 14];
