//! Certificates, units and work orders on disk.

use std::time::{Duration, UNIX_EPOCH};

use identity::{DeviceId, IssuerName, KeyFingerprint, ProfileName, Role, SerialNumber, Validity};
use ledger::{ManifestOutline, SerialList, Serials, SignedCertificate, WorkOrderId, WorkOrderTerms};

use super::{milliseconds, octets, proto, serial_number, time};

impl proto::Certificate {
    pub(super) fn of(certificate: &SignedCertificate) -> Self {
        Self {
            issuer: issuer(certificate.issuer).into(),
            profile: profile(certificate.profile).into(),
            serial_number: octets(certificate.serial_number.as_bytes()),
            key: octets(certificate.key.as_bytes()),
            not_before_s: milliseconds(certificate.validity.not_before()) / 1000,
            not_after_s: milliseconds(certificate.validity.not_after()) / 1000,
            der: certificate.der.clone(),
            shard: certificate.shard,
            ..Self::default()
        }
    }

    pub(super) fn certificate(self) -> Option<SignedCertificate> {
        let second = |second| UNIX_EPOCH.checked_add(Duration::from_secs(second));
        Some(SignedCertificate {
            issuer: issuer_of(self.issuer)?,
            profile: profile_of(self.profile)?,
            serial_number: serial_number(&self.serial_number)?,
            key: KeyFingerprint::from(<[u8; 32]>::try_from(&*self.key).ok()?),
            validity: Validity::new(second(self.not_before_s)?, second(self.not_after_s)?).ok()?,
            shard: self.shard,
            der: self.der,
        })
    }
}

impl proto::Unit {
    pub(super) fn of(device: &DeviceId, serial_number: &SerialNumber) -> Self {
        let (device, serial_number) = (device.to_string(), octets(serial_number.as_bytes()));
        Self { device, serial_number, ..Self::default() }
    }
}

impl proto::WorkOrderTerms {
    pub(super) fn of(work_order: WorkOrderId, terms: &WorkOrderTerms) -> Self {
        let (pattern, manifest) = match &terms.serials {
            Serials::Pattern(pattern) => (pattern.to_string(), Vec::new()),
            // What was announced follows in entries of its own.
            Serials::Manifest(serials) if serials.outline().is_some() => (String::new(), Vec::new()),
            Serials::Manifest(serials) => (String::new(), serials.texts().map(str::to_owned).collect()),
        };
        let outline = terms.serials.outline();
        Self {
            work_order: work_order.0,
            product: terms.product.to_string(),
            quantity: terms.quantity,
            profile: profile(terms.profile).into(),
            pattern,
            manifest,
            stations: terms.stations.iter().map(ToString::to_string).collect(),
            opens_at_ms: terms.opens_at.map(milliseconds),
            closes_at_ms: terms.closes_at.map(milliseconds),
            manifest_length: outline.map_or(0, |outline| outline.len),
            manifest_sha256: outline.map(|outline| octets(&outline.sha256)).unwrap_or_default(),
        }
    }

    pub(super) fn terms(self) -> Option<WorkOrderTerms> {
        let serials = match self.pattern.as_str() {
            "" if self.manifest_length > 0 => {
                let sha256 = (&*self.manifest_sha256).try_into().ok()?;
                Serials::Manifest(SerialList::announced(ManifestOutline {
                    len: self.manifest_length,
                    sha256,
                }))
            }
            "" => Serials::Manifest(
                self.manifest.iter().map(|serial| serial.parse().ok()).collect::<Option<_>>()?,
            ),
            pattern => Serials::Pattern(pattern.parse().ok()?),
        };
        Some(WorkOrderTerms {
            product: self.product.parse().ok()?,
            quantity: self.quantity,
            profile: profile_of(self.profile)?,
            serials,
            stations: self.stations.iter().map(|name| name.parse().ok()).collect::<Option<_>>()?,
            opens_at: self.opens_at_ms.and_then(time),
            closes_at: self.closes_at_ms.and_then(time),
        })
    }
}

pub(super) fn issuer(issuer: IssuerName) -> proto::Issuer {
    match issuer {
        IssuerName::Root => proto::Issuer::Root,
        IssuerName::Factory => proto::Issuer::Factory,
        IssuerName::Operational => proto::Issuer::Operational,
        IssuerName::Infrastructure => proto::Issuer::Infrastructure,
    }
}

pub(super) fn issuer_of(code: i32) -> Option<IssuerName> {
    IssuerName::ALL.into_iter().find(|name| i32::from(issuer(*name)) == code)
}

fn profile(profile: ProfileName) -> proto::Profile {
    match profile {
        ProfileName::Root => proto::Profile::Root,
        ProfileName::FactoryCa => proto::Profile::FactoryCa,
        ProfileName::OperationalCa => proto::Profile::OperationalCa,
        ProfileName::InfrastructureCa => proto::Profile::InfrastructureCa,
        ProfileName::Idevid => proto::Profile::Idevid,
        ProfileName::Ldevid => proto::Profile::Ldevid,
        ProfileName::Credential(Role::Service) => proto::Profile::Service,
        ProfileName::Credential(Role::Station) => proto::Profile::Station,
        ProfileName::Credential(Role::Operator) => proto::Profile::Operator,
        ProfileName::Credential(Role::RelyingParty) => proto::Profile::RelyingParty,
        ProfileName::OcspSigner => proto::Profile::OcspSigner,
        ProfileName::Document => proto::Profile::Document,
    }
}

pub(super) fn profile_of(code: i32) -> Option<ProfileName> {
    ProfileName::all().find(|name| i32::from(profile(*name)) == code)
}
