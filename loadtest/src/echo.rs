//! The echo server of the ceiling E(c,d), in a child process. It answers each frame of commands with one frame of as
//! many outcomes. It decides, stores and writes nothing.

use crate::children::Ready;
use crate::exit::{Exit, Failure};
use crate::{output, serve};
use anyhow::anyhow;
use stockhold_protocol::frame::{self, FrameKind, Header};
use stockhold_protocol::handshake::Welcome;
use stockhold_protocol::limits::{FRAME_BODY_BYTES_MAX, FRAME_HEADER_BYTES};
use stockhold_protocol::{Code, Outcome};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};

/// The size of the input buffer: the largest frame.
const INPUT_BYTES: usize = FRAME_BODY_BYTES_MAX + FRAME_HEADER_BYTES;

/// Serves until standard input is closed.
pub(crate) fn serve_echo() -> Result<Exit, Failure> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
    output::line(&serde_json::to_string(&Ready {
        address: listener.local_addr()?,
        storage: None,
        recovery: None,
    })?)?;
    std::thread::Builder::new().name("parent".to_owned()).spawn(move || {
        serve::wait_for_parent();
        std::process::exit(i32::from(Exit::Fine.number()));
    })?;
    // The accept loop is a task of its own, because waking the future of `block_on` itself is more expensive.
    let accepting = runtime.spawn_local(accept(listener));
    runtime.block_on(accepting)??;
    Ok(Exit::Fine)
}

async fn accept(listener: TcpListener) -> std::io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        // An error ends only its own connection.
        drop(tokio::task::spawn_local(async move { drop(echo(stream).await) }));
    }
}

async fn echo(mut stream: TcpStream) -> Result<(), anyhow::Error> {
    let (mut input, mut used) = (vec![0; INPUT_BYTES], 0);
    let mut output = Vec::new();
    loop {
        let room = input.get_mut(used..).unwrap_or_default();
        match stream.read(room).await? {
            0 => return Ok(()),
            count => used += count,
        }
        let taken = answer_all(input.get(..used).unwrap_or_default(), &mut output)?;
        input.copy_within(taken..used, 0);
        used -= taken;
        stream.write_all(&output).await?;
        output.clear();
    }
}

/// Appends an answer to each complete frame of `input`. Returns the length of these frames.
fn answer_all(input: &[u8], output: &mut Vec<u8>) -> Result<usize, anyhow::Error> {
    let mut taken = 0;
    while let Some((frame, length)) = frame::parse(&input[taken..], FRAME_BODY_BYTES_MAX)? {
        taken += length;
        let header = frame.header;
        let start = frame::begin(output);
        let answer = match header.kind {
            FrameKind::Hello => {
                welcome().encode(output)?;
                Header::new(FrameKind::Welcome, 0, 0)
            }
            FrameKind::Commands => {
                for index in 0..header.count {
                    Outcome::new(Code::Ok, 0, header.request).encode(index, output);
                }
                Header::new(FrameKind::Outcomes, header.request, header.count)
            }
            FrameKind::Welcome
            | FrameKind::Error
            | FrameKind::Outcomes
            | FrameKind::Checks
            | FrameKind::Cells
            | FrameKind::Resolve
            | FrameKind::Resolved
            | FrameKind::Query
            | FrameKind::Answer
            | FrameKind::Goodbye => return Err(anyhow!("the echo server only answers commands")),
        };
        frame::finish(answer, start, output);
    }
    Ok(taken)
}

fn welcome() -> Welcome {
    Welcome { time_ms: 1_763_800_000_000, server: "echo".to_owned(), ..Welcome::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_gets_one_outcome_and_a_cut_frame_waits() {
        // Proves that the answer has the size of a real one, and that consecutive frames are parsed.
        let (mut input, mut output) = (Vec::new(), Vec::new());
        frame::append(Header::new(FrameKind::Commands, 7, 3), b"any records", &mut input);
        let whole = input.len();
        frame::append(Header::new(FrameKind::Commands, 8, 1), b"more", &mut input);
        assert_eq!(answer_all(&input[..input.len() - 1], &mut output).unwrap(), whole);
        let (frame, length) = frame::parse(&output, FRAME_BODY_BYTES_MAX).unwrap().unwrap();
        assert_eq!(
            (frame.header.kind, frame.header.request, frame.header.count),
            (FrameKind::Outcomes, 7, 3)
        );
        assert_eq!((length, frame.body.len()), (output.len(), 3 * stockhold_protocol::limits::OUTCOME_BYTES));
    }
}
