//! Redis as a peer: a Lua script reserves each cart exactly once. It is called by its hash and pipelined. Each sample
//! gets a fresh server and directory, so that no sample depends on an earlier one.

use super::closed_loop::{self, Cart, Connection, Load, Loaded};
use super::program::{self, End, PeerProcess, START_MAX, START_POLL};
use super::resp::{self, Reply};
use crate::exit::Failure;
use crate::system::resident_bytes;
use anyhow::{Context as _, anyhow};
use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const SCRIPT: &str = include_str!("reserve.lua");
/// Units of each SKU: more than any sample can sell.
const UNITS: i64 = 1_000_000_000;
/// The size of the reply buffer: more than one frame of replies.
const INPUT_BYTES: usize = 65_536;
/// Settings for the allocators with which Redis is built: faulted-in memory is kept, for values of any size. jemalloc
/// reads one of the two names, depending on its build.
const KEEPING: &str = "narenas:1,dirty_decay_ms:-1,muzzy_decay_ms:-1,lg_extent_max_active_fit:63";
const KEEPING_NAMES: [&str; 2] = ["MALLOC_CONF", "JE_MALLOC_CONF"];
/// The size of the values with which Redis fills its memory before it deletes them.
const FILLER_BYTES: u64 = 1 << 20;
/// Options that do not depend on the sample. Log rewrites, which a long run would have to pay for, are avoided.
const OPTIONS: [&str; 10] = [
    "--bind",
    "127.0.0.1",
    "--save",
    "",
    "--appendonly",
    "yes",
    "--auto-aof-rewrite-percentage",
    "0",
    "--maxclients",
    "4096",
];

/// An installed Redis.
#[derive(Debug)]
pub(crate) struct Redis {
    program: PathBuf,
    pub(crate) version: String,
}

/// When Redis syncs its log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Syncing {
    EverySecond,
    /// Before every answer.
    Always,
}

impl Syncing {
    const fn option(self) -> &'static str {
        match self {
            Self::EverySecond => "everysec",
            Self::Always => "always",
        }
    }
}

impl Redis {
    pub(crate) fn find() -> Result<Self, Failure> {
        let program = program::required("redis-server", &[])?;
        let version = program::version(&program)?;
        Ok(Self { program, version })
    }

    /// The settings, for the report.
    pub(crate) fn settings(syncing: Syncing) -> String {
        format!(
            "Lua script by EVALSHA, pipelined; appendonly yes, appendfsync {}, save \"\", no rewrites; one server per sample",
            syncing.option()
        )
    }

    /// Measures one sample in `directory` and checks the sums.
    pub(crate) fn sample(&self, directory: &Path, syncing: Syncing, load: &Load) -> Result<Loaded, Failure> {
        std::fs::create_dir_all(directory)?;
        let port = program::free_port()?;
        let port_text = port.to_string();
        let mut words: Vec<&OsStr> = OPTIONS.iter().map(OsStr::new).collect();
        words.extend(["--appendfsync", syncing.option(), "--port", &port_text, "--dir"].map(OsStr::new));
        words.push(directory.as_os_str());
        let keeping = load.touch_mib.map(|_| KEEPING_NAMES.map(|name| (name, KEEPING.to_owned())));
        let environment = keeping.as_ref().map(<[_; 2]>::as_slice).unwrap_or_default();
        let mut process = PeerProcess::start(&self.program, words, End::Terminate, None, environment)?;
        let runtime = closed_loop::runtime()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut control = runtime.block_on(wait_for(address, &mut process))?;
        if let Some(mib) = load.touch_mib {
            runtime.block_on(fill_and_empty(&mut control, mib))?;
            check_kept(resident_bytes(process.pid()), mib)?;
        }
        let script = Rc::new(runtime.block_on(set_up(&mut control, load.skus))?);
        let connections = runtime.block_on(async {
            let mut connections = Vec::new();
            for _ in 0..load.connections {
                connections.push(Shopper { wire: Wire::connect(address).await?, script: Rc::clone(&script) });
            }
            Ok::<_, anyhow::Error>(connections)
        })?;
        let loaded = closed_loop::run(&runtime, connections, load, process.pid())?;
        runtime.block_on(add_up(&mut control, load.skus, loaded.granted))?;
        drop(control);
        process.stop()?;
        std::fs::remove_dir_all(directory)?;
        Ok(Loaded { touched_mib: load.touch_mib.map(u64::from), ..loaded })
    }
}

