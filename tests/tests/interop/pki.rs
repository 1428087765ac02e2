//! An installation's certificates, made by the real `issuance` with fresh keys.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use identity::{Clock, IssuerName, ProfileName, PublicKey, SerialNumber, SystemClock};
use issuance::{Certificate, Draft, Names, Profile, Request, Subject, draft};
use rcgen::{KeyPair, PublicKeyData, SigningKey};

/// A certificate and its key.
pub(crate) struct Holder {
    pub(crate) certificate: Certificate,
    pub(crate) key: KeyPair,
}

/// One certificate of every profile.
pub(crate) struct Pki {
    pub(crate) now: SystemTime,
    pub(crate) holders: BTreeMap<ProfileName, Holder>,
}

impl Pki {
    pub(crate) fn fresh() -> Self {
        let mut pki = Self { now: SystemClock.now(), holders: BTreeMap::new() };
        // ProfileName::all has issuers before what they sign.
        for name in ProfileName::all() {
            let mut profile = Profile::standard(name);
            if name != ProfileName::Root && name != ProfileName::OcspSigner {
                // As an installation that publishes has them.
                profile.crl_base_url = Some("http://ca.example.test/crl/x".into());
                profile.issuer_certificate_url = Some("http://ca.example.test/issuers/x.cer".into());
                profile.ocsp_url = Some("http://ca.example.test/ocsp".into());
            }
            if name == ProfileName::Idevid {
                profile.hardware_type = Some(vec![1, 3, 6, 1, 4, 1, 32473, 1, 1]);
            }
            let holder = pki.issue(&profile, subject(name));
            pki.holders.insert(name, holder);
        }
        pki
    }

    pub(crate) fn holder(&self, name: ProfileName) -> &Holder {
        &self.holders[&name]
    }

    pub(crate) fn issuer_of(&self, name: ProfileName) -> &Holder {
        self.holder(match Profile::standard(name).issuer {
            IssuerName::Root => ProfileName::Root,
            IssuerName::Factory => ProfileName::FactoryCa,
            IssuerName::Operational => ProfileName::OperationalCa,
            IssuerName::Infrastructure => ProfileName::InfrastructureCa,
        })
    }

    pub(crate) fn issue(&self, profile: &Profile, subject: Subject) -> Holder {
        let key = KeyPair::generate().unwrap();
        let public_key = PublicKey::from_spki(&key.subject_public_key_info()).unwrap();
        let issuer = (profile.name != ProfileName::Root).then(|| self.issuer_of(profile.name));
        let prepared = draft(
            Request { public_key, subject, lifetime: None, shard: Some(0) },
            profile,
            "Example Works",
            issuer.map(|issuer| &issuer.certificate),
            SerialNumber::random(&mut rand::make_rng::<rand::rngs::StdRng>()),
            self.now,
        )
        .and_then(Draft::prepare)
        .unwrap();
        let signature = issuer.map_or(&key, |issuer| &issuer.key).sign(prepared.to_be_signed()).unwrap();
        Holder { certificate: prepared.seal(&signature).unwrap(), key }
    }

    pub(crate) fn after(&self, days: u64) -> SystemTime {
        self.now + Duration::from_secs(days * 24 * 60 * 60)
    }
}

fn subject(profile: ProfileName) -> Subject {
    match profile {
        ProfileName::Root => Subject::Issuer("Example Works Root".into()),
        ProfileName::FactoryCa => Subject::Issuer("Example Works Factory".into()),
        ProfileName::OperationalCa => Subject::Issuer("Example Works Operational".into()),
        ProfileName::InfrastructureCa => Subject::Issuer("Example Works Infrastructure".into()),
        ProfileName::Idevid | ProfileName::Ldevid => Subject::Device("cam-2/SN000123".parse().unwrap()),
        ProfileName::Credential(identity::Role::Service) => Subject::Service(
            "ca".parse().unwrap(),
            Names {
                dns: vec!["localhost".into(), "ca.example.test".into()],
                addresses: vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()],
            },
        ),
        ProfileName::Credential(_) | ProfileName::OcspSigner => Subject::Principal("line-3".parse().unwrap()),
        ProfileName::Document => Subject::Principal("document-signer".parse().unwrap()),
    }
}
