//! The report: what was done, how fast, where the files are, and what to try next.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::factory::Refusal;
use super::programs::Programs;
use super::revocation::RevokedDevice;
use super::workspace::Workspace;
use crate::output::fact_lines;
use crate::table::{Column, always, lay_out};

pub(crate) fn units_per_minute(units: u32, took: Duration) -> f64 {
    f64::from(units) * 60.0 / took.as_secs_f64().max(0.001)
}

#[derive(Debug, Serialize)]
pub(crate) struct Step {
    pub(crate) at_seconds: f64,
    pub(crate) what: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) directory: String,
    pub(crate) server: String,
    pub(crate) work_order: String,
    pub(crate) product: &'static str,
    pub(crate) devices: u32,
    pub(crate) provisioned: u32,
    pub(crate) provisioned_per_minute: f64,
    pub(crate) enrolled: u32,
    pub(crate) enrolled_per_minute: f64,
    pub(crate) refused: Refusal,
    pub(crate) chains_verified: usize,
    pub(crate) verified_by: Vec<&'static str>,
    pub(crate) revoked: RevokedDevice,
    pub(crate) first_device: String,
    pub(crate) seconds: f64,
    /// The process id of the CA, if it was left running.
    pub(crate) ca_pid: Option<u32>,
    pub(crate) steps: Vec<Step>,
}

impl Report {
    pub(crate) fn to_text(&self, workspace: &Workspace, programs: &Programs) -> String {
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
        let happened = lay_out(COLUMNS, &rows, None).text;
        let lies = fact_lines(&[
            ("the CA", quoted(&workspace.ca)),
            ("first operator", quoted(&workspace.operator)),
            ("the station", quoted(&workspace.station)),
            (
                "devices",
                format!(
                    "{}/SERIAL/{{idevid,current}}/{{cert,chain,trust,key}}.pem",
                    quoted(&workspace.devices)
                ),
            ),
            ("CRLs", quoted(&workspace.lists)),
            ("logs", quoted(&workspace.logs)),
        ]);
        format!(
            "\n{happened}\n\nall in {:.1} s. Where things lie:\n\n{lies}\n\n{}\n\n{}",
            self.seconds,
            self.to_try(workspace, programs),
            self.the_end(workspace, programs),
        )
    }

    fn to_try(&self, workspace: &Workspace, programs: &Programs) -> String {
        let device = quoted(&workspace.devices.join(&self.first_device));
        let (stolen, lists) =
            (quoted(&workspace.devices.join(&self.revoked.serial)), quoted(&workspace.lists));
        let operator =
            format!("{} --credentials {}", quoted(&programs.touchmark), quoted(&workspace.operator));
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

    fn the_end(&self, workspace: &Workspace, programs: &Programs) -> String {
        let serve =
            format!("{} serve --config {}", quoted(&programs.ca), quoted(&workspace.ca.join("ca.toml")));
        match self.ca_pid {
            Some(pid) => format!(
                "The CA runs at {} as process {pid}.\n  stop it:         kill {pid}\n  start it again:  {serve}",
                self.server
            ),
            None => format!(
                "The CA stopped; --keep leaves it running.\n  start it again:  {serve}\n  remove it all:   rm -r {}",
                quoted(&workspace.root)
            ),
        }
    }
}

const COLUMNS: &[Column<(&'static str, String, String)>] = &[
    always("WHAT", |(what, ..)| (*what).to_owned()),
    always("HOW MANY", |(_, count, _)| count.clone()),
    always("", |(.., how)| how.clone()),
];

fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    shlex::try_quote(&text).map_or_else(|_| text.to_string(), |quoted| quoted.into_owned())
}
