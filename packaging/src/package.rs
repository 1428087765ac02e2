//! The content of each package.

use clap::{Command, CommandFactory};

/// A Debian package of one program.
#[derive(Debug)]
pub struct Package {
    /// The name of the package and of its program, in `/usr/bin`.
    pub name: &'static str,
    /// The system user that the program runs as; its home is `/var/lib/USER`.
    pub user: &'static str,
    /// The mode of the home directory.
    pub home_mode: &'static str,
    /// The systemd unit and its file in `/etc/default`.
    pub unit: Option<Unit>,
    /// More lines of the script that runs after installation.
    pub after_installation: &'static str,
    /// Files of `packaging/examples`: name and content.
    pub examples: &'static [(&'static str, &'static str)],
    /// Recommended packages.
    pub recommends: &'static str,
    /// The description's first line.
    pub summary: &'static str,
    /// The rest of the description; lines begin with a space.
    pub description: &'static str,
    /// The clap definition of the command line.
    pub command: fn() -> Command,
}

/// A systemd unit and its variables.
#[derive(Debug)]
pub struct Unit {
    /// The name without `.service`.
    pub name: &'static str,
    /// The text of the unit file.
    pub service: &'static str,
    /// The text of `/etc/default/NAME`.
    pub defaults: &'static str,
}

impl Package {
    /// The line of sysusers.d(5).
    pub fn sysusers(&self) -> String {
        format!("u {} - \"{}\" /var/lib/{}\n", self.user, self.summary, self.user)
    }
}

/// All packages.
pub const PACKAGES: &[Package] = &[
    Package {
        name: "touchmark-ca",
        user: "touchmark-ca",
        home_mode: "0700",
        unit: Some(Unit {
            name: "touchmark-ca",
            service: include_str!("../systemd/touchmark-ca.service"),
            defaults: include_str!("../default/touchmark-ca"),
        }),
        after_installation: "[ -d /etc/touchmark-ca ] || install -d -m 0750 -o root -g touchmark-ca /etc/touchmark-ca",
        examples: &[LOGROTATE],
        recommends: "touchmark",
        summary: "Touchmark certificate authority",
        description: " Gives every device its identity, each exactly once and only after it is on\n record, and keeps that record: a durable, append-only ledger.\n Serves stations, devices and operators over gRPC with mutual TLS.\n",
        command: ca::arguments::Arguments::command,
    },
    Package {
        name: "touchmark-station",
        user: "touchmark-station",
        home_mode: "0700",
        unit: None,
        after_installation: ":",
        examples: &[("station.toml", include_str!("../examples/station.toml"))],
        recommends: "",
        summary: "Touchmark factory station",
        description: " Gives each unit of a work order its birth certificate, reads it back, and\n locks the unit. Talks to the units on the bench and to the certificate\n authority.\n",
        command: provisioner::Arguments::command,
    },
    Package {
        name: "touchmark-agent",
        user: "touchmark-agent",
        home_mode: "0755",
        unit: Some(Unit {
            name: "touchmark-agent",
            service: include_str!("../systemd/touchmark-agent.service"),
            defaults: include_str!("../default/touchmark-agent"),
        }),
        after_installation: ":",
        examples: &[LOGROTATE],
        recommends: "",
        summary: "Touchmark device agent",
        description: " Takes a birth certificate in the factory and an operational certificate at\n first boot, keeps that fresh for years, and tells applications of each new\n one. The private keys are made on the device and never leave it.\n",
        command: agent::arguments::Arguments::command,
    },
    Package {
        name: "touchmark",
        user: "touchmark-revocations",
        home_mode: "0755",
        unit: Some(Unit {
            name: "touchmark-revocations",
            service: include_str!("../systemd/touchmark-revocations.service"),
            defaults: include_str!("../default/touchmark-revocations"),
        }),
        after_installation: ":",
        examples: &[],
        recommends: "touchmark-ca, touchmark-station, touchmark-agent",
        summary: "operator's tools of the Touchmark certificate authority",
        description: " Work orders, credentials, devices and their certificates for the operators\n of a Touchmark certificate authority; and a service that keeps revocation\n lists fresh for brokers and gateways.\n",
        command: ops::Arguments::command,
    },
];

const LOGROTATE: (&str, &str) = ("logrotate", include_str!("../examples/logrotate"));
