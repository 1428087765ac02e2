//! What happened, how fast, where things lie, and what to type next.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::factory::{Factory, PRODUCT, Refusal};
use super::place::Place;
use super::programs::Programs;
use super::verification::Verified;
use super::withdrawal::Withdrawn;
use crate::output::facts;
use crate::table::{always, lay_out};

/// How long something took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace(Duration);

impl From<Duration> for Pace {
    fn from(took: Duration) -> Self {
        Self(took)
    }
}

impl Pace {
    /// Units per minute, when it was done for so many.
    pub(crate) fn units_per_minute(self, units: u32) -> f64 {
        f64::from(units) * 60.0 / self.0.as_secs_f64().max(0.001)
    }
}

/// One line of what happened.
#[derive(Debug, Serialize)]
pub(crate) struct Step {
    pub(crate) at_seconds: f64,
    pub(crate) what: String,
}

/// All of it.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    directory: String,
    pub(crate) server: String,
    work_order: String,
    product: &'static str,
    devices: u32,
    provisioned: u32,
    provisioned_per_minute: f64,
    enrolled: u32,
    enrolled_per_minute: f64,
    refused: Refusal,
    chains_verified: usize,
    verified_by: Vec<&'static str>,
    revoked: Withdrawn,
    first_device: String,
    pub(crate) seconds: f64,
    /// Of the CA, if it was left running.
    pub(crate) ca_pid: Option<u32>,
    pub(crate) steps: Vec<Step>,
}

impl Report {
    /// Of devices that were all provisioned, enrolled and verified.
    pub(crate) fn new(
        place: &Place,
        factory: &Factory,
        refused: Refusal,
        provisioned: Pace,
        enrolled: Pace,
        verified: Verified,
        revoked: Withdrawn,
    ) -> Self {
        let devices = u32::try_from(factory.serials().len()).unwrap_or(u32::MAX);
        Self {
            directory: place.root().display().to_string(),
            server: String::new(),
            work_order: factory.work_order().to_owned(),
            product: PRODUCT,
            devices,
            provisioned: devices,
            provisioned_per_minute: provisioned.units_per_minute(devices),
            enrolled: devices,
            enrolled_per_minute: enrolled.units_per_minute(devices),
            refused,
            chains_verified: verified.chains,
            verified_by: verified.judges,
            revoked,
            first_device: factory.serials().first().cloned().unwrap_or_default(),
            seconds: 0.0,
            ca_pid: None,
            steps: Vec::new(),
        }
    }

    /// For people.
    pub(crate) fn in_words(&self, place: &Place, programs: &Programs) -> String {
        let rows = [
            (
                "provisioned",
                self.provisioned.to_string(),
                format!("{:.0} units/min", self.provisioned_per_minute),
            ),
            ("enrolled", self.enrolled.to_string(), format!("{:.0} units/min", self.enrolled_per_minute)),
            ("refused", "1".to_owned(), format!("{}: {}", self.refused.device, self.refused.reason)),
            ("chains verified", self.chains_verified.to_string(), self.verified_by.join(", ")),
            ("revoked", "1".to_owned(), format!("{}: {}", self.revoked.device, self.revoked.reason)),
            ("  its renewal", "refused".to_owned(), self.revoked.renewal_refused.to_owned()),
            ("  on the CRL", "yes".to_owned(), self.revoked.found_revoked_by.join(", ")),
        ];
        let rows = rows.into_iter().map(|(what, count, how)| vec![what.into(), count, how]);
        let happened = lay_out(&[always("WHAT"), always("HOW MANY"), always("")], rows.collect(), None).text;
        let lies = facts(&[
            ("the CA", quoted(&place.ca())),
            ("first operator", quoted(&place.operator())),
            ("the station", quoted(&place.station())),
            (
                "devices",
                format!(
                    "{}/SERIAL/{{idevid,current}}/{{cert,chain,trust,key}}.pem",
                    quoted(&place.devices())
                ),
            ),
            ("CRLs", quoted(&place.lists())),
            ("logs", quoted(&place.logs())),
        ]);
        format!(
            "\n{happened}\n\nall in {:.1} s. Where things lie:\n\n{lies}\n\n{}\n\n{}",
            self.seconds,
            self.to_try(place, programs),
            self.the_end(place, programs),
        )
    }

    fn to_try(&self, place: &Place, programs: &Programs) -> String {
        let device = quoted(&place.devices().join(&self.first_device));
        let (stolen, lists) = (quoted(&place.devices().join(&self.revoked.serial)), quoted(&place.lists()));
        let operator = format!("{} --credentials {}", quoted(&programs.touchmark), quoted(&place.operator()));
        let mut text = format!(
            "To try:\n\n  \
             openssl verify -x509_strict -CAfile {device}/idevid/trust.pem -untrusted {device}/idevid/chain.pem {device}/idevid/cert.pem\n  \
             openssl verify -x509_strict -CAfile {device}/current/trust.pem -untrusted {device}/current/chain.pem {device}/current/cert.pem\n  \
             openssl verify -crl_check_all -CRLfile {lists}/crls.pem -CAfile {stolen}/current/trust.pem -untrusted {stolen}/current/chain.pem {stolen}/current/cert.pem   # revoked\n  \
             {} status --state {device}",
            quoted(&programs.agent),
        );
        if self.ca_pid.is_some() {
            let (product, serial, order) = (self.product, &self.first_device, &self.work_order);
            text.push_str(&format!(
                "\n  {operator} device list\n  {operator} device show {product}/{serial}\n  {operator} work-order show {order}"
            ));
        }
        text
    }

    fn the_end(&self, place: &Place, programs: &Programs) -> String {
        let serve =
            format!("{} serve --config {}", quoted(&programs.ca), quoted(&place.ca().join("ca.toml")));
        match self.ca_pid {
            Some(pid) => format!(
                "The CA runs at {} as process {pid}.\n  stop it:         kill {pid}\n  start it again:  {serve}",
                self.server
            ),
            None => format!(
                "The CA stopped; --keep leaves it running.\n  start it again:  {serve}\n  remove it all:   rm -r {}",
                quoted(place.root())
            ),
        }
    }
}

/// A path as it can be pasted.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    shlex::try_quote(&text).map_or_else(|_| text.to_string(), |quoted| quoted.into_owned())
}
