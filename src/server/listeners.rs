//! Opens the sockets on which a server accepts connections.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};

use crate::config::ListenAddress;
use crate::error::StartError;

/// The sockets with their addresses; at least one.
#[derive(Debug)]
pub(super) struct Listeners {
    pub(super) sockets: Vec<TcpListener>,
    pub(super) addresses: Vec<SocketAddr>,
}

/// Listens on all addresses that are meant, at least on one. An address that the machine does not have is left out.
pub(super) fn open(listen: &ListenAddress) -> Result<Listeners, StartError> {
    let failed = |source| StartError::Listen { address: listen.to_string(), source };
    let (mut sockets, mut addresses): (Vec<TcpListener>, Vec<SocketAddr>) = (Vec::new(), Vec::new());
    let mut missing = io::Error::from(ErrorKind::AddrNotAvailable);
    for mut address in listen.resolve().map_err(failed)? {
        let first = addresses.first().copied();
        if let Some(first) = first {
            // Any free port is the same one for all.
            address.set_port(first.port());
        }
        match bind(address) {
            Ok(socket) => {
                addresses.push(socket.local_addr().map_err(failed)?);
                sockets.push(socket);
            }
            // The IPv6 socket of all interfaces serves IPv4 too; the free port of the first address may be in use at
            // the others.
            Err(error)
                if error.kind() == ErrorKind::AddrInUse
                    && first.is_some()
                    && (listen.is_any() || listen.port() == 0) => {}
            Err(error) if is_missing(&error) => missing = error,
            Err(error) => return Err(failed(error)),
        }
    }
    if sockets.is_empty() { Err(failed(missing)) } else { Ok(Listeners { sockets, addresses }) }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Whether the machine has no such address, or no such version of IP.
fn is_missing(error: &io::Error) -> bool {
    error.kind() == ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    fn opened(text: &str) -> Vec<SocketAddr> {
        let listeners = open(&text.parse().unwrap()).unwrap();
        for address in &listeners.addresses {
            TcpStream::connect(address).unwrap();
        }
        listeners.addresses
    }

    #[test]
    fn a_name_and_all_interfaces_have_one_port() {
        // Proves that every address of a name is listened on with one port, and that all interfaces include those of IPv4.
        let local = opened("localhost:0");
        assert!(local.iter().all(|address| address.ip().is_loopback() && address.port() == local[0].port()));
        let listeners = open(&":0".parse().unwrap()).unwrap();
        let port = listeners.addresses[0].port();
        TcpStream::connect(("127.0.0.1", port)).unwrap();
    }

    #[test]
    fn a_port_in_use_is_refused_and_so_is_a_foreign_address() {
        // Proves that no address of a name is left out because another process listens there.
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        for text in [format!("127.0.0.1:{port}"), format!("localhost:{port}"), format!(":{port}")] {
            let error = open(&text.parse().unwrap()).unwrap_err();
            let StartError::Listen { address, source } = &error else { panic!("{error:?}") };
            assert_eq!((address, source.kind()), (&text, ErrorKind::AddrInUse));
        }
        let foreign = open(&"192.0.2.1:0".parse().unwrap()).unwrap_err();
        assert!(
            matches!(foreign, StartError::Listen { source, .. } if source.kind() == ErrorKind::AddrNotAvailable)
        );
    }
}
