//! Operations, and which of them each kind of caller may ask for.

use identity::Role;

use super::CallerKind;

/// Something that can be asked of the CA, whatever the front door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is named as what is asked")]
pub enum Operation {
    IssueBirthCertificate,
    ConfirmUnit,
    ReportScrap,
    ReportGiveUp,
    RequestRework,
    ReadOwnWorkOrder,
    ReadUnits,
    ReserveUnits,
    ReturnUnits,
    ClaimBirthCertificate,
    Enroll,
    Renew,
    ReadRenewalWindow,
    ConfirmInstalled,
    ReadTrustBundle,
    ReadDevice,
    ListDevices,
    ListCertificates,
    PreviewSelection,
    RevokeCertificates,
    HoldDevice,
    ReleaseDevice,
    RetireDevice,
    RequestRotation,
    AllowRework,
    ListAlarms,
    CheckStatus,
    WatchRevocations,
    ReadCrl,
    IssueCredential,
    ListPrincipals,
    RevokePrincipal,
    CreateWorkOrder,
    AppendManifest,
    ScrapUnit,
    GiveUpUnit,
    ReadWorkOrder,
    ListWorkOrders,
    PauseWorkOrder,
    ResumeWorkOrder,
    CloseWorkOrder,
    ReadClosingReport,
    ReadProduct,
    ListProducts,
    PauseProduct,
    ResumeProduct,
    ListReservations,
    WithdrawReservation,
    ReadCondition,
    ListServices,
}

impl Operation {
    /// Whether a caller of this kind may ask for it.
    pub fn allows(self, kind: CallerKind) -> bool {
        allowed_to(kind).contains(&self)
    }

    /// Whether it is done while the clock is in doubt: it reads for operators and relying parties, or only
    /// takes rights away or gives up what was reserved (ADR 0034).
    pub fn is_done_in_doubt(self) -> bool {
        use Operation::*;
        matches!(
            self,
            ReportScrap
                | ReportGiveUp
                | ScrapUnit
                | GiveUpUnit
                | ReadOwnWorkOrder
                | ReturnUnits
                | ReadTrustBundle
                | ReadDevice
                | ListDevices
                | ListCertificates
                | PreviewSelection
                | RevokeCertificates
                | HoldDevice
                | RetireDevice
                | ListAlarms
                | CheckStatus
                | WatchRevocations
                | ReadCrl
                | ListPrincipals
                | RevokePrincipal
                | ReadWorkOrder
                | ListWorkOrders
                | PauseWorkOrder
                | CloseWorkOrder
                | ReadProduct
                | ListProducts
                | PauseProduct
                | ListReservations
                | WithdrawReservation
                | ReadCondition
                | ListServices
        )
    }

    /// Whether it is done for a device whose operational certificate expired not too long ago (R-LIFE-05), or
    /// whose certificate is not valid yet (ADR 0035): what such a device needs to get the next certificate.
    pub fn is_done_untimely(self) -> bool {
        matches!(self, Self::Enroll | Self::Renew | Self::ReadRenewalWindow | Self::ReadTrustBundle)
    }
}

/// The table of roles: the operations that a kind of caller may ask for. Everything else is denied.
pub fn allowed_to(kind: CallerKind) -> &'static [Operation] {
    use Operation::*;
    match kind {
        CallerKind::Named(Role::Station) => &[
            IssueBirthCertificate,
            ConfirmUnit,
            ReportScrap,
            ReportGiveUp,
            RequestRework,
            ReadOwnWorkOrder,
            ReadUnits,
            ReserveUnits,
            ReturnUnits,
            ListServices,
        ],
        CallerKind::Named(Role::Operator) => &[
            ReadDevice,
            ListDevices,
            ListCertificates,
            PreviewSelection,
            RevokeCertificates,
            HoldDevice,
            ReleaseDevice,
            RetireDevice,
            RequestRotation,
            AllowRework,
            ListAlarms,
            CheckStatus,
            WatchRevocations,
            ReadCrl,
            IssueCredential,
            ListPrincipals,
            RevokePrincipal,
            CreateWorkOrder,
            AppendManifest,
            ScrapUnit,
            GiveUpUnit,
            ReadWorkOrder,
            ListWorkOrders,
            PauseWorkOrder,
            ResumeWorkOrder,
            CloseWorkOrder,
            ReadClosingReport,
            ReadProduct,
            ListProducts,
            PauseProduct,
            ResumeProduct,
            ListReservations,
            WithdrawReservation,
            ReadCondition,
            ListServices,
        ],
        CallerKind::Named(Role::RelyingParty) => &[CheckStatus, WatchRevocations, ReadCrl, ListServices],
        CallerKind::Named(Role::Service) => &[ListServices],
        // It proves which device it is; only it authorises a first operational certificate.
        CallerKind::DeviceBirth => &[Enroll, ReadTrustBundle, ListServices],
        // Only an operational certificate is renewed; a device that lost it enrols again.
        CallerKind::DeviceOperational => {
            &[Renew, ReadRenewalWindow, ConfirmInstalled, ReadTrustBundle, ListServices]
        }
        // For reading only: a caller without a name records nothing (`Authority::check_recorder`).
        CallerKind::BareKey => &[ClaimBirthCertificate],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_certificate_is_issued_while_the_clock_is_in_doubt() {
        use Operation::*;
        for operation in [
            IssueBirthCertificate,
            ReserveUnits,
            ClaimBirthCertificate,
            Enroll,
            Renew,
            IssueCredential,
            ReleaseDevice,
        ] {
            assert!(!operation.is_done_in_doubt(), "{operation:?}");
        }
    }

    #[test]
    fn a_device_may_ask_for_nothing_that_an_operator_or_a_station_may() {
        for kind in [CallerKind::DeviceBirth, CallerKind::DeviceOperational] {
            for operation in
                allowed_to(kind).iter().filter(|operation| **operation != Operation::ListServices)
            {
                for other in Role::ALL {
                    assert!(!operation.allows(CallerKind::Named(other)), "{operation:?}");
                }
            }
        }
    }

    #[test]
    fn a_bare_key_claims_its_certificate_and_nothing_else_and_nobody_else_claims() {
        assert_eq!(allowed_to(CallerKind::BareKey), [Operation::ClaimBirthCertificate]);
        for kind in [CallerKind::DeviceBirth, CallerKind::DeviceOperational] {
            assert!(!Operation::ClaimBirthCertificate.allows(kind));
        }
        for role in Role::ALL {
            assert!(!Operation::ClaimBirthCertificate.allows(CallerKind::Named(role)), "{role:?}");
        }
    }

    #[test]
    fn a_relying_party_reads_status_and_a_service_nothing() {
        use Operation::*;
        assert_eq!(
            allowed_to(CallerKind::Named(Role::RelyingParty)),
            [CheckStatus, WatchRevocations, ReadCrl, ListServices]
        );
        assert_eq!(allowed_to(CallerKind::Named(Role::Service)), [ListServices]);
    }
}
