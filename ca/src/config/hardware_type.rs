//! The type of hardware in a birth certificate's `hardwareModuleName` (RFC 4108, section 5).

use std::fmt;
use std::str::FromStr;

/// An OID below an enterprise number of the manufacturer (R-AR-13).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HardwareType(Vec<u64>);

impl HardwareType {
    /// The arcs of the OID.
    pub fn arcs(&self) -> &[u64] {
        &self.0
    }
}

impl FromStr for HardwareType {
    type Err = HardwareTypeError;

    fn from_str(text: &str) -> Result<Self, HardwareTypeError> {
        let number = |arc: &str| {
            let plain = arc.bytes().all(|c| c.is_ascii_digit()) && (arc == "0" || !arc.starts_with('0'));
            arc.parse::<u64>().ok().filter(|_| plain).ok_or(HardwareTypeError::Form)
        };
        let arcs: Vec<u64> = text.split('.').map(number).collect::<Result<_, _>>()?;
        let well_formed = match arcs.as_slice() {
            [0 | 1, second, _, ..] => *second < 40,
            [2, _, _, ..] => true,
            _ => false,
        };
        if !well_formed || arcs.len() > ARCS_MAX {
            return Err(HardwareTypeError::Form);
        }
        if EXAMPLES.iter().any(|example| arcs.starts_with(example)) {
            return Err(HardwareTypeError::Example);
        }
        Ok(Self(arcs))
    }
}

impl fmt::Display for HardwareType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arcs: Vec<String> = self.0.iter().map(u64::to_string).collect();
        f.write_str(&arcs.join("."))
    }
}

/// Why a text is not a [`HardwareType`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HardwareTypeError {
    /// Not an OID.
    #[error(
        "write an object identifier of at least three arcs, for example 1.3.6.1.4.1.PEN.1 with your own enterprise number"
    )]
    Form,
    /// For examples in documents: two manufacturers would use the same.
    #[error(
        "this object identifier is for examples only; use one below your own enterprise number (IANA gives them away), or \
         2.23.133.1.2 for a TPM 2.0"
    )]
    Example,
}

/// Arcs that documents use as examples: R-AR-13, ITU-T X.660 (2.999), RFC 5612 (enterprise 32473).
const EXAMPLES: [&[u64]; 3] = [&[1, 2, 3], &[2, 999], &[1, 3, 6, 1, 4, 1, 32473]];

/// The longest OID: real ones have about ten arcs.
const ARCS_MAX: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hardware_type_is_an_oid_that_somebody_owns() {
        for good in ["1.3.6.1.4.1.4128.7.1", "2.23.133.1.2", "2.23.133.1.0", "1.2.840.113549.1"] {
            assert_eq!(good.parse::<HardwareType>().unwrap().to_string(), good);
        }
    }

    #[test]
    fn an_example_arc_is_refused() {
        for example in ["1.2.3.4", "1.2.3", "2.999.1", "1.3.6.1.4.1.32473.5"] {
            assert_eq!(
                example.parse::<HardwareType>(),
                Err(HardwareTypeError::Example),
                "{example} (R-AR-13)"
            );
        }
    }

    #[test]
    fn what_is_not_an_oid_is_refused() {
        for bad in [
            "",
            "1",
            "1.2",
            "1.40.1",
            "3.1.1",
            "1.2.x",
            "1..2",
            "1.02.1",
            "1.2.3.",
            "1.2.99999999999999999999",
        ] {
            assert_eq!(bad.parse::<HardwareType>(), Err(HardwareTypeError::Form), "{bad}");
        }
    }
}
