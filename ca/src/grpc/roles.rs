//! Who may call what: every RPC and the kinds of caller that it answers (R-CA-08). What is not here is not answered.

use authority::CallerKind;

use CallerKind::{DeviceBirth, DeviceOperational, Operator, RelyingParty, Station};

/// Who may call one RPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anyone, also without a certificate.
    Anyone,
    /// Anyone whose certificate is good.
    AnyCaller,
    /// These only.
    Only(&'static [CallerKind]),
}

impl Access {
    /// Whether callers of this kind are answered.
    pub fn allows(self, kind: CallerKind) -> bool {
        match self {
            Self::Anyone | Self::AnyCaller => true,
            Self::Only(kinds) => kinds.contains(&kind),
        }
    }
}

/// Who may call the RPC with this path (`/package.Service/Method`); `None`: there is no such RPC, and nobody may.
pub fn access(path: &str) -> Option<Access> {
    TABLE.iter().find(|(rpc, _)| *rpc == path).map(|(_, access)| *access)
}

/// Whether the RPC with this path answers also a device whose operational certificate has ended not too long ago (R-LIFE-05), or whose
/// certificate has not begun (ADR 0035): what it needs to get the next one.
pub(super) fn answers_untimely(path: &str) -> bool {
    UNTIMELY.contains(&path)
}

/// Whether the RPC with this path is answered while the CA's clock is in doubt: it reads, or can only withdraw (ADR 0034).
pub(super) fn answers_in_doubt(path: &str) -> bool {
    IN_DOUBT.contains(&path) || access(path) == Some(Access::AnyCaller)
}

/// Every RPC that this server answers. A test walks the file descriptors and fails for one that is missing.
pub const TABLE: &[(&str, Access)] = &[
    ("/touchmark.v1.ProvisioningService/IssueBirthCertificate", Access::Only(STATIONS)),
    ("/touchmark.v1.ProvisioningService/IssueBirthCertificates", Access::Only(STATIONS)),
    ("/touchmark.v1.ProvisioningService/ConfirmUnit", Access::Only(STATIONS)),
    ("/touchmark.v1.ProvisioningService/ReportScrap", Access::Only(STATIONS)),
    ("/touchmark.v1.ProvisioningService/GetWorkOrder", Access::Only(STATIONS)),
    ("/touchmark.v1.ProvisioningService/GetUnits", Access::Only(STATIONS)),
    // The birth certificate proves who a device is; only it authorises a first operational certificate.
    ("/touchmark.v1.EnrollmentService/Enroll", Access::Only(&[DeviceBirth])),
    // Only an operational certificate has children of its own kind; a device whose certificate is lost enrols again.
    ("/touchmark.v1.EnrollmentService/Renew", Access::Only(&[DeviceOperational])),
    ("/touchmark.v1.EnrollmentService/GetRenewalInfo", Access::Only(&[DeviceOperational])),
    // A device proves that it has the new certificate by calling with it.
    ("/touchmark.v1.EnrollmentService/ConfirmInstalled", Access::Only(&[DeviceOperational])),
    ("/touchmark.v1.EnrollmentService/GetTrustBundle", Access::Only(&[DeviceBirth, DeviceOperational])),
    ("/touchmark.v1.LifecycleService/GetDevice", Access::Only(OPERATORS)),
    ("/touchmark.v1.LifecycleService/ListDevices", Access::Only(OPERATORS)),
    ("/touchmark.v1.LifecycleService/ListCertificates", Access::Only(OPERATORS)),
    ("/touchmark.v1.LifecycleService/PreviewSelection", Access::Only(OPERATORS)),
    ("/touchmark.v1.LifecycleService/Revoke", Access::Only(OPERATORS)),
    ("/touchmark.v1.LifecycleService/Hold", Access::Only(OPERATORS)),
    ("/touchmark.v1.LifecycleService/Release", Access::Only(OPERATORS)),
    ("/touchmark.v1.LifecycleService/Retire", Access::Only(OPERATORS)),
    ("/touchmark.v1.LifecycleService/RequestRotation", Access::Only(OPERATORS)),
    ("/touchmark.v1.LifecycleService/AllowRework", Access::Only(OPERATORS)),
    ("/touchmark.v1.LifecycleService/ListAlarms", Access::Only(OPERATORS)),
    ("/touchmark.v1.RevocationService/CheckStatus", Access::Only(RELYING_PARTIES)),
    ("/touchmark.v1.RevocationService/WatchRevocations", Access::Only(RELYING_PARTIES)),
    ("/touchmark.v1.RevocationService/GetCrl", Access::Only(RELYING_PARTIES)),
    ("/touchmark.v1.PrincipalService/Issue", Access::Only(OPERATORS)),
    ("/touchmark.v1.PrincipalService/List", Access::Only(OPERATORS)),
    ("/touchmark.v1.PrincipalService/Revoke", Access::Only(OPERATORS)),
    ("/touchmark.v1.WorkOrderService/Create", Access::Only(OPERATORS)),
    ("/touchmark.v1.WorkOrderService/Get", Access::Only(OPERATORS)),
    ("/touchmark.v1.WorkOrderService/List", Access::Only(OPERATORS)),
    ("/touchmark.v1.WorkOrderService/Pause", Access::Only(OPERATORS)),
    ("/touchmark.v1.WorkOrderService/Resume", Access::Only(OPERATORS)),
    ("/touchmark.v1.WorkOrderService/Close", Access::Only(OPERATORS)),
    ("/touchmark.v1.AuthorityService/GetCondition", Access::Only(OPERATORS)),
    // Orchestrators and load balancers have no certificate.
    ("/grpc.health.v1.Health/Check", Access::Anyone),
    ("/grpc.health.v1.Health/Watch", Access::Anyone),
    ("/grpc.health.v1.Health/List", Access::Anyone),
    ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Access::AnyCaller),
    ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", Access::AnyCaller),
];

