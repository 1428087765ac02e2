//! A station as a process of its own, with devices that are processes of their own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use proto::v1::Role;

use crate::{CertificateAuthority, Factory, Program};

/// A directory with a station's configuration, its journal and the state directories of its devices.
#[derive(Debug)]
pub struct Station {
    directory: PathBuf,
}

impl Station {
    /// One that has just been given its credential; nothing runs yet.
    pub async fn set_up(authority: &CertificateAuthority, name: &str, directory: &Path) -> Self {
        let credentials = Factory::of(authority).credential(Role::Station, name).await;
        credentials.write(&directory.join("credentials"));
        let config = format!(
            "server = \"https://localhost:{}\"\ncredentials = \"credentials\"\njournal = \"journal\"\n",
            authority.grpc().port()
        );
        std::fs::write(directory.join("station.toml"), config).expect("it can be written");
        Self { directory: directory.to_path_buf() }
    }

    /// `provision`, with the units of this file and an agent process for each.
    pub fn provision(&self, work_order: &str, slots: usize, units: &Path) -> Command {
        let agent = Program::Agent.path();
        let state = self.directory.join("devices/{serial}");
        let link = format!("exec:'{}' factory --state '{}' --stdio", agent.display(), state.display());
        let mut command = self.command("provision");
        command.args(["--work-order", work_order, "--link", &link, "--slots", &slots.to_string()]);
        command.arg("--serials").arg(units);
        command
    }

    /// `resume`: what the journal says was begun.
    pub fn resume(&self) -> Command {
        self.command("resume")
    }

    /// `scrap`, without asking.
    pub fn scrap(&self, work_order: &str, reason: &str, serials: &[&str]) -> Command {
        let mut command = self.command("scrap");
        command.args(["--work-order", work_order, "--reason", reason, "--yes"]).args(serials);
        command
    }

    /// The state directory of a device.
    pub fn device(&self, serial: &str) -> PathBuf {
        self.directory.join("devices").join(serial)
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Any of its commands, with its configuration.
    pub fn command(&self, subcommand: &str) -> Command {
        let mut command = Program::Station.command();
        command.arg(subcommand).arg("--config").arg(self.directory.join("station.toml"));
        command.current_dir(&self.directory).stdin(Stdio::null());
        command
    }
}

/// Writes a line file: serial, product and hardware revision of each unit.
pub fn line_file(path: &Path, product: &str, serials: impl Iterator<Item = String>) {
    let rows: Vec<_> =
        serials.map(|serial| format!("{serial},{product},B{}\n", 1 + serial.len() % 2)).collect();
    std::fs::write(path, format!("serial,product,hardware_revision\n{}", rows.concat()))
        .expect("it can be written");
}
