//! Which certificates an operator means.

use std::time::SystemTime;

use identity::{DeviceId, KeyFingerprint, Principal, PrincipalName, Product, Role, SerialNumber};

use super::WorkOrderId;

/// Which certificates an operator means. Never an issuer's; those of principals that are not devices only by
/// [`Selection::Certificate`] and [`Selection::Key`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// All of one device.
    Device(DeviceId),
    /// One.
    Certificate(SerialNumber),
    /// One and all its descendants: a stolen certificate cannot renew itself out of trouble.
    Lineage(SerialNumber),
    /// All of the devices made under this order.
    WorkOrder(WorkOrderId),
    /// All of the devices of this product.
    Product(Product),
    /// All of the devices whose birth certificate this station asked for.
    Station(PrincipalName),
    /// Those of devices that were recorded in this time, end excluded.
    Issued {
        /// From when.
        from: SystemTime,
        /// Until when.
        until: SystemTime,
    },
    /// Those with this key.
    Key(KeyFingerprint),
}

/// What a [`Selection`] is held against: one certificate of a device, and how it came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// The device.
    pub device: &'a DeviceId,
    /// The order that the device was made under.
    pub work_order: WorkOrderId,
    /// Who asked for its birth certificate.
    pub station: Option<&'a Principal>,
    /// The certificate's serial number.
    pub serial_number: SerialNumber,
    /// Of its key.
    pub key: KeyFingerprint,
    /// When it was recorded.
    pub issued_at: SystemTime,
    /// Its parent, the parent's parent and so on.
    pub ancestors: &'a [SerialNumber],
}

impl Selection {
    /// Whether the certificate is one of those.
    pub fn covers(&self, candidate: &Candidate<'_>) -> bool {
        match self {
            Self::Certificate(serial_number) => candidate.serial_number == *serial_number,
            Self::Lineage(serial_number) => {
                candidate.serial_number == *serial_number || candidate.ancestors.contains(serial_number)
            }
            Self::Issued { from, until } => (*from..*until).contains(&candidate.issued_at),
            Self::Key(key) => candidate.key == *key,
            Self::Device(_) | Self::WorkOrder(_) | Self::Product(_) | Self::Station(_) => {
                self.covers_device(candidate.device, candidate.work_order, candidate.station)
            }
        }
    }

    /// Whether it names the device, and so all its certificates. Always false for a selection of single
    /// certificates.
    pub fn covers_device(
        &self,
        device: &DeviceId,
        work_order: WorkOrderId,
        station: Option<&Principal>,
    ) -> bool {
        match self {
            Self::Device(wanted) => wanted == device,
            Self::WorkOrder(wanted) => *wanted == work_order,
            Self::Product(wanted) => *wanted == device.product,
            Self::Station(wanted) => match station {
                Some(Principal::Named { role: Role::Station, name }) => name == wanted,
                _ => false,
            },
            Self::Certificate(_) | Self::Lineage(_) | Self::Issued { .. } | Self::Key(_) => false,
        }
    }
}
