//! `touchmark certificate …`

use std::time::SystemTime;

use clap::{Args, Subcommand};
use identity::{DeviceId, SerialNumber};

use super::revocation::{Confirmation, WhyArguments, certificate};
use super::{PageArguments, SEE_STATUSES};
use crate::timestamp;

#[derive(Debug, Subcommand)]
pub(crate) enum CertificateCommand {
    /// Certificates: all on record, or those of one issuer, device or principal, or those that expire soon
    #[command(after_help = SEE_STATUSES)]
    List {
        #[command(flatten)]
        filter: CertificateFilter,
        #[command(flatten)]
        page: PageArguments,
    },
    /// One certificate in words: its holder, purpose, lineage, status and revocation URLs; or as PEM
    #[command(after_help = SEE_STATUSES)]
    Show {
        /// Its serial number in hexadecimal, with or without colons
        #[arg(value_parser = certificate)]
        serial: SerialNumber,
        /// Print the certificate itself, PEM
        #[arg(long)]
        pem: bool,
    },
    /// Revoke one certificate for ever, or its whole lineage: it and all certificates that descend from it
    #[command(after_help = SEE_STATUSES)]
    Revoke {
        /// Its serial number in hexadecimal, with or without colons
        #[arg(value_parser = certificate)]
        serial: SerialNumber,
        /// Also all certificates that descend from it: with a stolen key somebody may have renewed it
        #[arg(long)]
        lineage: bool,
        #[command(flatten)]
        why: WhyArguments,
        #[command(flatten)]
        confirmation: Confirmation,
    },
}

#[derive(Debug, Args)]
#[group(required = false, multiple = false)]
pub(crate) struct CertificateFilter {
    /// All of this device, oldest first
    #[arg(long, value_name = "PRODUCT/SERIAL")]
    pub(crate) device: Option<DeviceId>,
    /// All of this principal, for example station:line-3, oldest first
    #[arg(long, value_name = "ROLE:NAME")]
    pub(crate) principal: Option<identity::Principal>,
    /// All that this issuer signed, oldest first: root, factory, operational or infrastructure
    #[arg(long, value_name = "ISSUER", value_parser = ["root", "factory", "operational", "infrastructure"], hide_possible_values = true)]
    pub(crate) issuer: Option<String>,
    /// All that expire before this time, for example 2026-12-24, or 30d from now, soonest first
    #[arg(long, value_name = "TIME", value_parser = timestamp::future)]
    pub(crate) expiring_before: Option<SystemTime>,
}
