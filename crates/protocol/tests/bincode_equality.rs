//! The cold format is bincode's, not merely one like it: bincode 2.0.1 and this crate write the same bytes
//! and read each other's, for every cold type.
//!
//! Every cold type has a mirror here that bincode's own derives encode. A mirror also fixes the order and
//! width of fields: a field that is added, moved or widened in the protocol no longer agrees with it.
#![expect(clippy::unwrap_used, reason = "these are tests; a failed step must stop them")]

use crate::drawn::{Draw, Source};
use crate::mirror as m;
use bincode::{Decode, Encode};
use stockhold_protocol::codec::{ColdConfig, decode_cold, encode_cold};
use stockhold_protocol::{command, handshake, outcome, query};
use wincode::{SchemaRead, SchemaWrite};

/// Values drawn per type: enough for every variant of every enum many times over.
const DRAWS: u64 = 300;

fn agree<M, T>()
where
    M: Draw + Encode + Decode<()> + PartialEq + std::fmt::Debug,
    T: for<'de> SchemaRead<'de, ColdConfig, Dst = T> + SchemaWrite<ColdConfig, Src = T>,
{
    let config = bincode::config::legacy();
    for seed in 0..DRAWS {
        let mirror = M::draw(&mut Source::new(seed));
        let by_bincode = bincode::encode_to_vec(&mirror, config).unwrap();
        let value: T = decode_cold(&by_bincode).unwrap_or_else(|error| panic!("{mirror:?}: {error}"));
        let mut by_wincode = Vec::new();
        encode_cold(&value, &mut by_wincode).unwrap();
        assert_eq!(by_wincode, by_bincode, "{mirror:?}");
        let (again, used): (M, usize) = bincode::decode_from_slice(&by_wincode, config).unwrap();
        assert_eq!((again, used), (mirror, by_wincode.len()));
    }
}

#[test]
fn handshake_and_names_agree_with_bincode() {
    // Proves it for the messages that open a connection.
    agree::<m::Hello, handshake::Hello>();
    agree::<m::Welcome, handshake::Welcome>();
    agree::<Vec<m::Name>, Vec<query::Name>>();
    agree::<Vec<Option<u32>>, Vec<Option<u32>>>();
    agree::<String, String>();
}

#[test]
fn catalog_commands_agree_with_bincode() {
    // Proves it for every cold command body.
    agree::<m::Count, command::Count>();
    agree::<m::Adjust, command::Adjust>();
    agree::<m::Transfer, command::Transfer>();
    agree::<m::SourceDefinition, command::SourceDefinition>();
    agree::<m::StockDefinition, command::StockDefinition>();
    agree::<m::SkuDefinition, command::SkuDefinition>();
    agree::<m::LinkDefinition, command::LinkDefinition>();
    agree::<m::LinkRemoval, command::LinkRemoval>();
    agree::<m::ChannelAssignment, command::ChannelAssignment>();
    agree::<m::SettingsChange, command::SettingsChange>();
    agree::<m::QuotaChange, command::QuotaChange>();
    agree::<m::Configure, command::Configure>();
    agree::<m::Mark, command::Mark>();
    agree::<u32, u32>();
}

#[test]
fn details_agree_with_bincode() {
    // Proves it for what outcomes add.
    agree::<m::Detail, outcome::Detail>();
}

#[test]
fn questions_and_answers_agree_with_bincode() {
    // Proves it for every view.
    agree::<m::Query, query::Query>();
    agree::<m::Answer, query::Answer>();
}
