//! From request to certificate; each step consumes the one before: [`draft`], [`Draft::prepare`],
//! [`Prepared::seal`].

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use identity::{
    DeviceId, KeyType, PrincipalName, ProfileName, PublicKey, SerialNumber, Validity,
    no_well_defined_expiration,
};
use rcgen::{CertificateParams, SanType};

use crate::{Certificate, Prepared, Profile, Refusal, encode, extension, lint, name};

/// A request for a certificate.
#[derive(Debug, Clone)]
pub struct Request {
    /// The subject's key; its possession was proven, or, for a CA, our signer holds it.
    pub public_key: PublicKey,
    /// The subject.
    pub subject: Subject,
    /// The requested lifetime; `None`: the profile's.
    pub lifetime: Option<Duration>,
    /// The CRL shard that the certificate belongs to (R-CRL-08); `None`: the issuer's full CRL.
    pub shard: Option<u32>,
}

/// The subject of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A CA, with its common name.
    Issuer(String),
    /// A device.
    Device(DeviceId),
    /// A station, an operator or a relying party.
    Principal(PrincipalName),
    /// A server and the names for its subjectAltName.
    Service(PrincipalName, Names),
}

/// Names for the subjectAltName of a server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    /// DNS names, lower case.
    pub dns: Vec<String>,
    /// IP addresses.
    pub addresses: Vec<IpAddr>,
}

/// The algorithm of an issuer's signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureAlgorithm {
    /// ECDSA with SHA-256 on P-256.
    EcdsaP256Sha256,
    /// ECDSA with SHA-384 on P-384.
    EcdsaP384Sha384,
}

impl SignatureAlgorithm {
    /// The algorithm for an issuer with this key; `None`: such a key cannot be an issuer's.
    pub fn of(public_key: &PublicKey) -> Option<Self> {
        match public_key.key_type() {
            KeyType::P256 => Some(Self::EcdsaP256Sha256),
            KeyType::P384 => Some(Self::EcdsaP384Sha384),
            KeyType::Ed25519 | KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096 => None,
        }
    }
}

/// A certificate that the profile allows, not yet encoded.
#[derive(Debug)]
pub struct Draft {
    profile: ProfileName,
    params: CertificateParams,
    public_key: PublicKey,
    algorithm: SignatureAlgorithm,
    issuer: Option<IssuerPart>,
    serial_number: SerialNumber,
    validity: Validity,
}

/// The fields that a certificate takes from its issuer.
#[derive(Debug)]
pub(crate) struct IssuerPart {
    pub(crate) name: Box<[u8]>,
    pub(crate) key_identifier: Box<[u8]>,
    pub(crate) validity: Validity,
}

/// Applies the profile to the request. `issuer` is the certificate of the signing CA; `None` makes a
/// self-signed root.
///
/// # Errors
/// When the profile forbids the request.
pub fn draft(
    request: Request,
    profile: &Profile,
    organization: &str,
    issuer: Option<&Certificate>,
    serial: SerialNumber,
    now: SystemTime,
) -> Result<Draft, Refusal> {
    let forbidden = |what| Refusal::Forbidden { profile: profile.name, what };
    if !name::subject_fits(&request.subject, profile.name) {
        return Err(forbidden("such a subject"));
    }
    let key_type = request.public_key.key_type();
    if !profile.key_types.contains(&key_type) {
        let allowed = profile.key_types.clone();
        return Err(Refusal::KeyType { profile: profile.name, key_type, allowed });
    }
    let signer = match (issuer, profile.name) {
        (None, ProfileName::Root) => &request.public_key,
        (Some(issuer), name) if name != ProfileName::Root && issuer.is_ca => &issuer.public_key,
        _ => return Err(forbidden("this issuer")),
    };
    let algorithm = SignatureAlgorithm::of(signer).ok_or_else(|| forbidden("an issuer with such a key"))?;
    let validity = validity(request.lifetime, profile, issuer, now)?;
    let mut params = profile.params(&request.public_key, request.shard)?;
    params.distinguished_name = name::distinguished_name(&request.subject, profile.name, organization)?;
    params.serial_number = Some(rcgen::SerialNumber::from_slice(serial.as_bytes()));
    params.not_before = validity.not_before().into();
    params.not_after = validity.not_after().into();
    params.use_authority_key_identifier_extension = issuer.is_some();
    match request.subject {
        Subject::Service(_, names) => {
            name::check_names(&names, profile.name)?;
            params.subject_alt_names = alternative_names(names)?;
        }
        Subject::Device(device) => params.custom_extensions.extend(
            profile.hardware_type.as_deref().map(|kind| extension::hardware_module_name(kind, &device)),
        ),
        Subject::Issuer(_) | Subject::Principal(_) => {}
    }
    let issuer =
        issuer.map(|issuer| issuer_part(issuer).ok_or_else(|| forbidden("an issuer without key identifier")));
    Ok(Draft {
        profile: profile.name,
        params,
        public_key: request.public_key,
        algorithm,
        issuer: issuer.transpose()?,
        serial_number: serial,
        validity,
    })
}

