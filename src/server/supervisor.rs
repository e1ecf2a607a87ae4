//! Tells the process that supervises the server (systemd, `Type=notify`) when it is ready and when it stops. Without
//! such a process nothing is told. There is no watchdog: a disk that does not answer for a while must not have the
//! server killed in the middle of a write.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The environment variable with the socket of the supervisor.
const SOCKET_VARIABLE: &str = "NOTIFY_SOCKET";

/// The process that supervises this one, if there is one.
#[derive(Debug)]
pub struct Supervisor {
    socket: Option<(UnixDatagram, SocketAddr)>,
}

impl Supervisor {
    /// No supervisor.
    #[must_use]
    pub const fn none() -> Self {
        Self { socket: None }
    }

    /// The supervisor that the environment names.
    #[must_use]
    pub fn from_environment() -> Self {
        let named = std::env::var_os(SOCKET_VARIABLE).filter(|name| !name.is_empty());
        let Some(name) = named else { return Self::none() };
        match connect(&name) {
            Ok(socket) => Self { socket: Some(socket) },
            Err(error) => {
                tracing::warn!(%error, ?name, "{SOCKET_VARIABLE} names no socket, so no supervisor is told anything");
                Self::none()
            }
        }
    }

    /// The server accepts connections.
    pub fn ready(&self) {
        self.tell("READY=1\nSTATUS=accepting connections");
    }

    /// The server has been asked to stop, or must.
    pub fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=stopping");
    }

    /// What the server does, for people.
    pub fn status(&self, text: &str) {
        self.tell(&format!("STATUS={text}"));
    }

    fn tell(&self, message: &str) {
        let Some((socket, address)) = &self.socket else { return };
        if let Err(error) = socket.send_to_addr(message.as_bytes(), address) {
            tracing::warn!(%error, "the supervisor could not be told: {message}");
        }
    }
}

fn connect(name: &OsStr) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match name.as_bytes().split_first() {
        Some((b'@', rest)) => SocketAddr::from_abstract_name(rest)?,
        _ => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    // A supervisor that does not read must not hold the server up.
    socket.set_nonblocking(true)?;
    Ok((socket, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_supervisor_is_told_at_a_path_and_at_an_abstract_name() {
        // Proves both forms of the address, and that a socket that is gone does no harm.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let at_path = UnixDatagram::bind(&path).unwrap();
        let hidden = format!("stockhold-test-{}", std::process::id());
        let abstract_address = SocketAddr::from_abstract_name(&hidden).unwrap();
        let at_name = UnixDatagram::bind_addr(&abstract_address).unwrap();
        let name = format!("@{hidden}");
        for (name, receiver) in [(path.as_os_str(), at_path), (OsStr::new(&name), at_name)] {
            let supervisor = Supervisor { socket: Some(connect(name).unwrap()) };
            supervisor.ready();
            supervisor.stopping();
            let mut buffer = [0; 100];
            let mut next = || {
                let length = receiver.recv(&mut buffer).unwrap();
                String::from_utf8(buffer[..length].to_vec()).unwrap()
            };
            assert!(next().starts_with("READY=1\n"));
            assert!(next().starts_with("STOPPING=1\n"));
            drop(receiver);
            supervisor.status("nobody listens");
        }
        Supervisor::none().ready();
    }
}
