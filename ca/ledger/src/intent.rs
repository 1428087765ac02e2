//! What a caller is about to ask, before anything is signed for it.

use identity::{DeviceId, KeyFingerprint, Principal, PrincipalName, RequestId, Role, SerialNumber};

use super::{Action, Command, WorkOrderId};

/// What is known of a request for a certificate before the certificate is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// Who asks; `None`: the CA itself, at `init`.
    pub principal: Option<Principal>,
    /// Which question of theirs this is.
    pub request: Option<RequestId>,
    /// SHA-256 over what was asked; see [`Command::content`].
    pub content: [u8; 32],
    /// For whom.
    pub subject: IntentSubject,
    /// The key that would be certified.
    pub key: KeyFingerprint,
}

/// For whom a certificate would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IntentSubject {
    /// A birth certificate.
    Birth {
        /// Counted against this order.
        work_order: WorkOrderId,
        /// Whose it would be.
        device: DeviceId,
    },
    /// An operational certificate.
    Operational {
        /// Whose it would be.
        device: DeviceId,
        /// The certificate that authorises it.
        parent: SerialNumber,
        /// Whether a fork puts the device on hold.
        hold_on_fork: bool,
    },
    /// A credential.
    Credential {
        /// What it may be.
        role: Role,
        /// Unique in its role.
        name: PrincipalName,
    },
}

impl Intent {
    /// What a command intends; `None` if it asks for no certificate of a caller.
    pub fn of(command: &Command) -> Option<Self> {
        let (subject, certificate) = match &command.action {
            Action::IssueBirth { work_order, device, certificate } => {
                (IntentSubject::Birth { work_order: *work_order, device: device.clone() }, certificate)
            }
            Action::IssueOperational { device, parent, hold_on_fork, certificate } => {
                let (device, parent, hold_on_fork) = (device.clone(), *parent, *hold_on_fork);
                (IntentSubject::Operational { device, parent, hold_on_fork }, certificate)
            }
            Action::IssueCredential { role, name, certificate } => {
                (IntentSubject::Credential { role: *role, name: name.clone() }, certificate)
            }
            _ => return None,
        };
        Some(Self {
            principal: command.principal.clone(),
            request: command.request,
            content: command.content,
            subject,
            key: certificate.key,
        })
    }
}
