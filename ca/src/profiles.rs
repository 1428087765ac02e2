//! The certificate profiles of this installation.

use identity::{IssuerName, KeyType, ProfileName};
use issuance::Profile;

use crate::config::ProfileSettings;

/// The standard profiles with the changes of the settings.
pub(crate) fn profiles(settings: &ProfileSettings, public_url: Option<&str>) -> Vec<Profile> {
    let profiles = ProfileName::all().map(Profile::standard);
    profiles
        .map(|mut profile| {
            profile.backdate = settings.backdate;
            add_revocation_urls(&mut profile, public_url);
            if settings.rsa_keys && profile.name.is_device() {
                profile.key_types.extend([KeyType::Rsa2048, KeyType::Rsa3072, KeyType::Rsa4096]);
            }
            match profile.name {
                ProfileName::Idevid => {
                    profile.hardware_type = settings.hardware_type.as_ref().map(|kind| kind.arcs().to_vec());
                }
                ProfileName::Ldevid => {
                    profile.lifetime = Some(settings.ldevid_lifetime);
                }
                _ => {}
            }
            profile
        })
        .collect()
}

/// Adds the URLs of CRL, OCSP and issuer certificate to a profile.
pub(crate) fn add_revocation_urls(profile: &mut Profile, public_url: Option<&str>) {
    let Some(url) = public_url else { return };
    let issuer = profile.issuer;
    // Nothing revokes a root, and an OCSP signer is short-lived and has ocsp-nocheck.
    if matches!(profile.name, ProfileName::Root | ProfileName::OcspSigner) {
        return;
    }
    profile.crl_base_url = Some(format!("{url}/crl/{issuer}"));
    // A birth certificate has only the URL of its CRL: it must stay below 600 bytes (R-AR-16).
    if profile.name == ProfileName::Idevid {
        return;
    }
    profile.issuer_certificate_url = Some(format!("{url}/issuers/{issuer}.cer"));
    // The root's key is offline, so there is no OCSP for what it issued.
    if issuer != IssuerName::Root {
        profile.ocsp_url = Some(format!("{url}/ocsp"));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use authority::RenewalPolicy;
    use identity::Role;

    use super::*;

    #[test]
    fn settings_change_what_they_name_and_nothing_else() {
        let settings = ProfileSettings {
            backdate: Duration::from_secs(60),
            ldevid_lifetime: Duration::from_secs(86_400),
            renewal: RenewalPolicy::default(),
            hardware_type: Some("2.23.133.1.2".parse().unwrap()),
            rsa_keys: true,
        };
        let profiles = profiles(&settings, Some("http://ca.example.com:8080"));
        let of = |name| profiles.iter().find(|profile| profile.name == name).unwrap();
        let ldevid = of(ProfileName::Ldevid);
        assert_eq!(ldevid.lifetime, Some(Duration::from_secs(86_400)));
        assert_eq!(ldevid.crl_base_url.as_deref(), Some("http://ca.example.com:8080/crl/operational"));
        assert_eq!(
            ldevid.issuer_certificate_url.as_deref(),
            Some("http://ca.example.com:8080/issuers/operational.cer")
        );
        assert_eq!(ldevid.ocsp_url.as_deref(), Some("http://ca.example.com:8080/ocsp"));
        assert_eq!(ldevid.hardware_type, None);
        assert_eq!(of(ProfileName::OcspSigner).crl_base_url, None);
        assert_eq!(of(ProfileName::FactoryCa).ocsp_url, None);
        assert_eq!(of(ProfileName::Document).ocsp_url, None);
        assert_eq!(
            of(ProfileName::FactoryCa).crl_base_url.as_deref(),
            Some("http://ca.example.com:8080/crl/root")
        );
        assert_eq!(of(ProfileName::Idevid).hardware_type, Some(vec![2, 23, 133, 1, 2]));
        assert_eq!(
            of(ProfileName::Idevid).crl_base_url.as_deref(),
            Some("http://ca.example.com:8080/crl/factory")
        );
        assert_eq!(of(ProfileName::Idevid).ocsp_url, None, "R-AR-16");
        assert_eq!(of(ProfileName::Idevid).lifetime, None);
        assert_eq!(ldevid.key_types.len(), 4);
        assert_eq!(of(ProfileName::Idevid).key_types, ldevid.key_types);
        assert_eq!(of(ProfileName::Credential(Role::Station)).key_types, [KeyType::P256, KeyType::P384]);
        assert_eq!(
            of(ProfileName::Credential(Role::Station)).lifetime,
            Profile::standard(ProfileName::Credential(Role::Station)).lifetime
        );
    }
}
