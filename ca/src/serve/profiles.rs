//! The law of certificates as this installation has it.

use issuance::{Profile, ProfileName};

use crate::authority::RenewalPolicy;
use crate::config::{ProfileSettings, RenewalSettings};

/// The standard profiles with what the settings change.
pub(super) fn profiles(settings: &ProfileSettings) -> Vec<Profile> {
    let profiles = ProfileName::ALL.into_iter().map(Profile::standard);
    profiles
        .map(|mut profile| {
            profile.backdate = settings.backdate;
            match profile.name {
                ProfileName::Idevid => {
                    profile.hardware_type = settings.hardware_type.as_ref().map(|kind| kind.arcs().to_vec());
                }
                ProfileName::Ldevid => {
                    profile.lifetime = Some(settings.ldevid_lifetime);
                    publish(&mut profile, settings);
                }
                ProfileName::Service
                | ProfileName::Station
                | ProfileName::Operator
                | ProfileName::RelyingParty => {
                    publish(&mut profile, settings);
                }
                ProfileName::Root
                | ProfileName::FactoryCa
                | ProfileName::OperationalCa
                | ProfileName::InfrastructureCa
                | ProfileName::OcspSigner => {}
            }
            profile
        })
        .collect()
}

/// How operational certificates follow one another.
pub(super) fn renewal(settings: &RenewalSettings) -> RenewalPolicy {
    let RenewalSettings { grace, superseded_for, hold_on_fork } = *settings;
    RenewalPolicy { grace, superseded_for, hold_on_fork }
}

// Not for birth certificates: they never expire, and the address of a server does.
fn publish(profile: &mut Profile, settings: &ProfileSettings) {
    let issuer = profile.issuer;
    profile.crl_base_url = settings.crl_url.as_ref().map(|base| format!("{base}/{issuer}"));
    profile.issuer_certificate_url = settings.issuers_url.as_ref().map(|base| format!("{base}/{issuer}.cer"));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn settings_change_what_they_name_and_nothing_else() {
        let settings = ProfileSettings {
            backdate: Duration::from_secs(60),
            ldevid_lifetime: Duration::from_secs(86_400),
            renewal: RenewalSettings { grace: Duration::ZERO, superseded_for: None, hold_on_fork: false },
            hardware_type: Some("2.23.133.1.2".parse().unwrap()),
            crl_url: Some("http://crl.example.com/crl".into()),
            issuers_url: None,
        };
        let profiles = profiles(&settings);
        let of = |name| profiles.iter().find(|profile| profile.name == name).unwrap();
        assert_eq!(of(ProfileName::Ldevid).lifetime, Some(Duration::from_secs(86_400)));
        assert_eq!(
            of(ProfileName::Ldevid).crl_base_url.as_deref(),
            Some("http://crl.example.com/crl/operational")
        );
        assert_eq!(of(ProfileName::Ldevid).issuer_certificate_url, None);
        assert_eq!(of(ProfileName::Ldevid).hardware_type, None);
        assert_eq!(of(ProfileName::Idevid).hardware_type, Some(vec![2, 23, 133, 1, 2]));
        assert_eq!(of(ProfileName::Idevid).crl_base_url, None);
        assert_eq!(of(ProfileName::Idevid).lifetime, None);
        assert_eq!(of(ProfileName::Station).lifetime, Profile::standard(ProfileName::Station).lifetime);
    }
}