impl Draft {
    /// Encodes and lints the certificate; fails closed (R-5280-23).
    ///
    /// # Errors
    /// When a rule would be broken.
    pub fn prepare(self) -> Result<Prepared, Refusal> {
        let written = self.issuer.as_ref().map(|issuer| (&*issuer.name, &*issuer.key_identifier));
        let tbs = encode::to_be_signed(&self.params, &self.public_key, self.algorithm, written)?;
        let expected = lint::Expected {
            profile: self.profile,
            algorithm: self.algorithm,
            serial_number: self.serial_number,
            validity: self.validity,
            public_key: &self.public_key,
            issuer: self.issuer.as_ref(),
        };
        let certificate = lint::lint(&tbs, &expected)?;
        Ok(Prepared { tbs, algorithm: self.algorithm, certificate })
    }
}

/// Begins `backdate` before now, but not before the issuer. Ends after the requested lifetime, but not after
/// the issuer, except for a birth certificate (R-5280-06, R-5280-07).
fn validity(
    asked: Option<Duration>,
    profile: &Profile,
    issuer: Option<&Certificate>,
    now: SystemTime,
) -> Result<Validity, Refusal> {
    let forbidden = |what| Refusal::Forbidden { profile: profile.name, what };
    let issuer_validity = issuer.map(Certificate::validity);
    if issuer_validity.is_some_and(|validity| !validity.contains(now)) {
        return Err(forbidden("an issuer that is not valid now"));
    }
    if let (Some(asked), Some(longest)) = (asked, profile.lifetime_max)
        && asked > longest
    {
        return Err(forbidden("so long a life"));
    }
    let backdated = now.checked_sub(profile.backdate).unwrap_or(SystemTime::UNIX_EPOCH);
    let not_before = issuer_validity.map_or(backdated, |validity| backdated.max(validity.not_before()));
    let not_after = match asked.or(profile.lifetime) {
        None => no_well_defined_expiration(),
        Some(lifetime) => now.checked_add(lifetime).ok_or_else(|| forbidden("so long a life"))?,
    };
    let not_after = match issuer_validity {
        Some(issuer) if not_after > issuer.not_after() && asked.is_some() => {
            return Err(forbidden("a life beyond its issuer's"));
        }
        Some(issuer) if profile.name != ProfileName::Idevid => not_after.min(issuer.not_after()),
        _ => not_after,
    };
    Validity::new(not_before, not_after).map_err(|_| forbidden("such times"))
}

pub(crate) fn issuer_part(issuer: &Certificate) -> Option<IssuerPart> {
    let key_identifier = issuer.subject_key_identifier.clone()?;
    Some(IssuerPart { name: issuer.subject.clone(), key_identifier, validity: issuer.validity })
}

fn alternative_names(names: Names) -> Result<Vec<SanType>, Refusal> {
    let dns = names.dns.into_iter().map(|name| {
        name.try_into().map(SanType::DnsName).map_err(|_| Refusal::Encoding { what: "a DNS name" })
    });
    dns.chain(names.addresses.into_iter().map(|address| Ok(SanType::IpAddress(address)))).collect()
}
