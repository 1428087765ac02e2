//! `touchmark device …`

use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand, ValueEnum};
use identity::{DeviceId, Product};

use super::revocation::{Confirmation, SelectionArguments, WhyArguments};
use super::{PageArguments, SEE_STATUSES, timestamp, work_order};

/// What can be done with devices.
#[derive(Debug, Subcommand)]
pub enum DeviceCommand {
    /// Devices by product, work order and state, in order of product and serial number
    #[command(after_help = SEE_STATUSES)]
    List {
        /// Only of this product
        #[arg(long, value_name = "P")]
        product: Option<Product>,
        /// Only of this work order
        #[arg(long, value_name = "ID", value_parser = work_order)]
        work_order: Option<String>,
        /// Only in this state
        #[arg(long, value_enum)]
        state: Option<DeviceStateName>,
        /// How many.
        #[command(flatten)]
        page: PageArguments,
    },
    /// Devices whose serial number or product contains a text, in order of product and serial number
    #[command(after_help = FIND_HELP)]
    Find {
        /// A serial number or a part of it, upper and lower case alike; also product/serial
        #[arg(value_name = "TEXT", value_parser = searched)]
        text: String,
        /// How many.
        #[command(flatten)]
        page: PageArguments,
    },
    /// One device in words, with all its certificates
    #[command(after_help = SEE_STATUSES)]
    Show {
        /// Written product/serial, for example cam-2/SN000123
        device: DeviceId,
    },
    /// Put devices on hold: none of their certificates is good, and they get no others, until they are released
    ///
    /// The reason in the CRL is certificateHold. It is not asked for confirmation, because `touchmark device release` undoes it.
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
        /// Why.
        #[command(flatten)]
        why: WhyArguments,
        /// Whether it is meant.
        #[command(flatten)]
        confirmation: Confirmation,
    },
    /// End the life of devices: all certificates are revoked, serial numbers and keys are never used again
    ///
    /// The reason in the CRL is cessationOfOperation. It asks for the number of devices on a terminal, and wants --confirm elsewhere.
    #[command(after_help = SEE_STATUSES)]
    Retire {
        /// Which, and a remark.
        #[command(flatten)]
        remark: RemarkArguments,
        /// The number of devices that are to be retired, where nobody can be asked; another number retires none
        #[arg(long, value_name = "COUNT")]
        confirm: Option<u64>,
    },
    /// Ask the devices of a selection to renew their certificates now, spread over time
    ///
    /// Each device learns it when it next asks the CA. Nothing is revoked.
    #[command(after_help = SEE_STATUSES)]
    Rotate(RotateArguments),
    /// Let units have another birth certificate, once, with a new key, within their work order (a board was replaced)
    ///
    /// The old certificates are revoked in the ledger entry that records the new one.
    #[command(after_help = SEE_STATUSES)]
    Rework(DevicesArguments),
    /// Devices whose certificate in use ends soon, soonest first
    #[command(after_help = SEE_STATUSES)]
    Expiring {
        /// How soon, for example 10d
        #[arg(long, value_name = "TIME_SPAN", default_value = "10d", value_parser = humantime::parse_duration)]
        within: Duration,
        /// How many.
        #[command(flatten)]
        page: PageArguments,
    },
    /// Devices that have not called the CA for a while, or never; scrapped, retired and revoked ones left out
    #[command(after_help = SEE_STATUSES)]
    NotSeen {
        /// For how long, for example 45d
        #[arg(long = "for", value_name = "TIME_SPAN", default_value = "45d", value_parser = humantime::parse_duration, conflicts_with = "since")]
        span: Duration,
        /// Not since this time, for example 2026-11-01, or 45d ago
        #[arg(long, value_name = "TIME", value_parser = timestamp::past)]
        since: Option<SystemTime>,
        /// How many.
        #[command(flatten)]
        page: PageArguments,
    },
    /// Forks: certificates that were renewed a second time while the first successor was in use, because a device was cloned or its
    /// key was stolen; newest first
    #[command(after_help = SEE_STATUSES)]
    Forks(PageArguments),
    /// Keys and serial numbers that two units claimed, the second of which was refused, and RSA keys with a common prime; newest first
    #[command(after_help = SEE_STATUSES)]
    Duplicates(PageArguments),
}

/// The longest `product/serial` is shorter.
fn searched(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.len() > SEARCHED_BYTES_MAX {
        return Err(format!("1 to {SEARCHED_BYTES_MAX} characters of a product and a serial number"));
    }
    Ok(text.to_owned())
}

/// What the wire allows (`ListDevicesRequest.text`).
const SEARCHED_BYTES_MAX: usize = 128;

const FIND_HELP: &str = "\
Exit status: see touchmark --help.

Example:
  touchmark device find 0123";

/// Which devices.
#[derive(Debug, Args)]
pub struct DevicesArguments {
    /// Written product/serial, for example cam-2/SN000123; several may be given
    #[arg(required = true, value_name = "DEVICE")]
    pub devices: Vec<DeviceId>,
}

/// Which devices, and a remark for the ledger.
#[derive(Debug, Args)]
pub struct RemarkArguments {
    /// Which.
    #[command(flatten)]
    pub devices: DevicesArguments,
    /// In your own words, for the ledger, at most 256 characters
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub remark: String,
}

/// What to rotate.
#[derive(Debug, Args)]
pub struct RotateArguments {
    /// Which.
    #[command(flatten)]
    pub selection: SelectionArguments,
    /// Over how long the renewals are spread, up to 30d; 0s is for a few devices, not for a fleet
    #[arg(long, value_name = "TIME_SPAN", default_value = "1d", value_parser = humantime::parse_duration)]
    pub spread: Duration,
    /// In your own words, for the ledger and for the devices, at most 256 characters
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub remark: String,
    /// Only show how many certificates and devices that is
    #[arg(long)]
    pub dry_run: bool,
}

/// Where a device is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DeviceStateName {
    /// It has a birth certificate; the station has not confirmed that it arrived
    Issued,
    /// The station read its birth certificate back; no operational certificate is in use
    Provisioned,
    /// It has an operational certificate in use
    Enrolled,
    /// On hold: none of its certificates is good until it is released
    Held,
    /// Its certificates are revoked for ever: it can neither call nor enrol
    Revoked,
    /// Its life has ended
    Retired,
    /// It failed in the factory; its serial number is never used again
    Scrapped,
}
