//! Principals and their credentials.

use std::time::Duration;

use authority::{CREDENTIAL_NAMES_MAX, CredentialRequest, Refused};
use identity::{Host, PrincipalName, RevocationReason, Role};
use issuance::Names;
use proto::v1;
use store::PrincipalRecord;

use super::certificate::certificate;
use super::time::timestamp;
use super::{bad, request_id};

pub(in crate::grpc) fn role(role: i32) -> Result<Role, Refused> {
    let known = Role::ALL.into_iter().find(|known| role_message(*known) as i32 == role && role != 0);
    known.ok_or_else(|| bad("role", "is missing or unknown"))
}

/// The role of the same name, for example `ROLE_RELYING_PARTY`.
fn role_message(role: Role) -> v1::Role {
    let name = role.as_str().to_ascii_uppercase().replace('-', "_");
    v1::Role::from_str_name(&format!("ROLE_{name}")).unwrap_or_default()
}

pub(in crate::grpc) fn principal_name(field: &'static str, text: &str) -> Result<PrincipalName, Refused> {
    text.parse().map_err(|error| bad(field, error))
}

pub(in crate::grpc) fn credential_request(
    message: v1::IssuePrincipalRequest,
) -> Result<CredentialRequest, Refused> {
    let role = role(message.role)?;
    if !role.is_server() && !message.names.is_empty() {
        return Err(bad("names", "are for a service only"));
    }
    Ok(CredentialRequest {
        request: request_id(&message.request_id)?,
        role,
        name: principal_name("name", &message.name)?,
        csr: message.csr.to_vec(),
        lifetime: lifetime(message.lifetime_days)?,
        names: names(&message.names)?,
    })
}

/// An empty text means `unspecified`.
pub(in crate::grpc) fn revocation_reason(text: &str) -> Result<RevocationReason, Refused> {
    if text.is_empty() {
        return Ok(RevocationReason::Unspecified);
    }
    match text.parse().map_err(|error| bad("reason", error))? {
        RevocationReason::CertificateHold => {
            Err(bad("reason", "is not certificateHold: what is revoked here cannot be released"))
        }
        // RFC 5280, section 5.3.1, and ours: no principal is a CA.
        RevocationReason::CaCompromise => Err(bad("reason", "is not cACompromise: a principal is not a CA")),
        reason => Ok(reason),
    }
}

pub(in crate::grpc) fn principal(record: &PrincipalRecord) -> v1::Principal {
    v1::Principal {
        role: role_message(record.role).into(),
        name: record.name.to_string(),
        credential: Some(certificate(&record.credential)),
        active: record.active,
        created_at: Some(timestamp(record.created_at)),
    }
}

/// Zero: as the profile says.
fn lifetime(days: u32) -> Result<Option<Duration>, Refused> {
    match days {
        0 => Ok(None),
        days if days <= LIFETIME_DAYS_MAX => Ok(Some(Duration::from_secs(u64::from(days) * 24 * 60 * 60))),
        _ => Err(bad("lifetime_days", format_args!("is at most {LIFETIME_DAYS_MAX}"))),
    }
}

/// DNS names and IP addresses for the subject alternative names of a certificate.
fn names(names: &[String]) -> Result<Names, Refused> {
    if names.len() > CREDENTIAL_NAMES_MAX {
        return Err(bad("names", format_args!("are at most {CREDENTIAL_NAMES_MAX}")));
    }
    let mut checked = Names::default();
    for name in names {
        match name.parse::<Host>() {
            Ok(Host::Address(address)) => checked.addresses.push(address),
            Ok(Host::Name(name)) => checked.dns.push(name),
            Err(why) => return Err(bad("names", why)),
        }
    }
    Ok(checked)
}

/// The longest lifetime that can be asked for: a century; a profile allows less.
const LIFETIME_DAYS_MAX: u32 = 36_525;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_has_its_number_in_messages() {
        for known in Role::ALL {
            assert_eq!(role(role_message(known).into()).unwrap(), known);
        }
        assert!(role(0).is_err() && role(99).is_err());
    }

    #[test]
    fn a_principal_is_revoked_for_a_reason_that_is_final() {
        assert_eq!(revocation_reason("").unwrap(), RevocationReason::Unspecified);
        assert_eq!(revocation_reason("keyCompromise").unwrap(), RevocationReason::KeyCompromise);
        for reason in ["certificateHold", "cACompromise", "removeFromCRL", "KEYCOMPROMISE", "1"] {
            assert!(matches!(revocation_reason(reason).unwrap_err(), Refused::Request { .. }), "{reason}");
        }
    }
}
