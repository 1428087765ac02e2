//! Extensions that rcgen cannot write.

use identity::DeviceId;
use rcgen::CustomExtension;
use yasna::models::ObjectIdentifier;
use yasna::{Tag, construct_der};

/// subjectAltName with the hardwareModuleName of RFC 4108 section 5 (R-AR-08): rcgen's otherName holds only a UTF8String. Not
/// critical, because our subjects are never empty.
///
/// The hwSerialNum is the whole [`DeviceId`] (`product/serial`): a device serial is unique in its product only, a hwSerialNum in its
/// hwType for ever (R-AR-12), and all products share the hwType.
pub(crate) fn hardware_module_name(hardware_type: &[u64], device: &DeviceId) -> CustomExtension {
    let content = construct_der(|writer| {
        writer.write_sequence(|names| {
            names.next().write_tagged_implicit(Tag::context(0), |other_name| {
                other_name.write_sequence(|fields| {
                    fields.next().write_oid(&ObjectIdentifier::from_slice(HARDWARE_MODULE_NAME));
                    fields.next().write_tagged(Tag::context(0), |value| {
                        value.write_sequence(|module| {
                            module.next().write_oid(&ObjectIdentifier::from_slice(hardware_type));
                            module.next().write_bytes(device.to_string().as_bytes());
                        });
                    });
                });
            });
        });
    });
    CustomExtension::from_oid_content(SUBJECT_ALT_NAME, content)
}

/// subjectKeyIdentifier (RFC 5280, section 4.2.1.2): rcgen writes it only for CAs.
pub(crate) fn subject_key_identifier(identifier: &[u8]) -> CustomExtension {
    CustomExtension::from_oid_content(
        SUBJECT_KEY_IDENTIFIER,
        construct_der(|writer| writer.write_bytes(identifier)),
    )
}

/// authorityInfoAccess (RFC 5280, section 4.2.2.1, R-5280-17).
pub(crate) fn authority_information_access(
    issuer_certificate: Option<&str>,
    ocsp: Option<&str>,
) -> CustomExtension {
    let content = construct_der(|writer| {
        writer.write_sequence(|descriptions| {
            for (method, url) in [(OCSP, ocsp), (CA_ISSUERS, issuer_certificate)] {
                let Some(url) = url else { continue };
                descriptions.next().write_sequence(|description| {
                    description.next().write_oid(&ObjectIdentifier::from_slice(method));
                    description
                        .next()
                        .write_tagged_implicit(Tag::context(6), |location| location.write_ia5_string(url));
                });
            }
        });
    });
    CustomExtension::from_oid_content(AUTHORITY_INFORMATION_ACCESS, content)
}

/// id-pkix-ocsp-nocheck (RFC 6960, section 4.2.2.2.1): nobody asks whether the answerer is revoked.
pub(crate) fn ocsp_no_check() -> CustomExtension {
    CustomExtension::from_oid_content(OCSP_NO_CHECK, construct_der(|writer| writer.write_null()))
}

const OCSP_NO_CHECK: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 48, 1, 5];
const SUBJECT_KEY_IDENTIFIER: &[u64] = &[2, 5, 29, 14];
const SUBJECT_ALT_NAME: &[u64] = &[2, 5, 29, 17];
const HARDWARE_MODULE_NAME: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 8, 4];
const AUTHORITY_INFORMATION_ACCESS: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 1];
const OCSP: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 48, 1];
const CA_ISSUERS: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 48, 2];