const UNTIMELY: &[&str] = &[
    "/touchmark.v1.EnrollmentService/Enroll",
    "/touchmark.v1.EnrollmentService/Renew",
    "/touchmark.v1.EnrollmentService/GetRenewalInfo",
    "/touchmark.v1.EnrollmentService/GetTrustBundle",
];

const IN_DOUBT: &[&str] = &[
    "/touchmark.v1.ProvisioningService/ReportScrap",
    "/touchmark.v1.ProvisioningService/GetWorkOrder",
    "/touchmark.v1.EnrollmentService/GetTrustBundle",
    "/touchmark.v1.LifecycleService/GetDevice",
    "/touchmark.v1.LifecycleService/ListDevices",
    "/touchmark.v1.LifecycleService/ListCertificates",
    "/touchmark.v1.LifecycleService/PreviewSelection",
    "/touchmark.v1.LifecycleService/Revoke",
    "/touchmark.v1.LifecycleService/Hold",
    "/touchmark.v1.LifecycleService/Retire",
    "/touchmark.v1.LifecycleService/ListAlarms",
    "/touchmark.v1.RevocationService/CheckStatus",
    "/touchmark.v1.RevocationService/WatchRevocations",
    "/touchmark.v1.RevocationService/GetCrl",
    "/touchmark.v1.PrincipalService/List",
    "/touchmark.v1.PrincipalService/Revoke",
    "/touchmark.v1.WorkOrderService/Get",
    "/touchmark.v1.WorkOrderService/List",
    "/touchmark.v1.WorkOrderService/Pause",
    "/touchmark.v1.WorkOrderService/Close",
    "/touchmark.v1.AuthorityService/GetCondition",
];

const STATIONS: &[CallerKind] = &[Station];
const OPERATORS: &[CallerKind] = &[Operator];

/// Who decides whether a device is still good.
const RELYING_PARTIES: &[CallerKind] = &[RelyingParty, Operator];

#[cfg(test)]
mod tests {
    use prost::Message;
    use prost_types::FileDescriptorSet;

    use CallerKind::Service;

    use super::*;

    #[test]
    fn every_rpc_is_in_the_table() {
        let sets = [
            proto::FILE_DESCRIPTOR_SET,
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
        ];
        let rpcs: Vec<String> = sets.into_iter().flat_map(rpcs).collect();
        assert!(rpcs.len() > 20, "the descriptors were read: {rpcs:?}");
        for rpc in &rpcs {
            assert!(access(rpc).is_some(), "{rpc} is not in the role table");
        }
    }

    #[test]
    fn the_table_names_no_rpc_that_does_not_exist() {
        let rpcs: Vec<String> = rpcs(proto::FILE_DESCRIPTOR_SET);
        for (rpc, _) in TABLE.iter().filter(|(rpc, _)| rpc.starts_with("/touchmark.")) {
            assert!(rpcs.iter().any(|known| known == rpc), "{rpc} is in the role table but not in the proto");
        }
    }

    #[test]
    fn an_rpc_is_in_the_table_once() {
        for (rpc, _) in TABLE {
            assert_eq!(TABLE.iter().filter(|(other, _)| other == rpc).count(), 1, "{rpc}");
        }
    }

    #[test]
    fn what_is_answered_in_doubt_or_out_of_time_exists_and_a_certificate_is_not_among_it() {
        for rpc in IN_DOUBT.iter().chain(UNTIMELY) {
            assert!(access(rpc).is_some(), "{rpc} is not in the role table");
        }
        for rpc in ["IssueBirthCertificate", "IssueBirthCertificates", "Enroll", "Renew", "Issue", "Release"]
        {
            assert!(!IN_DOUBT.iter().any(|other| other.rsplit('/').next() == Some(rpc)), "{rpc}");
        }
    }

    #[test]
    fn an_unknown_path_has_no_access() {
        assert_eq!(access("/touchmark.v1.WorkOrderService/Destroy"), None);
        assert_eq!(access(""), None);
        assert_eq!(access("/touchmark.v1.WorkOrderService/Create/"), None);
        assert_eq!(access("/touchmark.v1.workorderservice/create"), None);
    }

    #[test]
    fn a_device_never_reaches_an_rpc_of_operators_or_stations() {
        for (rpc, access) in TABLE.iter().filter(|(rpc, _)| rpc.starts_with("/touchmark.")) {
            if !rpc.contains("EnrollmentService") {
                assert!(!access.allows(DeviceBirth) && !access.allows(DeviceOperational), "{rpc}");
            }
            assert!(!access.allows(Service), "{rpc}");
            assert_eq!(access.allows(RelyingParty), rpc.contains("RevocationService"), "{rpc}");
        }
    }

    fn rpcs(descriptors: &[u8]) -> Vec<String> {
        let set = FileDescriptorSet::decode(descriptors).unwrap();
        set.file
            .iter()
            .flat_map(|file| file.service.iter().map(move |service| (file.package(), service)))
            .flat_map(|(package, service)| {
                service
                    .method
                    .iter()
                    .map(move |method| format!("/{package}.{}/{}", service.name(), method.name()))
            })
            .collect()
    }
}
