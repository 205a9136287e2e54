//! Port numbers, and the ones that are used when the manifest says nothing.
//!
//! A [`Port`] is never 0, in TCP or in vsock, so nothing listens on "any port" by accident.

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use std::fmt;
use std::num::NonZeroU16;

/// A port from 1 to 65535. The same type serves loopback TCP and vsock: Odyn uses no vsock port above 16 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port(NonZeroU16);

impl Port {
    /// Where the enclave tells its status (contract section 4).
    pub const STATUS: Port = Port::known(17000);
    /// Where the enclave serves the log (contract section 4).
    pub const LOG: Port = Port::known(17001);
    /// Where the host accepts egress requests (contract section 4).
    pub const HOST_EGRESS: Port = Port::known(17002);
    /// Where the egress proxy listens (contract section 2).
    pub const EGRESS_PROXY: Port = Port::known(10000);
    /// Where plain HTTP goes when its URL names no port.
    pub const HTTP: Port = Port::known(80);
    /// Where `https` is by default.
    pub const HTTPS: Port = Port::known(443);
    /// Where the light client answers JSON-RPC (contract section 2).
    pub const HELIOS: Port = Port::known(8545);

    /// The port of this number; `None` for 0.
    pub const fn new(number: u16) -> Option<Port> {
        match NonZeroU16::new(number) {
            Some(number) => Some(Port(number)),
            None => None,
        }
    }

    /// The number, 1 to 65535.
    pub const fn number(self) -> u16 {
        self.0.get()
    }

    /// The port above this one; `None` above 65535.
    pub fn next(self) -> Option<Port> {
        self.0.checked_add(1).map(Port)
    }

    /// For the constants above: a 0 there stops the build, not the enclave.
    #[expect(clippy::expect_used, reason = "evaluated by the compiler only")]
    const fn known(number: u16) -> Port {
        Port::new(number).expect("a well-known port is not 0")
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Port {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Port, D::Error> {
        deserializer.deserialize_u16(PortVisitor)
    }
}

struct PortVisitor;

impl Visitor<'_> for PortVisitor {
    type Value = Port;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a port number from 1 to 65535")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Port, E> {
        u16::try_from(number)
            .ok()
            .and_then(Port::new)
            .ok_or_else(|| E::custom(format_args!("{number} is not a port: ports go from 1 to 65535")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_not_a_port_and_the_last_port_has_no_next() {
        assert_eq!(Port::new(0), None);
        assert_eq!(Port::new(65535).and_then(Port::next), None);
        assert_eq!(Port::STATUS.next(), Some(Port::LOG));
    }

    #[test]
    fn a_manifest_number_is_a_port_only_from_1_to_65535() {
        let read = |text: &str| serde_yaml::from_str::<Port>(text).map_err(|e| e.to_string());
        assert_eq!(read("1").unwrap().number(), 1);
        assert_eq!(read("65535").unwrap().number(), 65535);
        assert_eq!(read("0").unwrap_err(), "0 is not a port: ports go from 1 to 65535");
        assert_eq!(read("65536").unwrap_err(), "65536 is not a port: ports go from 1 to 65535");
        assert_eq!(read("-1").unwrap_err(), "invalid type: integer `-1`, expected a port number from 1 to 65535");
        assert!(read("'80'").unwrap_err().contains("expected a port number"), "a quoted number is text");
        assert!(read("80.0").unwrap_err().contains("expected a port number"), "a fraction is no port");
    }
}
