//! Rules for key usage, extended key usage and subjectAltName.

use identity::{
    ProfileName,
    der::{CONTEXT_0_CONSTRUCTED, NotDer, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, only},
};

use super::{Broken, Expected, ensure};
use crate::reading::{Extension, HARDWARE_MODULE_NAME, Reading, oid};

pub(super) fn lint(reading: &Reading<'_>, expected: &Expected<'_>) -> Result<(), Broken> {
    key_usage(reading.extension(oid::KEY_USAGE), expected.profile)?;
    extended_key_usage(reading.extension(oid::EXTENDED_KEY_USAGE), expected.profile)?;
    alternative_name(reading.extension(oid::SUBJECT_ALT_NAME), expected.profile)
}

fn key_usage(extension: Option<Extension<'_>>, profile: ProfileName) -> Result<(), Broken> {
    let critical = extension.is_some_and(|extension| extension.critical);
    let value = extension.map_or(&[][..], |extension| extension.value);
    if profile.is_ca() {
        let fits = value == CERT_SIGN || value == CERT_AND_CRL_SIGN;
        return ensure(
            critical && fits,
            "R-5280-11",
            "the key usage of a CA is critical: certificates and CRLs",
        );
    }
    let rule = if profile == ProfileName::Idevid { "R-AR-07" } else { "R-5280-12" };
    ensure(
        critical && value == DIGITAL_SIGNATURE,
        rule,
        "the key usage of a leaf is critical: digital signatures only",
    )
}

fn extended_key_usage(extension: Option<Extension<'_>>, profile: ProfileName) -> Result<(), Broken> {
    let (mut any, mut client, mut server, mut ocsp, mut mail) = (false, false, false, false, false);
    let mut count = 0;
    if let Some(extension) = extension {
        let mut read = || {
            let mut purposes = only(extension.value, SEQUENCE)?.elements()?;
            while !purposes.is_empty() {
                let purpose = purposes.expect(OBJECT_IDENTIFIER)?.content;
                count += 1;
                any |= purpose == ANY_PURPOSE;
                client |= purpose == CLIENT_AUTH;
                server |= purpose == SERVER_AUTH;
                ocsp |= purpose == OCSP_SIGNING;
                mail |= purpose == EMAIL_PROTECTION;
            }
            Ok(())
        };
        read().map_err(|NotDer| Broken {
            rule: "R-5280-20",
            what: "the extended key usage is not a sequence",
        })?;
    }
    ensure(!any, "R-AR-10", "anyExtendedKeyUsage")?;
    let wanted = profile == ProfileName::OcspSigner;
    ensure(ocsp == wanted, "R-OCSP-06", "an OCSP signer, and no other, is for OCSP")?;
    let wanted = profile == ProfileName::Document;
    ensure(mail == wanted, "R-DOC-01", "a signer of documents, and no other, is for e-mail protection")?;
    match profile {
        ProfileName::OcspSigner => {
            ensure(!client && !server, "R-OCSP-06", "an OCSP signer that is for more than OCSP")
        }
        ProfileName::Document => {
            ensure(count == 1, "R-DOC-01", "a signer of documents that is for more than that")
        }
        ProfileName::Idevid => {
            ensure(extension.is_none() || client, "R-AR-10", "a birth certificate that is not for clients")
        }
        ProfileName::Root => Ok(()),
        // A technical constraint in place of name constraints, which Rust relying parties refuse (R-5280-13).
        ProfileName::FactoryCa | ProfileName::OperationalCa => {
            ensure(client && !server, "R-5280-13", "an issuer of devices that is not for clients alone")
        }
        ProfileName::InfrastructureCa => {
            ensure(client || server, "R-5280-13", "an issuer that is for everything")
        }
        ProfileName::Credential(role) if role.is_server() => {
            ensure(server, "R-5280-21", "a server that is not for servers")
        }
        ProfileName::Ldevid | ProfileName::Credential(_) => {
            ensure(client && !server, "R-5280-21", "a client that is not for clients alone")
        }
    }
}

fn alternative_name(extension: Option<Extension<'_>>, profile: ProfileName) -> Result<(), Broken> {
    match extension {
        None => ensure(!profile.is_server(), "R-5280-21", "a server without names"),
        Some(extension) if profile.is_device() => ensure(
            holds_hardware_module_name(extension.value) == Ok(true),
            "R-AR-08",
            "a device's subjectAltName holds no hardwareModuleName",
        ),
        Some(_) => ensure(profile.is_server(), "R-5280-21", "other names where the profile has none"),
    }
}

/// `otherName { id-on-hardwareModuleName, [0] SEQUENCE { hwType OID, hwSerialNum OCTET STRING } }` (RFC 4108,
/// section 5).
fn holds_hardware_module_name(value: &[u8]) -> Result<bool, NotDer> {
    let mut names = only(value, SEQUENCE)?.elements()?;
    while !names.is_empty() {
        let name = names.any()?;
        let mut fields = name.elements()?;
        if name.tag != CONTEXT_0_CONSTRUCTED
            || fields.expect(OBJECT_IDENTIFIER)?.content != HARDWARE_MODULE_NAME
        {
            continue;
        }
        let value = fields.expect(CONTEXT_0_CONSTRUCTED)?;
        let mut module = only(value.content, SEQUENCE)?.elements()?;
        module.expect(OBJECT_IDENTIFIER)?;
        let serial = module.expect(OCTET_STRING)?;
        module.end()?;
        return Ok(!serial.content.is_empty());
    }
    Ok(false)
}

const DIGITAL_SIGNATURE: &[u8] = &[3, 2, 7, 0x80];
const CERT_SIGN: &[u8] = &[3, 2, 2, 0x04];
const CERT_AND_CRL_SIGN: &[u8] = &[3, 2, 1, 0x06];
const ANY_PURPOSE: &[u8] = &[0x55, 0x1d, 37, 0];
const SERVER_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];
const CLIENT_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 2];
const EMAIL_PROTECTION: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 4];
const OCSP_SIGNING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 9];