/// Connects as soon as the server answers.
async fn wait_for(address: SocketAddr, process: &mut PeerProcess) -> Result<Wire, Failure> {
    let until = Instant::now() + START_MAX;
    while Instant::now() < until {
        if process.has_ended()? {
            return Err(anyhow!("redis-server ended at once").into());
        }
        if let Ok(mut wire) = Wire::connect(address).await {
            resp::command(&[b"PING"], &mut wire.output);
            let mut is_there = false;
            wire.exchange(1, |reply| {
                is_there = reply == Reply::Simple(b"PONG");
                Ok(())
            })
            .await?;
            if is_there {
                return Ok(wire);
            }
        }
        tokio::time::sleep(START_POLL).await;
    }
    Err(anyhow!("redis-server did not answer within {START_MAX:?}").into())
}

/// Makes Redis fault in this much memory, which it keeps. The values are deleted one by one, because deleting all at
/// once would return the memory to the system, whatever the allocator's settings.
async fn fill_and_empty(control: &mut Wire, mib: u32) -> Result<(), anyhow::Error> {
    let last = (FILLER_BYTES - 1).to_string();
    let key = |filler: u32| format!("f:{filler}");
    for filler in 0..mib {
        resp::command(&[b"SETRANGE", key(filler).as_bytes(), last.as_bytes(), b"x"], &mut control.output);
    }
    control.exchange(mib, |reply| expect(matches!(reply, Reply::Integer(_)), reply)).await?;
    for filler in 0..mib {
        resp::command(&[b"DEL", key(filler).as_bytes()], &mut control.output);
    }
    control.exchange(mib, |reply| expect(reply == Reply::Integer(1), reply)).await
}

/// Checks that the allocator has kept the memory. Otherwise the report would be wrong about it.
fn check_kept(resident: Option<u64>, mib: u32) -> Result<(), anyhow::Error> {
    match resident {
        Some(resident) if resident < u64::from(mib) << 20 => {
            Err(anyhow!("Redis kept {} MiB of the {mib} MiB that it touched", resident >> 20))
        }
        Some(_) | None => Ok(()),
    }
}

/// Fills the stock of every SKU and loads the script.
async fn set_up(control: &mut Wire, skus: u32) -> Result<Script, anyhow::Error> {
    for sku in 0..skus {
        let units = UNITS.to_string();
        resp::command(&[b"SET", sku_key(sku).as_bytes(), units.as_bytes()], &mut control.output);
    }
    control.exchange(skus, |reply| expect(reply == Reply::Simple(b"OK"), reply)).await?;
    resp::command(&[b"SCRIPT", b"LOAD", SCRIPT.as_bytes()], &mut control.output);
    let mut hash = Vec::new();
    control
        .exchange(1, |reply| {
            if let Reply::Bulk(Some(bytes)) = reply {
                hash.extend_from_slice(bytes);
            }
            expect(!hash.is_empty(), reply)
        })
        .await?;
    Ok(Script::new(&hash, skus))
}

/// Checks that every unit that was taken belongs to an answered grant and to a stored record.
async fn add_up(control: &mut Wire, skus: u32, granted: u64) -> Result<(), anyhow::Error> {
    for sku in 0..skus {
        resp::command(&[b"GET", sku_key(sku).as_bytes()], &mut control.output);
    }
    let mut taken = 0;
    control
        .exchange(skus, |reply| {
            let Reply::Bulk(Some(text)) = reply else { return expect(false, reply) };
            let left: i64 = std::str::from_utf8(text)?.parse()?;
            taken += UNITS - left;
            Ok(())
        })
        .await?;
    resp::command(&[b"DBSIZE"], &mut control.output);
    let mut keys = 0;
    control
        .exchange(1, |reply| {
            if let Reply::Integer(count) = reply {
                keys = count;
            }
            Ok(())
        })
        .await?;
    let (kept, granted) = (keys - i64::from(skus), i64::try_from(granted)?);
    if (taken, kept) != (granted, granted) {
        return Err(anyhow!("Redis granted {granted} units, took {taken} and keeps {kept} reservations"));
    }
    Ok(())
}

fn expect(is_so: bool, reply: Reply<'_>) -> Result<(), anyhow::Error> {
    if is_so {
        return Ok(());
    }
    Err(match reply {
        Reply::Error(text) => anyhow!("Redis answered: {}", text.escape_ascii()),
        Reply::Simple(_) | Reply::Integer(_) | Reply::Bulk(_) => anyhow!("Redis answered {reply:?}"),
    })
}

fn sku_key(sku: u32) -> String {
    format!("s:{sku}")
}

