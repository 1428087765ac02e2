//! How units come to the slots.

use clap::ValueEnum;

/// How units come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// People insert units and scan their serial numbers.
    Scan,
    /// People insert units that know their serial numbers.
    Device,
    /// A list, or the work order, says the units; they are on the fixtures when they are begun.
    List,
}

impl Mode {
    /// Whether people insert the units, so that an empty fixture waits for one.
    pub(crate) fn waits_for_units(self) -> bool {
        match self {
            Self::Scan | Self::Device => true,
            Self::List => false,
        }
    }
}
