//! `touchmark device …`

use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand, ValueEnum};
use identity::{DeviceId, Product};

use super::revocation::{Confirmation, SelectionArguments, WhyArguments};
use super::{PageArguments, timestamp};

/// What can be done with devices.
#[derive(Debug, Subcommand)]
pub enum DeviceCommand {
    /// Devices by product, work order and state, in order of product and serial number
    List {
        /// Only of this product
        #[arg(long, value_name = "P")]
        product: Option<Product>,
        /// Only of this work order
        #[arg(long, value_name = "ID")]
        work_order: Option<String>,
        /// Only in this state
        #[arg(long, value_enum)]
        state: Option<DeviceStateName>,
        /// How many.
        #[command(flatten)]
        page: PageArguments,
    },
    /// One device in words, with all its certificates
    Show {
        /// Written product/serial, for example cam-2/SN000123
        device: DeviceId,
    },
    /// Withdraw all certificates of devices until they are released; they get no others meanwhile
    Hold(RemarkArguments),
    /// End a hold: the certificates are what they were
    Release(DevicesArguments),
    /// Withdraw all certificates of a device for ever, its birth certificate too
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
    /// End the life of devices: certificates revoked (cessationOfOperation), serial number and keys never return
    Retire {
        /// Which, and a remark.
        #[command(flatten)]
        remark: RemarkArguments,
        /// The number of devices that are to be retired, for when nobody can be asked; another number retires none
        #[arg(long, value_name = "COUNT")]
        confirm: Option<u64>,
    },
    /// Let a selection renew now, spread over time; each device learns it when it next asks the CA
    Rotate(RotateArguments),
    /// Let units have another birth certificate, once, with a new key, within their work order (a board was replaced)
    ///
    /// The old certificates are revoked in the ledger entry that records the new one.
    Rework(DevicesArguments),
    /// Devices whose certificate in use ends soon, soonest first
    Expiring {
        /// How soon, for example 10d
        #[arg(long, value_name = "TIME_SPAN", default_value = "10d", value_parser = humantime::parse_duration)]
        within: Duration,
        /// How many.
        #[command(flatten)]
        page: PageArguments,
    },
    /// Devices that have not called the CA for a while, or never; scrapped, retired and revoked ones left out
    NotSeen {
        /// For how long, for example 45d
        #[arg(long = "for", value_name = "TIME_SPAN", default_value = "45d", value_parser = humantime::parse_duration, conflicts_with = "since")]
        span: Duration,
        /// Not since this time, RFC 3339
        #[arg(long, value_name = "TIME", value_parser = timestamp::parse)]
        since: Option<SystemTime>,
        /// How many.
        #[command(flatten)]
        page: PageArguments,
    },
    /// Certificates that asked for a second child while the first was in use: a cloned memory or a stolen key; newest first
    Forks(PageArguments),
    /// Keys and serial numbers that two units claimed, the second of which was refused, and RSA keys with a common prime; newest first
    Duplicates(PageArguments),
}

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
    /// For the record, at most 256 characters
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
    /// For the record and for devices, at most 256 characters
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub remark: String,
    /// Only show what that would be
    #[arg(long)]
    pub dry_run: bool,
}

/// Where a device is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DeviceStateName {
    /// It has a birth certificate; the station has not confirmed it
    Issued,
    /// The station confirmed it
    Provisioned,
    /// It has an operational certificate in use
    Enrolled,
    /// Its certificates are withdrawn until it is released
    Held,
    /// Its certificates are revoked for ever: it can neither call nor enrol
    Revoked,
    /// Its life has ended
    Retired,
    /// It failed in the factory, for good
    Scrapped,
}
