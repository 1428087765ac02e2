//! The extensionRequest of a request: checked for form, then dropped (R-5280-21).

use crate::der::{BOOLEAN, Elements, NotDer, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE};

/// Checks an extensionRequest: `critical FALSE` is the default, which DER omits. Returns the broken rule.
pub(super) fn extensions(mut values: Elements<'_>) -> Result<(), &'static str> {
    const ONE: &str = "is not a SET with one value, a SEQUENCE of extensions (RFC 2985, section 5.4.2)";
    const EXTENSION: &str = "has one that is not an Extension (RFC 5280, section 4.1)";
    let list = values.expect(SEQUENCE).map_err(|NotDer| ONE)?;
    values.end().map_err(|NotDer| ONE)?;
    let mut list = list.elements().map_err(|NotDer| ONE)?;
    while !list.is_empty() {
        let extension = list.expect(SEQUENCE).map_err(|NotDer| EXTENSION)?;
        let mut fields = extension.elements().map_err(|NotDer| EXTENSION)?;
        fields.expect(OBJECT_IDENTIFIER).map_err(|NotDer| EXTENSION)?;
        let critical = fields.optional(BOOLEAN).map_err(|NotDer| EXTENSION)?;
        if critical.is_some_and(|critical| critical.content != [0xff]) {
            return Err(
                "has an extension whose critical is written as FALSE: DER leaves a default out (X.690, section 11.5)",
            );
        }
        fields.expect(OCTET_STRING).map_err(|NotDer| EXTENSION)?;
        fields.end().map_err(|NotDer| EXTENSION)?;
    }
    Ok(())
}

/// extensionRequest, 1.2.840.113549.1.9.14 (RFC 2985, section 5.4.2).
pub(super) const EXTENSION_REQUEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 14];
