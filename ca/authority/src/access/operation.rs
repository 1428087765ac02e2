//! Operations, and which of them each kind of caller may ask for.

use identity::Role;

use super::CallerKind;

/// Something that can be asked of the CA, whatever the front door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Issue a birth certificate.
    IssueBirthCertificate,
    /// Confirm that a unit passed its read-back.
    ConfirmUnit,
    /// Scrap a unit.
    ReportScrap,
    /// Read a work order that names the station that asks.
    ReadOwnWorkOrder,
    /// Read what is on record of serial numbers of such an order.
    ReadUnits,
    /// Issue the first operational certificate of a device.
    Enroll,
    /// Issue the next operational certificate of a device.
    Renew,
    /// Read when the certificate that asks is to be renewed.
    ReadRenewalWindow,
    /// Confirm that the certificate that asks is in use.
    ConfirmInstalled,
    /// Read the roots that devices trust.
    ReadTrustBundle,
    /// Read a device.
    ReadDevice,
    /// List devices.
    ListDevices,
    /// List certificates.
    ListCertificates,
    /// Count what a selection holds.
    PreviewSelection,
    /// Revoke certificates.
    RevokeCertificates,
    /// Put a device on hold.
    HoldDevice,
    /// End the hold of a device.
    ReleaseDevice,
    /// Retire a device.
    RetireDevice,
    /// Ask devices to renew soon.
    RequestRotation,
    /// Allow a unit one more birth certificate.
    AllowRework,
    /// List alarms.
    ListAlarms,
    /// Read the revocation status of certificates.
    CheckStatus,
    /// Follow revocations.
    WatchRevocations,
    /// Read a CRL.
    ReadCrl,
    /// Issue a credential.
    IssueCredential,
    /// List principals.
    ListPrincipals,
    /// Revoke all credentials of a principal.
    RevokePrincipal,
    /// Create a work order.
    CreateWorkOrder,
    /// Read any work order.
    ReadWorkOrder,
    /// List work orders.
    ListWorkOrders,
    /// Pause a work order.
    PauseWorkOrder,
    /// Resume a work order.
    ResumeWorkOrder,
    /// Close a work order.
    CloseWorkOrder,
    /// Read the condition of the CA.
    ReadCondition,
    /// Read which services there are (gRPC reflection).
    ListServices,
}

impl Operation {
    /// Whether a caller of this kind may ask for it.
    pub fn allows(self, kind: CallerKind) -> bool {
        allowed_to(kind).contains(&self)
    }

    /// Whether it is done while the CA's clock is in doubt: it only reads, or can only revoke or hold (ADR
    /// 0034).
    pub fn is_done_in_doubt(self) -> bool {
        use Operation::*;
        matches!(
            self,
            ReportScrap
                | ReadOwnWorkOrder
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
                | ReadCondition
                | ListServices
        )
    }

    /// Whether it is done for a device whose operational certificate expired not too long ago (R-LIFE-05), or
    /// whose certificate is not valid yet (ADR 0035): what such a device needs to get the next certificate.
    pub fn is_done_untimely(self) -> bool {
        matches!(self, Self::Enroll | Self::Renew | Self::ReadRenewalWindow | Self::ReadTrustBundle)
    }

    /// Whether a bare key may ask for it.
    pub(super) fn allows_bare_key(self) -> bool {
        ALLOWED_TO_BARE_KEYS.contains(&self)
    }
}

/// The table of roles: the operations that a kind of caller may ask for. Everything else is denied.
pub fn allowed_to(kind: CallerKind) -> &'static [Operation] {
    use Operation::*;
    match kind {
        CallerKind::Named(Role::Station) => {
            &[IssueBirthCertificate, ConfirmUnit, ReportScrap, ReadOwnWorkOrder, ReadUnits, ListServices]
        }
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
            ReadWorkOrder,
            ListWorkOrders,
            PauseWorkOrder,
            ResumeWorkOrder,
            CloseWorkOrder,
            ReadCondition,
            ListServices,
        ],
        CallerKind::Named(Role::RelyingParty) => &[CheckStatus, WatchRevocations, ReadCrl, ListServices],
        CallerKind::Named(Role::Service) => &[ListServices],
        // The birth certificate proves which device it is; only it authorises a first operational
        // certificate.
        CallerKind::DeviceBirth => &[Enroll, ReadTrustBundle, ListServices],
        // Only an operational certificate is renewed; a device that lost it enrols again.
        CallerKind::DeviceOperational => {
            &[Renew, ReadRenewalWindow, ConfirmInstalled, ReadTrustBundle, ListServices]
        }
    }
}

/// The operations that a bare key may ask for: none. Whoever adds one decides what the caller is then called
/// on record.
const ALLOWED_TO_BARE_KEYS: &[Operation] = &[];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_certificate_is_issued_while_the_clock_is_in_doubt() {
        use Operation::*;
        for operation in [IssueBirthCertificate, Enroll, Renew, IssueCredential, ReleaseDevice] {
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
    fn a_relying_party_reads_status_and_a_service_nothing() {
        use Operation::*;
        assert_eq!(
            allowed_to(CallerKind::Named(Role::RelyingParty)),
            [CheckStatus, WatchRevocations, ReadCrl, ListServices]
        );
        assert_eq!(allowed_to(CallerKind::Named(Role::Service)), [ListServices]);
    }
}
