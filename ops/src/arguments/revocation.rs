//! `touchmark revoke` and `touchmark revocations …`

use std::path::PathBuf;
use std::time::SystemTime;

use clap::{Args, Subcommand};
use identity::{DeviceId, PrincipalName, Product, RevocationReason, SerialNumber};

use super::SEE_STATUSES;
use crate::timestamp;

#[derive(Debug, Args)]
pub(crate) struct RevokeArguments {
    #[command(flatten)]
    pub(crate) selection: SelectionArguments,
    #[command(flatten)]
    pub(crate) why: WhyArguments,
    #[command(flatten)]
    pub(crate) confirmation: Confirmation,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct SelectionArguments {
    /// All of this device
    #[arg(long, value_name = "PRODUCT/SERIAL")]
    pub(crate) device: Option<DeviceId>,
    /// The one with this serial number, in hexadecimal
    #[arg(long, value_name = "SERIAL", value_parser = certificate)]
    pub(crate) certificate: Option<SerialNumber>,
    /// The lineage of the one with this serial number: it and all certificates that descend from it
    #[arg(long, value_name = "SERIAL", value_parser = certificate)]
    pub(crate) lineage: Option<SerialNumber>,
    /// All of the devices made under this work order
    #[arg(long, value_name = "ID", value_parser = cli::work_order)]
    pub(crate) work_order: Option<String>,
    /// All of the devices of this product
    #[arg(long, value_name = "P")]
    pub(crate) product: Option<Product>,
    /// All of the devices made by this station
    #[arg(long, value_name = "NAME")]
    pub(crate) station: Option<PrincipalName>,
    /// All with this key: its SHA-256 in hexadecimal, as `certificate show` prints it
    #[arg(long, value_name = "SHA256", value_parser = fingerprint)]
    pub(crate) key: Option<[u8; 32]>,
    /// All issued to devices from this time on, for example 2026-11-23, or 7d ago; alone or with
    /// --issued-until
    #[arg(long, value_name = "TIME", value_parser = timestamp::past)]
    pub(crate) issued_from: Option<SystemTime>,
    /// All issued to devices before this time, for example 2026-11-23, or 7d ago; alone or with --issued-from
    #[arg(long, value_name = "TIME", value_parser = timestamp::past)]
    pub(crate) issued_until: Option<SystemTime>,
}

#[derive(Debug, Args)]
pub(crate) struct WhyArguments {
    /// The reason, as RFC 5280, section 5.3.1, spells it: keyCompromise, superseded, cessationOfOperation,
    /// affiliationChanged, privilegeWithdrawn or unspecified
    #[arg(long, value_name = "REASON", value_parser = final_reason)]
    pub(crate) reason: RevocationReason,
    /// The time from which the keys are not to be trusted, if it is known (invalidityDate, RFC 5280, section
    /// 5.3.2); for example 2026-11-23, or 7d ago
    #[arg(long, value_name = "TIME", value_parser = timestamp::not_future)]
    pub(crate) invalid_since: Option<SystemTime>,
    /// In your own words, for the ledger, at most 256 characters
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) remark: String,
}

#[derive(Debug, Args)]
pub(crate) struct Confirmation {
    /// Only show the number of certificates and devices, their products, and when they were last seen
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// The number of certificates to revoke, for use without a terminal; another number revokes none
    #[arg(long, value_name = "COUNT", conflicts_with = "dry_run")]
    pub(crate) confirm: Option<u64>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RevocationsCommand {
    /// Check whether certificates are still good; exit status 6 if one is not
    #[command(after_help = SEE_STATUSES)]
    Check {
        /// Serial numbers in hexadecimal
        #[arg(required = true, value_name = "SERIAL", value_parser = certificate)]
        serials: Vec<SerialNumber>,
        /// Print all columns in full, also where they do not fit the terminal
        #[arg(long)]
        wide: bool,
    },
    /// Print what is revoked, held and released, as it happens, until it is stopped
    ///
    /// It reconnects by itself and misses nothing. With --cursor-file it also goes on after a restart: the
    /// file is replaced after an event was printed, is in the CRLs, and the hook has run. Ctrl-C or SIGTERM
    /// ends it with status 0. SIGHUP makes it check all CRLs at once.
    #[command(after_help = SEE_STATUSES)]
    Watch(WatchArguments),
}

#[derive(Debug, Args)]
pub(crate) struct WatchArguments {
    /// The file that keeps the position in the feed [default: begin with the first revocation ever]
    #[arg(long, value_name = "FILE")]
    pub(crate) cursor_file: Option<PathBuf>,
    /// Without a cursor, begin with what happens from now on
    #[arg(long)]
    pub(crate) from_now: bool,
    /// Keep CRLs fresh in this directory: ISSUER.crl.pem for each issuer, and crls.pem with all of them
    #[arg(long, value_name = "DIR")]
    pub(crate) write_crl: Option<PathBuf>,
    /// Only the CRLs of this issuer and of the root; repeat for more [default: factory, operational,
    /// infrastructure]
    #[arg(long = "issuer", value_name = "ISSUER", value_parser = ISSUERS, hide_possible_values = true, requires = "write_crl")]
    pub(crate) issuers: Vec<String>,
    /// Run this with `sh -c` after the CRLs changed, for example 'kill -HUP $(cat /run/mosquitto.pid)'; after
    /// a minute its process group is killed
    #[arg(long, value_name = "COMMAND", requires = "write_crl")]
    pub(crate) hook: Option<String>,
    /// End when everything until now is done, for cron; with status 1 if the hook fails or takes longer than
    /// a minute, and with 7 if the CA cannot be reached: nothing is tried twice, the next run goes on
    #[arg(long)]
    pub(crate) once: bool,
    /// Print no events
    #[arg(long)]
    pub(crate) quiet: bool,
}

/// The complete serial number of a certificate.
pub(super) fn certificate(text: &str) -> Result<SerialNumber, String> {
    if text.ends_with('…') || text.ends_with("...") {
        return Err(
            "it was shortened to fit the terminal: the same command with --wide prints all of it".to_owned()
        );
    }
    text.parse().map_err(|error: <SerialNumber as std::str::FromStr>::Err| error.to_string())
}

/// A reason for a final revocation: not a hold, which can be released, and not that of an issuer.
pub(super) fn final_reason(text: &str) -> Result<RevocationReason, String> {
    match text.parse() {
        Ok(RevocationReason::CertificateHold) => {
            Err("a hold is `touchmark device hold`: it can be released".to_owned())
        }
        Ok(RevocationReason::CaCompromise) => Err("cACompromise is for an issuer's certificate".to_owned()),
        Ok(reason) => Ok(reason),
        Err(_) => Err(format!("it is not a reason; write {FINAL_REASONS}")),
    }
}

/// The spelling of RFC 5280, section 5.3.1.
const FINAL_REASONS: &str =
    "keyCompromise, superseded, cessationOfOperation, affiliationChanged, privilegeWithdrawn or unspecified";

const ISSUERS: [&str; 4] = ["root", "factory", "operational", "infrastructure"];

fn fingerprint(text: &str) -> Result<[u8; 32], String> {
    hex::decode(text.replace(':', ""))
        .ok()
        .and_then(|octets| octets.try_into().ok())
        .ok_or_else(|| "a SHA-256 fingerprint has 64 hexadecimal digits".to_owned())
}
