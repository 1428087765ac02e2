//! `touchmark principal …`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use identity::{PrincipalName, RevocationReason, Role};

use super::{PageArguments, SEE_STATUSES, revocation};

#[derive(Debug, Subcommand)]
pub(crate) enum PrincipalCommand {
    /// Make a credential: a key that never leaves this machine, a certificate for it, and a directory with
    /// both
    #[command(after_help = SEE_STATUSES)]
    Issue(IssueArguments),
    /// All principals, by role and name
    #[command(after_help = SEE_STATUSES)]
    List(PageArguments),
    /// Revoke all credentials of a principal, for ever: its next call is refused, also on a stream that is
    /// open
    ///
    /// It asks for the principal's name on a terminal; use --yes elsewhere.
    #[command(after_help = SEE_STATUSES)]
    Revoke {
        /// station, operator, relying-party or service
        role: Role,
        /// Its name
        name: PrincipalName,
        /// The reason, in the spelling of RFC 5280, section 5.3.1, for example keyCompromise
        #[arg(long, value_name = "REASON", default_value = "unspecified", value_parser = revocation::final_reason)]
        reason: RevocationReason,
        /// In your own words, for the ledger, at most 256 characters
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        remark: String,
        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
        /// Also revoke the last operator with a valid credential: then only `touchmark-ca credential` makes
        /// another
        #[arg(long)]
        last_operator: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct IssueArguments {
    /// station, operator, relying-party or service
    pub(crate) role: Role,
    /// Its name: 1 to 48 lower-case letters, digits, - and .; for example line-3
    pub(crate) name: PrincipalName,
    /// A new or empty directory, or one left by an interrupted run of this command
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// A certificate request (PKCS#10, PEM or DER) for a key that was made elsewhere; then no key is written
    #[arg(long, value_name = "FILE")]
    pub(crate) csr: Option<PathBuf>,
    /// Days of life [default: as the profile says]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub(crate) lifetime_days: Option<u32>,
    /// For a service: a DNS name or address; repeat for more, at most 16
    #[arg(long = "host", value_name = "NAME_OR_IP", value_parser = host)]
    pub(crate) hosts: Vec<String>,
}

/// A DNS name or address that a certificate can have.
fn host(text: &str) -> Result<String, identity::HostError> {
    text.parse::<identity::Host>().map(|host| host.to_string())
}
