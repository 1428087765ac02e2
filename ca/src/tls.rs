//! TLS towards stations, devices and people (DESIGN 4.10).

mod peer;

pub use peer::PeerCertificate;