/// The parts of a call that are the same in every frame, encoded once.
#[derive(Debug)]
struct Script {
    /// The call up to its keys.
    head: Vec<u8>,
    /// The key of the units left, by the position of the SKU.
    sku_words: Vec<Vec<u8>>,
    /// The wanted units and the record, by the position of the SKU.
    tails: Vec<Vec<u8>>,
}

impl Script {
    fn new(hash: &[u8], skus: u32) -> Self {
        let mut head = Vec::new();
        resp::begin(7, &mut head);
        for bytes in [b"EVALSHA", hash, b"2"] {
            resp::word(bytes, &mut head);
        }
        let sku_word = |sku| {
            let mut word = Vec::new();
            resp::word(sku_key(sku).as_bytes(), &mut word);
            word
        };
        let tail = |sku| {
            let mut tail = Vec::new();
            resp::word(b"1", &mut tail);
            resp::word(format!("promised:1:{}", sku_key(sku)).as_bytes(), &mut tail);
            tail
        };
        Self { head, sku_words: (0..skus).map(sku_word).collect(), tails: (0..skus).map(tail).collect() }
    }

    fn call(&self, cart: &Cart, output: &mut Vec<u8>) {
        let part = |parts: &[Vec<u8>], output: &mut Vec<u8>| {
            let at = usize::try_from(cart.sku).ok().and_then(|at| parts.get(at));
            output.extend_from_slice(at.map(Vec::as_slice).unwrap_or_default());
        };
        let mut key = *b"r:................";
        key[2..].copy_from_slice(&cart.id.to_bytes());
        output.extend_from_slice(&self.head);
        part(&self.sku_words, output);
        resp::word(&key, output);
        part(&self.tails, output);
    }
}

/// A connection that reserves carts.
#[derive(Debug)]
struct Shopper {
    wire: Wire,
    script: Rc<Script>,
}

impl Connection for Shopper {
    async fn reserve(&mut self, carts: &[Cart]) -> Result<usize, anyhow::Error> {
        for cart in carts {
            self.script.call(cart, &mut self.wire.output);
        }
        let mut granted = 0;
        let count = u32::try_from(carts.len())?;
        self.wire
            .exchange(count, |reply| {
                granted += usize::from(reply == Reply::Integer(1));
                expect(matches!(reply, Reply::Integer(_)), reply)
            })
            .await?;
        Ok(granted)
    }
}

/// Bytes to and from Redis.
#[derive(Debug)]
struct Wire {
    stream: TcpStream,
    /// Commands that the next exchange sends.
    output: Vec<u8>,
    input: Vec<u8>,
    used: usize,
}

impl Wire {
    async fn connect(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, output: Vec::new(), input: vec![0; INPUT_BYTES], used: 0 })
    }

    /// Sends the contents of `output` and takes this many replies.
    async fn exchange(
        &mut self,
        replies: u32,
        mut take: impl FnMut(Reply<'_>) -> Result<(), anyhow::Error>,
    ) -> Result<(), anyhow::Error> {
        self.stream.write_all(&self.output).await.context("cannot write to Redis")?;
        self.output.clear();
        let mut left = replies;
        while left > 0 {
            let room = self.input.get_mut(self.used..).unwrap_or_default();
            match self.stream.read(room).await.context("cannot read from Redis")? {
                0 => return Err(anyhow!("Redis has closed a connection")),
                count => self.used += count,
            }
            let mut taken = 0;
            while let Some((reply, length)) = resp::parse(&self.input[taken..self.used])? {
                take(reply)?;
                taken += length;
                left = left
                    .checked_sub(1)
                    .ok_or_else(|| anyhow!("Redis sent more replies than there were commands"))?;
            }
            self.input.copy_within(taken..self.used, 0);
            self.used -= taken;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stockhold_protocol::CommandId;

    #[test]
    fn a_call_holds_the_cart_and_nothing_else_changes() {
        // Proves that the prepared parts and the id together form one command of the protocol.
        let script = Script::new(&[b'a'; 40], 3);
        let id = CommandId::from_parts(5, 6);
        let mut output = Vec::new();
        script.call(&Cart { id, sku: 2 }, &mut output);
        let mut expected = Vec::new();
        let key = [b"r:", id.to_bytes().as_slice()].concat();
        let words: [&[u8]; 7] = [b"EVALSHA", &[b'a'; 40], b"2", b"s:2", &key, b"1", b"promised:1:s:2"];
        resp::command(&words, &mut expected);
        assert_eq!(output, expected);
    }
}
