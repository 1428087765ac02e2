//! Which operation each RPC is. Who may ask for an operation is the authority's (R-CA-08). An RPC that is not
//! in the table is not answered.

use authority::Operation;

/// What an RPC needs of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing: orchestrators and load balancers that read health have no certificate.
    Anyone,
    /// That it is admitted to this operation.
    Operation(Operation),
}

/// What the RPC with this path (`/package.Service/Method`) needs of its caller; `None`: there is no such RPC.
pub fn access(path: &str) -> Option<Access> {
    TABLE.iter().find(|(rpc, _)| *rpc == path).map(|(_, access)| *access)
}

/// Every RPC that this server answers. A test walks the file descriptors and fails for one that is missing.
pub const TABLE: &[(&str, Access)] = &[
    ("/touchmark.v1.ProvisioningService/IssueBirthCertificate", operation(Operation::IssueBirthCertificate)),
    ("/touchmark.v1.ProvisioningService/IssueBirthCertificates", operation(Operation::IssueBirthCertificate)),
    ("/touchmark.v1.ProvisioningService/ConfirmUnit", operation(Operation::ConfirmUnit)),
    ("/touchmark.v1.ProvisioningService/ReportScrap", operation(Operation::ReportScrap)),
    ("/touchmark.v1.ProvisioningService/ReportGiveUp", operation(Operation::ReportGiveUp)),
    ("/touchmark.v1.ProvisioningService/RequestRework", operation(Operation::RequestRework)),
    ("/touchmark.v1.ProvisioningService/GetWorkOrder", operation(Operation::ReadOwnWorkOrder)),
    ("/touchmark.v1.ProvisioningService/GetUnits", operation(Operation::ReadUnits)),
    ("/touchmark.v1.ProvisioningService/ReserveUnits", operation(Operation::ReserveUnits)),
    ("/touchmark.v1.ProvisioningService/ReturnUnits", operation(Operation::ReturnUnits)),
    ("/touchmark.v1.EnrollmentService/ClaimBirthCertificate", operation(Operation::ClaimBirthCertificate)),
    ("/touchmark.v1.EnrollmentService/Enroll", operation(Operation::Enroll)),
    ("/touchmark.v1.EnrollmentService/Renew", operation(Operation::Renew)),
    ("/touchmark.v1.EnrollmentService/GetRenewalInfo", operation(Operation::ReadRenewalWindow)),
    ("/touchmark.v1.EnrollmentService/ConfirmInstalled", operation(Operation::ConfirmInstalled)),
    ("/touchmark.v1.EnrollmentService/GetTrustBundle", operation(Operation::ReadTrustBundle)),
    ("/touchmark.v1.LifecycleService/GetDevice", operation(Operation::ReadDevice)),
    ("/touchmark.v1.LifecycleService/ListDevices", operation(Operation::ListDevices)),
    ("/touchmark.v1.LifecycleService/ListCertificates", operation(Operation::ListCertificates)),
    ("/touchmark.v1.LifecycleService/PreviewSelection", operation(Operation::PreviewSelection)),
    ("/touchmark.v1.LifecycleService/Revoke", operation(Operation::RevokeCertificates)),
    ("/touchmark.v1.LifecycleService/Hold", operation(Operation::HoldDevice)),
    ("/touchmark.v1.LifecycleService/Release", operation(Operation::ReleaseDevice)),
    ("/touchmark.v1.LifecycleService/Retire", operation(Operation::RetireDevice)),
    ("/touchmark.v1.LifecycleService/RequestRotation", operation(Operation::RequestRotation)),
    ("/touchmark.v1.LifecycleService/AllowRework", operation(Operation::AllowRework)),
    ("/touchmark.v1.LifecycleService/ListAlarms", operation(Operation::ListAlarms)),
    ("/touchmark.v1.RevocationService/CheckStatus", operation(Operation::CheckStatus)),
    ("/touchmark.v1.RevocationService/WatchRevocations", operation(Operation::WatchRevocations)),
    ("/touchmark.v1.RevocationService/GetCrl", operation(Operation::ReadCrl)),
    ("/touchmark.v1.PrincipalService/Issue", operation(Operation::IssueCredential)),
    ("/touchmark.v1.PrincipalService/List", operation(Operation::ListPrincipals)),
    ("/touchmark.v1.PrincipalService/Revoke", operation(Operation::RevokePrincipal)),
    ("/touchmark.v1.WorkOrderService/Create", operation(Operation::CreateWorkOrder)),
    ("/touchmark.v1.WorkOrderService/AppendManifest", operation(Operation::AppendManifest)),
    ("/touchmark.v1.WorkOrderService/ScrapUnit", operation(Operation::ScrapUnit)),
    ("/touchmark.v1.WorkOrderService/GiveUpUnit", operation(Operation::GiveUpUnit)),
    ("/touchmark.v1.WorkOrderService/Get", operation(Operation::ReadWorkOrder)),
    ("/touchmark.v1.WorkOrderService/List", operation(Operation::ListWorkOrders)),
    ("/touchmark.v1.WorkOrderService/Pause", operation(Operation::PauseWorkOrder)),
    ("/touchmark.v1.WorkOrderService/Resume", operation(Operation::ResumeWorkOrder)),
    ("/touchmark.v1.WorkOrderService/Close", operation(Operation::CloseWorkOrder)),
    ("/touchmark.v1.WorkOrderService/GetClosingReport", operation(Operation::ReadClosingReport)),
    ("/touchmark.v1.ProductService/Get", operation(Operation::ReadProduct)),
    ("/touchmark.v1.ProductService/List", operation(Operation::ListProducts)),
    ("/touchmark.v1.ProductService/Pause", operation(Operation::PauseProduct)),
    ("/touchmark.v1.ProductService/Resume", operation(Operation::ResumeProduct)),
    ("/touchmark.v1.WorkOrderService/ListReservations", operation(Operation::ListReservations)),
    ("/touchmark.v1.WorkOrderService/WithdrawReservation", operation(Operation::WithdrawReservation)),
    ("/touchmark.v1.AuthorityService/GetCondition", operation(Operation::ReadCondition)),
    ("/grpc.health.v1.Health/Check", Access::Anyone),
    ("/grpc.health.v1.Health/Watch", Access::Anyone),
    ("/grpc.health.v1.Health/List", Access::Anyone),
    ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", operation(Operation::ListServices)),
    ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", operation(Operation::ListServices)),
];

const fn operation(operation: Operation) -> Access {
    Access::Operation(operation)
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use prost_types::FileDescriptorSet;

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
    fn an_unknown_path_has_no_access() {
        assert_eq!(access("/touchmark.v1.WorkOrderService/Destroy"), None);
        assert_eq!(access(""), None);
        assert_eq!(access("/touchmark.v1.WorkOrderService/Create/"), None);
        assert_eq!(access("/touchmark.v1.workorderservice/create"), None);
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
