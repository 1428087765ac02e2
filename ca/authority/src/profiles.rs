//! The profiles of an installation.

use identity::ProfileName;
use issuance::Profile;

/// One profile for each [`ProfileName`].
pub(super) struct Profiles([Profile; ProfileName::ALL.len()]);

impl Profiles {
    /// The standard profiles, with `overrides` in the place of those with the same name.
    pub(super) fn new(overrides: &[Profile]) -> Self {
        Self(ProfileName::ALL.map(|name| {
            let changed = overrides.iter().find(|profile| profile.name == name);
            changed.cloned().unwrap_or_else(|| Profile::standard(name))
        }))
    }

    pub(super) fn get(&self, name: ProfileName) -> &Profile {
        let [
            root,
            factory,
            operational,
            infrastructure,
            idevid,
            ldevid,
            service,
            station,
            operator,
            relying_party,
            ocsp,
        ] = &self.0;
        match name {
            ProfileName::Root => root,
            ProfileName::FactoryCa => factory,
            ProfileName::OperationalCa => operational,
            ProfileName::InfrastructureCa => infrastructure,
            ProfileName::Idevid => idevid,
            ProfileName::Ldevid => ldevid,
            ProfileName::Service => service,
            ProfileName::Station => station,
            ProfileName::Operator => operator,
            ProfileName::RelyingParty => relying_party,
            ProfileName::OcspSigner => ocsp,
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Profile> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_profile_is_found_under_its_name() {
        let profiles = Profiles::new(&[]);
        for name in ProfileName::ALL {
            assert_eq!(profiles.get(name).name, name);
        }
    }
}
