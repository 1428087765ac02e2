//! `touchmark device …`

use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand, ValueEnum};
use identity::{DeviceId, Product};

use super::revocation::{Confirmation, SelectionArguments, WhyArguments};
use super::{PageArguments, SEE_STATUSES};
use crate::timestamp;

/// What can be done with devices.
#[derive(Debug, Subcommand)]
pub(crate) enum DeviceCommand {
    /// Devices by product, work order and state, in order of product and serial number
    #[command(after_help = SEE_STATUSES)]
    List {
        /// Only of this product
        #[arg(long, value_name = "P")]
        product: Option<Product>,
        /// Only of this work order
        #[arg(long, value_name = "ID", value_parser = cli::work_order)]
        work_order: Option<String>,
        /// Only in this state
        #[arg(long, value_enum)]
        state: Option<DeviceStateName>,
        #[command(flatten)]
        page: PageArguments,
    },
    /// Devices whose serial number or product contains a text, in order of product and serial number
    #[command(after_help = FIND_HELP)]
    Find {
        /// A serial number or a part of it, upper and lower case alike; also product/serial
        #[arg(value_name = "TEXT", value_parser = searched)]
        text: String,
        #[command(flatten)]
        page: PageArguments,
    },
    /// One device in words, with all its certificates
    #[command(after_help = SEE_STATUSES)]
    Show {
        /// Written product/serial, for example cam-2/SN000123
        device: DeviceId,
    },
    /// Put devices on hold: none of their certificates is accepted, and they get no others, until they are
    /// released
    ///
    /// The reason in the CRL is certificateHold. No confirmation is needed, because `touchmark device
    /// release` undoes it.
    #[command(after_help = SEE_STATUSES)]
    Hold(RemarkArguments),
    /// End a hold: the certificates are again what they were before it
    #[command(after_help = SEE_STATUSES)]
    Release(DevicesArguments),
    /// Revoke all certificates of a device for ever, its birth certificate too
    #[command(after_help = SEE_STATUSES)]
    Revoke {
        /// Written product/serial, for example cam-2/SN000123
        device: DeviceId,
        #[command(flatten)]
        why: WhyArguments,
        #[command(flatten)]
        confirmation: Confirmation,
    },
    /// End the life of devices: all certificates are revoked, serial numbers and keys are never used again
    ///
    /// The reason in the CRL is cessationOfOperation. It asks for the number of devices, on a terminal or
    /// with --confirm.
    #[command(after_help = SEE_STATUSES)]
    Retire {
        #[command(flatten)]
        remark: RemarkArguments,
        /// The number of devices to retire, for use without a terminal; another number retires none
        #[arg(long, value_name = "COUNT")]
        confirm: Option<u64>,
    },
    /// Ask the devices of a selection to renew their certificates now, spread over time
    ///
    /// Each device learns of it when it next asks the CA. Nothing is revoked.
    #[command(after_help = SEE_STATUSES)]
    Rotate(RotateArguments),
    /// Allow units another birth certificate, once, with a new key, within their work order (a board was
    /// replaced)
    ///
    /// The old certificates are revoked in the ledger entry that records the new one.
    #[command(after_help = SEE_STATUSES)]
    Rework {
        #[command(flatten)]
        devices: DevicesArguments,
        /// In your own words, for the ledger, at most 256 characters
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true, alias = "reason")]
        remark: String,
    },
    /// Scrap units that will never leave the factory: their certificates are revoked for ever
    ///
    /// Their serial numbers and keys are never used again, and the work order's quota is not given back. A
    /// device that has enrolled is refused: retire it. It asks for the number of units, on a terminal or with
    /// --confirm. The reason in the CRL is cessationOfOperation.
    #[command(after_help = SEE_STATUSES)]
    Scrap {
        #[command(flatten)]
        remark: RemarkArguments,
        /// The number of units to scrap, for use without a terminal; another number scraps none
        #[arg(long, value_name = "COUNT")]
        confirm: Option<u64>,
    },
    /// Devices whose certificate in use ends soon, soonest first
    #[command(after_help = SEE_STATUSES)]
    Expiring {
        /// How soon, for example 10d
        #[arg(long, value_name = "TIME_SPAN", default_value = "10d", value_parser = humantime::parse_duration)]
        within: Duration,
        #[command(flatten)]
        page: PageArguments,
    },
    /// Devices that have not called the CA for a while, or never; without scrapped, retired and revoked ones
    #[command(after_help = SEE_STATUSES)]
    NotSeen {
        /// For how long, for example 45d
        #[arg(long = "for", value_name = "TIME_SPAN", default_value = "45d", value_parser = humantime::parse_duration, conflicts_with = "since")]
        span: Duration,
        /// Not since this time, for example 2026-11-01, or 45d ago
        #[arg(long, value_name = "TIME", value_parser = timestamp::past)]
        since: Option<SystemTime>,
        #[command(flatten)]
        page: PageArguments,
    },
    /// Forks: certificates that were renewed a second time while the first successor was in use, because a
    /// device was cloned or its key was stolen; newest first
    #[command(after_help = SEE_STATUSES)]
    Forks(PageArguments),
    /// Keys and serial numbers that two units claimed (the second was refused), and RSA keys with a common
    /// prime; newest first
    #[command(after_help = SEE_STATUSES)]
    Duplicates(PageArguments),
}

/// A text to search for. The longest `product/serial` is shorter than the limit.
fn searched(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.len() > SEARCHED_BYTES_MAX {
        return Err(format!("1 to {SEARCHED_BYTES_MAX} characters of a product and a serial number"));
    }
    Ok(text.to_owned())
}

/// `ListDevicesRequest.text` in the proto.
const SEARCHED_BYTES_MAX: usize = 128;

const FIND_HELP: &str = "\
Exit status: see touchmark --help.

Example:
  touchmark device find 0123";

#[derive(Debug, Args)]
pub(crate) struct DevicesArguments {
    /// Written product/serial, for example cam-2/SN000123; several may be given
    #[arg(required = true, value_name = "DEVICE")]
    pub(crate) devices: Vec<DeviceId>,
}

#[derive(Debug, Args)]
pub(crate) struct RemarkArguments {
    #[command(flatten)]
    pub(crate) devices: DevicesArguments,
    /// In your own words, for the ledger, at most 256 characters
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) remark: String,
}

#[derive(Debug, Args)]
pub(crate) struct RotateArguments {
    #[command(flatten)]
    pub(crate) selection: SelectionArguments,
    /// The time over which the renewals are spread, up to 30d; 0s is for a few devices, not for a fleet
    #[arg(long, value_name = "TIME_SPAN", default_value = "1d", value_parser = humantime::parse_duration)]
    pub(crate) spread: Duration,
    /// In your own words, for the ledger and for the devices, at most 256 characters
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) remark: String,
    /// Only show the number of certificates and devices
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DeviceStateName {
    /// It has a birth certificate; the station has not confirmed that it arrived
    Issued,
    /// The station read its birth certificate back; no operational certificate is in use
    Provisioned,
    /// It has an operational certificate in use
    Enrolled,
    /// On hold: none of its certificates is accepted until it is released
    Held,
    /// Its certificates are revoked for ever: it can neither call nor enrol
    Revoked,
    /// Its life has ended
    Retired,
    /// It failed in the factory; its serial number is never used again
    Scrapped,
}
