//! A relay between a client and a server that records both directions, for tests of the bytes on the wire.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use stockhold_protocol::fields::{Unknown, decode_fields};
use stockhold_protocol::frame::{FrameKind, parse};
use stockhold_protocol::handshake::{Hello, Versions, Welcome};
use stockhold_protocol::limits::{FRAME_BODY_BYTES_MAX, FRAME_HEADER_BYTES};

/// The bytes that one side of a connection has sent.
type Said = Arc<Mutex<Vec<u8>>>;

/// A running relay.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) address: String,
    /// For each connection, the bytes of the client and of the server.
    connections: Arc<Mutex<Vec<(Said, Said)>>>,
}

impl Relay {
    /// Starts a relay to a server. It ends with the test program.
    pub(crate) fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let connections = Arc::new(Mutex::new(Vec::new()));
        let (server, kept) = (server.to_owned(), Arc::clone(&connections));
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let server = TcpStream::connect(&server).unwrap();
                let said = (Said::default(), Said::default());
                kept.lock().unwrap().push((Arc::clone(&said.0), Arc::clone(&said.1)));
                let (client_too, server_too) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || pass_on(client, server, &said.0));
                thread::spawn(move || pass_on(server_too, client_too, &said.1));
            }
        });
        Self { address, connections }
    }

    /// Checks that all connections agreed on this version, that each frame has it, and that client and server offered
    /// these versions.
    pub(crate) fn check(&self, agreed: u8, client: Versions, server: Versions) {
        let connections = self.connections.lock().unwrap();
        assert!(!connections.is_empty(), "nobody called");
        for (by_client, by_server) in connections.iter() {
            let (by_client, by_server) = (by_client.lock().unwrap(), by_server.lock().unwrap());
            let hello: Hello =
                decode_fields(&first_body(&by_client, FrameKind::Hello), Unknown::Skip).unwrap();
            let welcome: Welcome =
                decode_fields(&first_body(&by_server, FrameKind::Welcome), Unknown::Skip).unwrap();
            assert_eq!(hello.versions(), client);
            assert_eq!(Versions { min: welcome.version_min, max: welcome.version_max }, server);
            assert_eq!(welcome.version, agreed);
            assert!(check_frames(&by_client, agreed) > 0 && check_frames(&by_server, agreed) > 0);
        }
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, said: &Said) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(read) = from.read(&mut bytes)
        && read > 0
    {
        said.lock().unwrap().extend_from_slice(&bytes[..read]);
        if to.write_all(&bytes[..read]).is_err() {
            break;
        }
    }
    // The other side may have closed already.
    to.shutdown(std::net::Shutdown::Write).ok();
}

fn first_body(said: &[u8], kind: FrameKind) -> Vec<u8> {
    let (frame, _) = parse(said, FRAME_BODY_BYTES_MAX).unwrap().unwrap();
    assert_eq!(frame.header.kind, kind);
    frame.body.to_vec()
}

/// Checks the version of each frame after the handshake and returns their number. It decodes the headers by hand,
/// because this release cannot decode frames of later versions.
fn check_frames(mut said: &[u8], agreed: u8) -> usize {
    let mut frames = 0;
    while said.len() >= FRAME_HEADER_BYTES {
        let length = u32::from_le_bytes(said[4..8].try_into().unwrap());
        if frames > 0 {
            assert_eq!(said[2], agreed, "frame {frames} has another version");
        }
        frames += 1;
        said = &said[FRAME_HEADER_BYTES + usize::try_from(length).unwrap()..];
    }
    assert!(said.is_empty(), "a frame is cut");
    frames - 1
}
