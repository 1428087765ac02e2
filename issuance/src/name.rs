//! The distinguished names that we write (R-5280-18, R-AR-03). Names of foreign issuers are copied
//! (R-5280-04).

use std::net::IpAddr;

use rcgen::{DistinguishedName, DnType, DnValue, string::PrintableString};

use crate::{Names, Refusal, Subject};
use identity::{ProfileName, Role, is_unseen, unencodable};

/// The subject: `O, OU, serialNumber` for devices, `O, OU, CN` for principals, `O, CN` for issuers. One
/// attribute in each RDN.
pub(crate) fn distinguished_name(
    subject: &Subject,
    profile: ProfileName,
    organization: &str,
) -> Result<DistinguishedName, Refusal> {
    let forbidden = |what| Refusal::Forbidden { profile, what };
    let mut name = DistinguishedName::new();
    if !fits(organization) {
        return Err(forbidden(
            "an organization name that is empty, over 64 characters, or has control characters or symbols",
        ));
    }
    name.push(DnType::OrganizationName, organization);
    match subject {
        Subject::Issuer(common_name) => {
            if !fits(common_name) {
                return Err(forbidden(
                    "a common name that is empty, over 64 characters, or has control characters or symbols",
                ));
            }
            name.push(DnType::CommonName, common_name.as_str());
        }
        Subject::Device(device) => {
            name.push(DnType::OrganizationalUnitName, device.product.as_str());
            // Orders that were made before this was looked at have such serial numbers.
            if unencodable(device.serial.as_str()).is_some() {
                return Err(forbidden("a device serial number with a question mark"));
            }
            let serial = PrintableString::try_from(device.serial.as_str())
                .map_err(|_| forbidden("a device serial number outside PrintableString"))?;
            name.push(DnType::CustomDnType(SERIAL_NUMBER.to_vec()), DnValue::PrintableString(serial));
        }
        Subject::Principal(principal) | Subject::Service(principal, _) => {
            let unit = unit(profile).ok_or_else(|| forbidden("a principal"))?;
            name.push(DnType::OrganizationalUnitName, unit);
            name.push(DnType::CommonName, principal.as_str());
        }
    }
    Ok(name)
}

/// Checks the names of a server: at least one; DNS names in lower case without wildcards; addresses of one
/// host.
pub(crate) fn check_names(names: &Names, profile: ProfileName) -> Result<(), Refusal> {
    let forbidden = |what| Err(Refusal::Forbidden { profile, what });
    let count = names.dns.len() + names.addresses.len();
    if count == 0 || count > NAMES_MAX {
        return forbidden("a server with no name, or with more than 100 names");
    }
    if !names.dns.iter().all(|name| host_name(name)) {
        return forbidden("a name that is not a DNS host name in lower case");
    }
    let one_host = |address: &IpAddr| {
        let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
        !(address.is_unspecified() || address.is_multicast() || broadcast)
    };
    if !names.addresses.iter().all(one_host) {
        return forbidden("an address that is not of one host");
    }
    let mut dns: Vec<_> = names.dns.iter().collect();
    let mut addresses: Vec<_> = names.addresses.iter().collect();
    dns.sort_unstable();
    addresses.sort_unstable();
    if dns.windows(2).any(|pair| pair.first() == pair.last())
        || addresses.windows(2).any(|pair| pair.first() == pair.last())
    {
        return forbidden("the same name twice");
    }
    Ok(())
}

/// Whether certificates of the profile have such a subject.
pub(crate) fn subject_fits(subject: &Subject, profile: ProfileName) -> bool {
    match subject {
        Subject::Issuer(_) => profile.is_ca(),
        Subject::Device(_) => profile.is_device(),
        Subject::Principal(_) => !profile.is_ca() && !profile.is_device() && !profile.is_server(),
        Subject::Service(..) => profile.is_server(),
    }
}

fn unit(profile: ProfileName) -> Option<&'static str> {
    match profile {
        ProfileName::Credential(role) => Some(role.unit()),
        ProfileName::OcspSigner => Some(Role::Service.unit()),
        ProfileName::Document => Some("documents"),
        _ => None,
    }
}

/// 1 to 64 characters (X.520 upper bounds), no control or format characters and no pictographs, so that two
/// people read the same name.
fn fits(text: &str) -> bool {
    (1..=NAME_CHARACTERS_MAX).contains(&text.chars().count())
        && !text.starts_with(' ')
        && !text.ends_with(' ')
        && !text.chars().any(unseemly)
}

fn unseemly(character: char) -> bool {
    is_unseen(character) || matches!(character, '\u{2600}'..='\u{27bf}' | '\u{1f000}'..='\u{1faff}')
}

/// RFC 1123 section 2.1: labels of 1 to 63 letters, digits and `-`, at most 253 characters in all. The last
/// label is not a number, which resolvers take for an address (`1.2.3`, `127.0x1`).
fn host_name(name: &str) -> bool {
    let letter = |c: &u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let label = |label: &str| {
        let bytes = label.as_bytes();
        (1..=63).contains(&bytes.len())
            && bytes.iter().all(|c| letter(c) || *c == b'-')
            && bytes.first().is_some_and(letter)
            && bytes.last().is_some_and(letter)
    };
    let number = |label: &str| {
        let hexadecimal =
            label.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(|c| c.is_ascii_hexdigit()));
        hexadecimal || label.bytes().all(|c| c.is_ascii_digit())
    };
    name.len() <= 253 && name.split('.').all(label) && !name.rsplit('.').next().is_some_and(number)
}

/// `ub-organization-name`, `ub-common-name`: RFC 5280, appendix A.
const NAME_CHARACTERS_MAX: usize = 64;

/// The most names of one server; its certificate then fits one TLS record.
const NAMES_MAX: usize = 100;

/// id-at-serialNumber, X.520 section 6.2.9.
const SERIAL_NUMBER: [u64; 4] = [2, 5, 4, 5];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_of_a_device_serial_number_is_written_or_known_to_be_unencodable() {
        for character in (0..=127_u8).map(char::from) {
            let Ok(device) = format!("cam-2/a{character}b").parse() else { continue };
            let unencodable = unencodable(&character.to_string());
            let (subject, profile) = (Subject::Device(device), ProfileName::Idevid);
            match distinguished_name(&subject, profile, "Example Devices") {
                Ok(name) => {
                    assert_eq!(unencodable, None);
                    let mut parameters = rcgen::CertificateParams::default();
                    parameters.distinguished_name = name;
                    let key = rcgen::KeyPair::generate().unwrap();
                    parameters.self_signed(&key).unwrap();
                }
                Err(refused) => assert_eq!(unencodable, Some(character), "{refused}"),
            }
        }
    }
}
