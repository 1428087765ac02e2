//! `touchmark certificate …`

use std::time::SystemTime;

use clap::{Args, Subcommand};
use identity::{DeviceId, SerialNumber};

use super::revocation::{Confirmation, WhyArguments};
use super::{PageArguments, timestamp};

/// What can be done with certificates.
#[derive(Debug, Subcommand)]
pub enum CertificateCommand {
    /// Certificates of one device, of one principal, or all that expire soon
    List {
        /// Which.
        #[command(flatten)]
        filter: CertificateFilter,
        /// How many.
        #[command(flatten)]
        page: PageArguments,
    },
    /// One certificate in words: who, why, by whom, what came before and after it, and where it is revoked; or as PEM
    Show {
        /// Its serial number in hexadecimal; colons are passed over
        serial: SerialNumber,
        /// Print the certificate itself, PEM
        #[arg(long)]
        pem: bool,
    },
    /// Withdraw one certificate for ever, or it and all its descendants
    Revoke {
        /// Its serial number in hexadecimal; colons are passed over
        serial: SerialNumber,
        /// Also what it authorised, what those authorised, and so on: a stolen key must not renew itself out of trouble
        #[arg(long)]
        lineage: bool,
        /// Why.
        #[command(flatten)]
        why: WhyArguments,
        /// Whether it is meant.
        #[command(flatten)]
        confirmation: Confirmation,
    },
}

/// Which certificates.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct CertificateFilter {
    /// All of this device, oldest first
    #[arg(long, value_name = "PRODUCT/SERIAL")]
    pub device: Option<DeviceId>,
    /// All of this principal, for example station:line-3, oldest first
    #[arg(long, value_name = "ROLE:NAME")]
    pub principal: Option<identity::Principal>,
    /// All that expire before this time, RFC 3339, soonest first
    #[arg(long, value_name = "TIME", value_parser = timestamp::parse)]
    pub expiring_before: Option<SystemTime>,
}
