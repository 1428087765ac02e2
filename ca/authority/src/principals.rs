//! Credentials of those who are not devices: issued and revoked by operators.

use std::time::Duration;

use identity::{PrincipalName, RequestId, RevocationReason, Role};
use issuance::{Names, Request, Subject};
use ledger::{Action, Command, Event, IssuanceSubject};
use store::Released;

use super::issue::{IssuanceRequest, PreflightOutcome};
use super::keys::AcceptedKey;
use super::record::caller_command;
use super::request_digest::RequestDigest;
use super::{Authority, Caller, Operation, Refused};

/// A credential that an operator asks for.
#[derive(Debug, Clone)]
pub struct CredentialRequest {
    /// The operator's id of the request: the same request again gets the same answer.
    pub request: RequestId,
    /// The principal's role.
    pub role: Role,
    /// The principal's name, unique in its role.
    pub name: PrincipalName,
    /// PKCS#10 DER, not yet read.
    pub csr: Vec<u8>,
    /// The lifetime; `None`: as the profile says.
    pub lifetime: Option<Duration>,
    /// The subject alternative names of a service; at most [`CREDENTIAL_NAMES_MAX`].
    pub names: Names,
}

/// A request to revoke all credentials of a principal.
#[derive(Debug, Clone)]
pub struct PrincipalRevocation {
    /// The principal's role.
    pub role: Role,
    /// The principal's name, unique in its role.
    pub name: PrincipalName,
    /// The reason code that goes into CRLs.
    pub reason: RevocationReason,
    /// Text for people who read the ledger.
    pub remark: String,
    /// Whether to do it also when it is the last operator with a credential that is good.
    pub last_operator: bool,
}

impl Authority {
    /// Issues a credential to a station, an operator, a relying party or a service. Exactly once for a
    /// request id.
    pub async fn issue_credential(
        &self,
        caller: &Caller,
        request: CredentialRequest,
    ) -> Result<Released, Refused> {
        let profile = self.profile(request.role.profile());
        let principal = format!("{}:{}", request.role, request.name);
        let key = self.accepted_key(&request.csr)?;
        let request = issuance_request(request, key);
        if let PreflightOutcome::Answered(answer) = self.preflight(caller, &request).await {
            return answer;
        }
        let released = self.issue_one(caller, &profile, request).await?;
        tracing::info!(
            principal = %caller,
            serial_number = %released.serial_number(),
            "issued a credential to {principal}"
        );
        Ok(released)
    }

    /// Revokes all credentials of a principal: its next message is refused, also on an open stream. Returns
    /// how many this call revoked. Idempotent.
    ///
    /// # Errors
    /// When there is no such principal, or it is the last operator and `last_operator` is false.
    pub async fn revoke_principal(
        &self,
        caller: &Caller,
        revocation: PrincipalRevocation,
    ) -> Result<usize, Refused> {
        let PrincipalRevocation { role, name, reason, remark, last_operator } = revocation;
        let content = RequestDigest::of("revoke principal v1")
            .text(&role.to_string())
            .text(name.as_str())
            .number(reason.code().into())
            .finish();
        let principal = format!("{role}:{name}");
        let action = Action::RevokePrincipal { role, name, reason, last_operator };
        let command = Command { remark, ..caller_command(caller, content, action) };
        let recorded = self.record_as(caller, Operation::RevokePrincipal, command).await?;
        let revoked = match &recorded.entry().event {
            Event::PrincipalRevoked { revoked, .. } if !recorded.is_replay() => revoked.len(),
            _ => 0,
        };
        tracing::info!(principal = %caller, revoked, "revoked the credentials of {principal}");
        Ok(revoked)
    }
}

fn issuance_request(request: CredentialRequest, key: AcceptedKey) -> IssuanceRequest {
    let CredentialRequest { request: id, role, name, csr: _, lifetime, names } = request;
    let public_key = key.public_key().clone();
    let mut digest = RequestDigest::of("credential v1")
        .text(&role.to_string())
        .text(name.as_str())
        .bytes(key.fingerprint().as_bytes())
        .number(lifetime.map_or(0, |lifetime| lifetime.as_secs()))
        .number(names.dns.len() as u64);
    digest = names.dns.iter().fold(digest, |digest, name| digest.text(name));
    digest = names.addresses.iter().fold(digest, |digest, address| digest.text(&address.to_string()));
    let subject = match role.is_server() {
        true => Subject::Service(name.clone(), names),
        false => Subject::Principal(name.clone()),
    };
    IssuanceRequest {
        id,
        digest: digest.finish(),
        draft: Request { public_key, subject, lifetime, shard: None },
        subject: IssuanceSubject::Credential { role, name },
        key,
    }
}

/// The most subject alternative names of one service.
pub const CREDENTIAL_NAMES_MAX: usize = 16;
