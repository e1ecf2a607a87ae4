//! Where a server listens, as it is written: a host and a port, or a port of all interfaces. It is resolved when the
//! server starts.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// `HOST:PORT`, or `:PORT` for all interfaces of the machine. An IPv6 address is in brackets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ListenAddress {
    /// Without brackets; empty for all interfaces.
    host: String,
    port: u16,
}

/// The text is no address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "write HOST:PORT, such as 127.0.0.1:7411, localhost:7411 or [::1]:7411, or :7411 for all interfaces of this machine"
)]
pub struct ListenAddressError;

impl ListenAddress {
    /// The port; 0 means any free port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Whether all interfaces of the machine are meant.
    #[must_use]
    pub const fn is_any(&self) -> bool {
        self.host.is_empty()
    }

    /// The addresses to listen on, in the order of trying. For a name, these are all that it has, those of IPv4 first.
    ///
    /// # Errors
    /// The name cannot be resolved.
    pub fn resolve(&self) -> std::io::Result<Vec<SocketAddr>> {
        if self.is_any() {
            // Where the system has both versions, an IPv6 socket serves both.
            let all = [IpAddr::from(Ipv6Addr::UNSPECIFIED), IpAddr::from(Ipv4Addr::UNSPECIFIED)];
            return Ok(all.map(|ip| SocketAddr::new(ip, self.port)).to_vec());
        }
        let mut addresses: Vec<_> = (self.host.as_str(), self.port).to_socket_addrs()?.collect();
        addresses.sort_by_key(SocketAddr::is_ipv6);
        addresses.dedup();
        Ok(addresses)
    }
}

impl FromStr for ListenAddress {
    type Err = ListenAddressError;

    fn from_str(text: &str) -> Result<Self, ListenAddressError> {
        let (host, port) = text.rsplit_once(':').ok_or(ListenAddressError)?;
        let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|_| is_number).ok_or(ListenAddressError)?;
        let host = match host.strip_prefix('[').map(|rest| rest.strip_suffix(']')) {
            Some(Some(inside)) if inside.parse::<Ipv6Addr>().is_ok() => inside,
            Some(_) => return Err(ListenAddressError),
            None => host,
        };
        let is_name = |c: char| c.is_alphanumeric() || "-._".contains(c);
        if host.parse::<Ipv6Addr>().is_err() && !host.chars().all(is_name)
            || (host.contains(':') && !text.starts_with('['))
        {
            return Err(ListenAddressError);
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl From<SocketAddr> for ListenAddress {
    fn from(address: SocketAddr) -> Self {
        Self { host: address.ip().to_string(), port: address.port() }
    }
}

impl TryFrom<String> for ListenAddress {
    type Error = ListenAddressError;

    fn try_from(text: String) -> Result<Self, ListenAddressError> {
        text.parse()
    }
}

impl From<ListenAddress> for String {
    fn from(address: ListenAddress) -> Self {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written_as_they_are() {
        // Proves each form, and that text without a host, a port or brackets is refused.
        for text in
            ["127.0.0.1:7411", "localhost:0", ":7501", "[::1]:65535", "[::]:1", "db-1.shop_eu.internal:80"]
        {
            assert_eq!(text.parse::<ListenAddress>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "7411",
            "localhost",
            "localhost:",
            ":",
            "::1:7411",
            "[::1]",
            "[x]:1",
            "a b:1",
            "a/b:1",
            ":65536",
            ":-1",
            ":+1",
        ] {
            assert_eq!(text.parse::<ListenAddress>(), Err(ListenAddressError), "{text}");
        }
    }

    #[test]
    fn names_and_all_interfaces_become_addresses() {
        // Proves that IPv4 comes first for a name, and that all interfaces are those of both versions.
        let of = |text: &str| text.parse::<ListenAddress>().unwrap().resolve().unwrap();
        assert_eq!(of("127.0.0.1:5"), [SocketAddr::from(([127, 0, 0, 1], 5))]);
        assert_eq!(of("localhost:5").first(), Some(&SocketAddr::from(([127, 0, 0, 1], 5))));
        assert_eq!(of(":5").iter().map(SocketAddr::is_ipv6).collect::<Vec<_>>(), [true, false]);
        assert!(of(":5").iter().all(|address| address.ip().is_unspecified()));
    }
}
