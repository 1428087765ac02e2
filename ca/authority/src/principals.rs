//! Credentials of those who are not devices: issued and revoked by operators.

use std::time::Duration;

use identity::{PrincipalName, ProfileName, RequestId, RevocationReason, Role};
use issuance::{Names, Request, Subject};
use ledger::{Action, Event};
use store::{Cursor, Page, PrincipalRecord, Released, Store, StoreError};

use super::content::Content;
use super::issue::{Holder, PreflightOutcome, Question};
use super::keys::AcceptedKey;
use super::{Authority, Caller, Refused};

/// A credential that an operator asks for.
#[derive(Debug, Clone)]
pub struct CredentialRequest {
    /// The same again gets the same answer.
    pub request: RequestId,
    /// What it may be.
    pub role: Role,
    /// Unique in its role.
    pub name: PrincipalName,
    /// PKCS#10 DER, not yet read.
    pub csr: Vec<u8>,
    /// How long it shall live; `None`: as the profile says.
    pub lifetime: Option<Duration>,
    /// For a service: what it answers to; at most [`CREDENTIAL_NAMES_MAX`].
    pub names: Names,
}

/// Whose credentials shall be revoked.
#[derive(Debug, Clone)]
pub struct PrincipalRevocation {
    /// What it may be.
    pub role: Role,
    /// Unique in its role.
    pub name: PrincipalName,
    /// Why.
    pub reason: RevocationReason,
    /// For people who read the ledger.
    pub remark: String,
    /// Also when it is the last operator with a credential that is good.
    pub last_operator: bool,
}

impl<S: Store> Authority<S> {
    /// A credential for a station, an operator, a relying party or a service. Exactly once for a request id.
    ///
    /// # Errors
    /// Why there is none; see [`Refused`].
    pub async fn issue_credential(
        &self,
        caller: &Caller,
        request: CredentialRequest,
    ) -> Result<Released, Refused> {
        let profile = self.profile(credential_profile(request.role))?;
        let principal = format!("{}:{}", request.role, request.name);
        let key = self.accepted_key(&request.csr)?;
        let question = credential_question(request, key);
        if let PreflightOutcome::Answered(answer) = self.preflight(caller, &question).await {
            return answer;
        }
        let answer = self.issue(caller, profile, vec![(0, question)]).await.pop();
        let released = answer.map_or_else(
            || Err(StoreError::Bug { what: "a question was not answered" }.into()),
            |(_, answer)| answer,
        )?;
        tracing::info!(
            principal = %caller.principal(),
            serial_number = %released.serial_number(),
            "issued a credential to {principal}"
        );
        Ok(released)
    }

    /// Principals that are not devices, by role and name.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn principals(
        &self,
        cursor: Option<&Cursor>,
        rows: usize,
    ) -> Result<Page<PrincipalRecord>, Refused> {
        Ok(self.store.principals(cursor, rows).await?)
    }

    /// Revokes all credentials of a principal: its next message is refused, also on a stream that is open. Returns how many this call
    /// revoked. Idempotent.
    ///
    /// # Errors
    /// When there is no such principal, or it is the last operator and the caller did not say that this is meant.
    pub async fn revoke_principal(
        &self,
        caller: &Caller,
        revocation: PrincipalRevocation,
    ) -> Result<usize, Refused> {
        let PrincipalRevocation { role, name, reason, remark, last_operator } = revocation;
        let content = Content::of("revoke principal v1")
            .text(&role.to_string())
            .text(name.as_str())
            .number(reason.code().into())
            .finish();
        let principal = format!("{role}:{name}");
        let action = Action::RevokePrincipal { role, name, reason, last_operator };
        let recorded = self.record_with(caller, None, content, remark, action).await?;
        let revoked = match &recorded.entry().event {
            Event::PrincipalRevoked { revoked, .. } if !recorded.is_replay() => revoked.len(),
            _ => 0,
        };
        tracing::info!(principal = %caller.principal(), revoked, "revoked the credentials of {principal}");
        Ok(revoked)
    }
}

fn credential_question(request: CredentialRequest, key: AcceptedKey) -> Question {
    let CredentialRequest { request, role, name, csr: _, lifetime, names } = request;
    let public_key = key.public_key().clone();
    let mut content = Content::of("credential v1")
        .text(&role.to_string())
        .text(name.as_str())
        .bytes(key.fingerprint().as_bytes())
        .number(lifetime.map_or(0, |lifetime| lifetime.as_secs()))
        .number(names.dns.len() as u64);
    content = names.dns.iter().fold(content, |content, name| content.text(name));
    content = names.addresses.iter().fold(content, |content, address| content.text(&address.to_string()));
    let subject = match role {
        Role::Service => Subject::Service(name.clone(), names),
        Role::Station | Role::Operator | Role::RelyingParty => Subject::Principal(name.clone()),
    };
    Question {
        request,
        content: content.finish(),
        asked: Request { public_key, subject, lifetime, shard: None },
        holder: Holder::Credential { role, name },
        key,
    }
}

fn credential_profile(role: Role) -> ProfileName {
    match role {
        Role::Station => ProfileName::Station,
        Role::Operator => ProfileName::Operator,
        Role::RelyingParty => ProfileName::RelyingParty,
        Role::Service => ProfileName::Service,
    }
}

/// The most names of one service: a server with more is several services.
pub const CREDENTIAL_NAMES_MAX: usize = 16;
