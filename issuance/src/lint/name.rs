//! Rules for issuer and subject.

use identity::der::{Element, NotDer, OBJECT_IDENTIFIER, PRINTABLE_STRING, SEQUENCE, SET, UTF8_STRING, only};

use super::{Broken, Expected, ensure};
use crate::reading::Reading;

pub(super) fn lint(reading: &Reading<'_>, expected: &Expected<'_>) -> Result<(), Broken> {
    let issuer = expected.issuer.map_or(reading.subject, |issuer| &issuer.name);
    ensure(reading.issuer == issuer, "R-5280-04", "the issuer is not named as it names itself")?;
    let mut serial_numbers = 0;
    let mut attributes = 0;
    let read = attributes_of(reading.subject, |oid, value| {
        attributes += 1;
        serial_numbers += usize::from(oid == SERIAL_NUMBER);
        attribute(oid, value)
    });
    read.map_err(|NotDer| Broken {
        rule: "R-5280-18",
        what: "the subject is not one attribute in each RDN",
    })??;
    ensure(attributes > 0, "R-AR-03", "the subject is empty")?;
    let wanted = usize::from(expected.profile.is_device());
    ensure(serial_numbers == wanted, "R-AR-03", "a device's subject, and no other, has one serialNumber")
}

fn attribute(oid: &[u8], value: Element<'_>) -> Result<(), Broken> {
    let characters = std::str::from_utf8(value.content).map(|text| text.chars().count()).unwrap_or_default();
    let printable = value.tag == PRINTABLE_STRING;
    match oid {
        SERIAL_NUMBER => ensure(
            printable && (1..=64).contains(&characters),
            "R-AR-03",
            "a serialNumber is a PrintableString of 1 to 64 characters",
        ),
        COUNTRY => {
            ensure(printable && characters == 2, "R-5280-18", "a country is a PrintableString of 2 letters")
        }
        _ => {
            let control = value.content.iter().any(|octet| *octet < 0x20 || *octet == 0x7f);
            ensure(
                (printable || value.tag == UTF8_STRING) && (1..=64).contains(&characters) && !control,
                "R-5280-18",
                "a name's part is a UTF8String or PrintableString of 1 to 64 characters",
            )
        }
    }
}

/// Calls `each` with type and value of every attribute; stops at the first broken rule. Refuses an RDN with
/// more than one attribute.
fn attributes_of<'a>(
    name: &'a [u8],
    mut each: impl FnMut(&'a [u8], Element<'a>) -> Result<(), Broken>,
) -> Result<Result<(), Broken>, NotDer> {
    let mut names = only(name, SEQUENCE)?.elements()?;
    while !names.is_empty() {
        let set = names.expect(SET)?;
        let mut fields = only(set.content, SEQUENCE)?.elements()?;
        let oid = fields.expect(OBJECT_IDENTIFIER)?.content;
        let value = fields.any()?;
        fields.end()?;
        if let Err(broken) = each(oid, value) {
            return Ok(Err(broken));
        }
    }
    Ok(Ok(()))
}

/// id-at-serialNumber.
const SERIAL_NUMBER: &[u8] = &[0x55, 4, 5];

/// id-at-countryName.
const COUNTRY: &[u8] = &[0x55, 4, 6];
