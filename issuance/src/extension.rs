//! Extensions that rcgen cannot write.

use identity::DeviceId;
use identity::der::{CONTEXT_0_CONSTRUCTED, NULL, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE};
use rcgen::CustomExtension;

use crate::encode::wrapped;
use crate::reading::{CA_ISSUERS, HARDWARE_MODULE_NAME, OCSP, URI};

/// subjectAltName with the hardwareModuleName of RFC 4108 section 5 (R-AR-08): rcgen's otherName holds only a
/// UTF8String. Not critical, because our subjects are never empty.
///
/// The hwSerialNum is the whole [`DeviceId`] (`product/serial`): a device serial is unique in its product
/// only, a hwSerialNum in its hwType for ever (R-AR-12), and all products share the hwType.
pub(crate) fn hardware_module_name(hardware_type: &[u64], device: &DeviceId) -> CustomExtension {
    let hardware_type = wrapped(OBJECT_IDENTIFIER, &object_identifier(hardware_type));
    let serial = wrapped(OCTET_STRING, device.to_string().as_bytes());
    let module = wrapped(SEQUENCE, &[hardware_type, serial].concat());
    let kind = wrapped(OBJECT_IDENTIFIER, HARDWARE_MODULE_NAME);
    let other_name =
        wrapped(CONTEXT_0_CONSTRUCTED, &[kind, wrapped(CONTEXT_0_CONSTRUCTED, &module)].concat());
    CustomExtension::from_oid_content(SUBJECT_ALT_NAME, wrapped(SEQUENCE, &other_name))
}

/// subjectKeyIdentifier (RFC 5280, section 4.2.1.2): rcgen writes it only for CAs.
pub(crate) fn subject_key_identifier(identifier: &[u8]) -> CustomExtension {
    CustomExtension::from_oid_content(SUBJECT_KEY_IDENTIFIER, wrapped(OCTET_STRING, identifier))
}

/// authorityInfoAccess (RFC 5280, section 4.2.2.1, R-5280-17).
pub(crate) fn authority_information_access(
    issuer_certificate: Option<&str>,
    ocsp: Option<&str>,
) -> CustomExtension {
    let mut descriptions = Vec::new();
    for (method, url) in [(OCSP, ocsp), (CA_ISSUERS, issuer_certificate)] {
        let Some(url) = url else { continue };
        let description = [wrapped(OBJECT_IDENTIFIER, method), wrapped(URI, url.as_bytes())].concat();
        descriptions.extend(wrapped(SEQUENCE, &description));
    }
    CustomExtension::from_oid_content(AUTHORITY_INFORMATION_ACCESS, wrapped(SEQUENCE, &descriptions))
}

/// id-pkix-ocsp-nocheck (RFC 6960, section 4.2.2.2.1): clients do not check the revocation of the OCSP
/// signer.
pub(crate) fn ocsp_no_check() -> CustomExtension {
    CustomExtension::from_oid_content(OCSP_NO_CHECK, wrapped(NULL, &[]))
}

/// The content of an OBJECT IDENTIFIER (X.690, 8.19): the first two arcs as one number, all in base 128.
fn object_identifier(arcs: &[u64]) -> Vec<u8> {
    let &[first, second, ref rest @ ..] = arcs else { return Vec::new() };
    let mut content = Vec::new();
    for arc in std::iter::once(first * 40 + second).chain(rest.iter().copied()) {
        let digits = (u64::BITS - arc.leading_zeros()).div_ceil(7).max(1);
        for digit in (0..digits).rev() {
            let septet = (arc >> (7 * digit)).to_le_bytes()[0] & 0x7f;
            content.push(if digit == 0 { septet } else { septet | 0x80 });
        }
    }
    content
}

const OCSP_NO_CHECK: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 48, 1, 5];
const SUBJECT_KEY_IDENTIFIER: &[u64] = &[2, 5, 29, 14];
const SUBJECT_ALT_NAME: &[u64] = &[2, 5, 29, 17];
const AUTHORITY_INFORMATION_ACCESS: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 1];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_identifier_is_written_in_base_128() {
        assert_eq!(
            object_identifier(&[1, 3, 6, 1, 4, 1, 32_473, 1]),
            [0x2b, 6, 1, 4, 1, 0x81, 0xfd, 0x59, 1]
        );
        assert_eq!(object_identifier(&[2, 999, 0, 127, 128]), [0x88, 0x37, 0, 127, 0x81, 0]);
        let largest = [[0x81].as_slice(), &[0xff; 8], &[0x7f]].concat();
        assert_eq!(object_identifier(&[0, 0, u64::MAX]), [&[0][..], &largest].concat());
    }
}
