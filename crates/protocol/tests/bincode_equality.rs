//! The cold format is exactly bincode's: bincode 2.0.1 and this crate write the same bytes and read each other's, for
//! every cold type.
//!
//! Every cold type has a mirror here that bincode's own derives encode. A mirror also fixes the order and width of
//! the fields: a field that is added, moved or widened in the protocol no longer agrees with it.
#![expect(clippy::unwrap_used, reason = "these are tests; a failed step must stop them")]

use crate::mirror as m;
use crate::random_values::{Draw, Fields, Random};
use bincode::{Decode, Encode};
use stockhold_protocol::codec::{ColdConfig, decode_cold, encode_cold};
use stockhold_protocol::fields::{Tagged, Unknown, decode_fields, encode_fields};
use stockhold_protocol::{
    Command, CommandId, Envelope, Quantity, SkuId, SourceId, StockId, Timestamp, command, handshake, outcome,
    query,
};
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
        let mirror = M::draw(&mut Random::new(seed));
        let by_bincode = bincode::encode_to_vec(&mirror, config).unwrap();
        let value: T = decode_cold(&by_bincode).unwrap_or_else(|error| panic!("{mirror:?}: {error}"));
        let mut by_wincode = Vec::new();
        encode_cold(&value, &mut by_wincode).unwrap();
        assert_eq!(by_wincode, by_bincode, "{mirror:?}");
        let (again, used): (M, usize) = bincode::decode_from_slice(&by_wincode, config).unwrap();
        assert_eq!((again, used), (mirror, by_wincode.len()));
    }
}

fn agree_in_fields<M: Draw + Fields + std::fmt::Debug, T: Tagged>() {
    for seed in 0..DRAWS {
        let mirror = M::draw(&mut Random::new(seed));
        let mut by_bincode = Vec::new();
        mirror.put(&mut by_bincode);
        let value: T =
            decode_fields(&by_bincode, Unknown::Refuse).unwrap_or_else(|e| panic!("{mirror:?}: {e}"));
        let mut again = Vec::new();
        encode_fields(&value, &mut again).unwrap();
        assert_eq!(again, by_bincode, "{mirror:?}");
    }
}

#[test]
fn handshake_and_names_agree_with_bincode() {
    // Proves it for the messages that open a connection.
    agree_in_fields::<m::Hello, handshake::Hello>();
    agree_in_fields::<m::Welcome, handshake::Welcome>();
    agree::<Vec<m::Name>, Vec<query::Name>>();
    agree::<Vec<Option<u32>>, Vec<Option<u32>>>();
    agree::<String, String>();
}

#[test]
fn catalog_commands_agree_with_bincode() {
    // Proves it for every cold command body: the numbers of its fields, and bincode's bytes in each.
    agree_in_fields::<m::Count, command::Count>();
    agree_in_fields::<m::Adjust, command::Adjust>();
    agree_in_fields::<m::Transfer, command::Transfer>();
    agree_in_fields::<m::CountMany, command::CountMany>();
    agree_in_fields::<m::Assign, command::Assign>();
    agree_in_fields::<m::Unassign, command::Unassign>();
    agree_in_fields::<m::TransferMany, command::TransferMany>();
    agree_in_fields::<m::TransferLines, command::TransferLines>();
    agree_in_fields::<m::SourceDefinition, command::SourceDefinition>();
    agree_in_fields::<m::StockDefinition, command::StockDefinition>();
    agree_in_fields::<m::SkuDefinition, command::SkuDefinition>();
    agree_in_fields::<m::LinkDefinition, command::LinkDefinition>();
    agree_in_fields::<m::LinkRemoval, command::LinkRemoval>();
    agree_in_fields::<m::ChannelAssignment, command::ChannelAssignment>();
    agree_in_fields::<m::SettingsChange, command::SettingsChange>();
    agree_in_fields::<m::QuotaChange, command::QuotaChange>();
    agree_in_fields::<m::Notify, command::Notify>();
    agree_in_fields::<m::Freeze, command::Freeze>();
    agree_in_fields::<m::Rename, command::Rename>();
    agree_in_fields::<m::Configure, command::Configure>();
    agree_in_fields::<m::Mark, command::Mark>();
    agree_in_fields::<m::MarkRemoval, command::MarkRemoval>();
    agree_in_fields::<m::EpochStart, command::EpochStart>();
    agree_in_fields::<m::Readmit, command::Readmit>();
    agree_in_fields::<m::OrderEvent, command::OrderEvent>();
    agree_in_fields::<m::PlaceFailed, command::PlaceFailed>();
    agree_in_fields::<m::AppendReservations, command::AppendReservations>();
    agree_in_fields::<m::OrderStateReport, command::OrderStateReport>();
}

#[test]
fn commands_of_one_number_are_one_field() {
    // Proves the bodies that have no structure of their own.
    for (command, value) in [
        (Command::ActivateRules(7), &[7, 0, 0, 0][..]),
        (Command::WallOffset(-2), &[0xFE, 255, 255, 255, 255, 255, 255, 255]),
        (Command::AcceptClock(Timestamp(9)), &[9, 0, 0, 0, 0, 0, 0, 0]),
    ] {
        let mut record = Vec::new();
        let id = if command.is_of_servers() { CommandId::NONE } else { CommandId::from_parts(1, 1) };
        Envelope::new(id, command).encode(&mut record).unwrap();
        let head = [1, 0, u8::try_from(value.len()).unwrap(), 0, 0, 0];
        assert_eq!(record[20..], [&head, value].concat());
    }
}

#[test]
fn details_agree_with_bincode() {
    // Proves it for what outcomes add.
    agree::<m::Detail, outcome::Detail>();
}

#[test]
fn the_number_of_a_query_that_leaves_one_out_is_bincodes() {
    // Proves the bytes of the one variant whose number is not its place in the enum.
    for (after, limit) in [(None, 1), (Some(u64::MAX), 1_000)] {
        let query = query::Query::Marks { after, limit };
        let by_bincode = bincode::encode_to_vec((11_u32, after, limit), bincode::config::legacy()).unwrap();
        let mut by_wincode = Vec::new();
        encode_cold(&query, &mut by_wincode).unwrap();
        assert_eq!(by_wincode, by_bincode);
        assert_eq!(decode_cold::<query::Query>(&by_bincode).unwrap(), query);
    }
    assert!(decode_cold::<query::Query>(&9_u32.to_le_bytes()).is_err(), "9 is no query");
}

#[test]
fn the_filter_of_reservations_is_bincodes() {
    // Proves the bytes of a filter and of the numbers around it.
    let filter = query::ReservationFilter {
        sku: None,
        stock: Some(stockhold_protocol::StockId(9)),
        states: 3,
        is_promised: true,
        owner: Some(u64::MAX),
        older_than_ms: 60_000,
    };
    let query = query::Query::Reservations { filter, after: 77, limit: 20 };
    let fields = (13_u32, None::<u32>, Some(9_u32), 3_u8, true, Some(u64::MAX), 60_000_u64, 77_u64, 20_u32);
    let by_bincode = bincode::encode_to_vec(fields, bincode::config::legacy()).unwrap();
    let mut by_wincode = Vec::new();
    encode_cold(&query, &mut by_wincode).unwrap();
    assert_eq!(by_wincode, by_bincode);
}

#[test]
fn questions_about_orders_are_bincodes() {
    // Proves the bytes of their numbers and fields.
    let filter = query::OrderFilter { is_unsettled: true, owner: Some(u64::MAX) };
    let list = (16_u32, true, Some(u64::MAX), 77_u64, 20_u32);
    let list = bincode::encode_to_vec(list, bincode::config::legacy()).unwrap();
    let history =
        bincode::encode_to_vec((17_u32, "12".to_owned(), 5_u32, 20_u32), bincode::config::legacy()).unwrap();
    let one = bincode::encode_to_vec((15_u32, "12".to_owned()), bincode::config::legacy()).unwrap();
    for (query, by_bincode) in [
        (query::Query::Orders { filter, after: 77, limit: 20 }, list),
        (query::Query::Order("12".into()), one),
        (query::Query::OrderHistory { number: "12".into(), after: 5, limit: 20 }, history),
    ] {
        let mut by_wincode = Vec::new();
        encode_cold(&query, &mut by_wincode).unwrap();
        assert_eq!(by_wincode, by_bincode);
        assert_eq!(decode_cold::<query::Query>(&by_bincode), Ok(query));
    }
}

#[test]
fn questions_about_low_stock_are_bincodes() {
    // Proves the bytes of their numbers and fields.
    let (sku, source) = (SkuId(7), SourceId(3));
    let one = bincode::encode_to_vec((20_u32, 7_u32, 3_u32), bincode::config::legacy()).unwrap();
    let filter = query::LowStockFilter { sku: None, source: Some(source) };
    let on_hand = Quantity::from_raw(5).unwrap();
    let after = Some(query::LowStockCursor { on_hand, sku, source });
    let fields = (21_u32, None::<u32>, Some(3_u32), Some((5_i64, 7_u32, 3_u32)), 20_u32);
    let list = bincode::encode_to_vec(fields, bincode::config::legacy()).unwrap();
    for (query, by_bincode) in [
        (query::Query::Notify { sku, source }, one),
        (query::Query::LowStock { filter, after, limit: 20 }, list),
    ] {
        let mut by_wincode = Vec::new();
        encode_cold(&query, &mut by_wincode).unwrap();
        assert_eq!(by_wincode, by_bincode);
        assert_eq!(decode_cold::<query::Query>(&by_bincode), Ok(query));
    }
}

#[test]
fn questions_about_pickup_locations_are_bincodes() {
    // Proves the bytes of every field of a request, with an address.
    let words = ["DE", "10115", "Ber", ""].map(str::to_owned);
    let [country, postcode, city, region] = words.clone();
    let order = query::PickupOrder { field: query::PickupField::Code, descending: true };
    let request = query::PickupRequest {
        stock: StockId(9),
        near: query::Destination::Address(query::GeoAddress { country, postcode, city, region }),
        radius_m: 25_000,
        order: vec![order],
        limit: 20,
    };
    let fields = (22_u32, 9_u32, (1_u32, words), 25_000_u32, vec![(1_u32, true)], 20_u32);
    let by_bincode = bincode::encode_to_vec(fields, bincode::config::legacy()).unwrap();
    let query = query::Query::PickupLocations(Box::new(request));
    let mut by_wincode = Vec::new();
    encode_cold(&query, &mut by_wincode).unwrap();
    assert_eq!(by_wincode, by_bincode);
    assert_eq!(decode_cold::<query::Query>(&by_bincode), Ok(query));
}

#[test]
fn questions_about_sources_are_bincodes() {
    // Proves the bytes of every field of a request, with both forms of the optional one.
    for destination in [None, Some((0_u32, (52_520_000_i32, -13_405_000_i32)))] {
        let point = |(_, (latitude_micro, longitude_micro))| {
            query::Destination::Point(query::GeoPoint { latitude_micro, longitude_micro })
        };
        let request = query::SourcingRequest {
            stock: StockId(9),
            algorithm: query::SourcingAlgorithm::MinimizeSources,
            destination: destination.map(point),
            lines: vec![(SkuId(7), Quantity::from_raw(5).unwrap())],
            sources: vec![SourceId(3), SourceId(2)],
            excluded: vec![],
            max_sources: 4,
        };
        let fields = (
            14_u32,
            9_u32,
            2_u32,
            destination,
            vec![(7_u32, 5_i64)],
            vec![3_u32, 2],
            Vec::<u32>::new(),
            4_u32,
        );
        let by_bincode = bincode::encode_to_vec(fields, bincode::config::legacy()).unwrap();
        let query = query::Query::Sourcing(Box::new(request));
        let mut by_wincode = Vec::new();
        encode_cold(&query, &mut by_wincode).unwrap();
        assert_eq!(by_wincode, by_bincode);
        assert_eq!(decode_cold::<query::Query>(&by_bincode), Ok(query));
    }
}

#[test]
fn questions_and_answers_agree_with_bincode() {
    // Proves it for every view.
    agree::<m::Query, query::Query>();
    // Number 9 is that of a failed answer and of no query.
    let (mut bytes, list) = (Vec::new(), query::Query::OldNames { after: Some(77), limit: 100 });
    encode_cold(&list, &mut bytes).unwrap();
    let mirrored = bincode::encode_to_vec((10_u32, Some(77_u64), 100_u32), bincode::config::legacy());
    assert_eq!(bytes, mirrored.unwrap());
    assert_eq!(decode_cold::<query::Query>(&bytes), Ok(list));
    bytes[0] = 9;
    assert!(decode_cold::<query::Query>(&bytes).is_err());
    agree_in_fields::<m::Metric, query::Metric>();
    agree_in_fields::<m::NamedCount, query::NamedCount>();
    agree_in_fields::<m::Status, query::Status>();
    agree_in_fields::<m::ReservationLine, query::ReservationLine>();
    agree_in_fields::<m::ReservationView, query::ReservationView>();
    agree_in_fields::<m::ItemView, query::ItemView>();
    agree_in_fields::<m::SettingsView, query::SettingsView>();
    agree_in_fields::<m::PositionView, query::PositionView>();
    agree_in_fields::<m::SkuView, query::SkuView>();
    agree_in_fields::<m::SourceView, query::SourceView>();
    agree_in_fields::<m::StockView, query::StockView>();
    agree_in_fields::<m::OldNameView, query::OldNameView>();
    agree_in_fields::<m::MarkView, query::MarkView>();
    agree_in_fields::<m::ReservationsView, query::ReservationsView>();
    agree_in_fields::<m::OrderLineView, query::OrderLineView>();
    agree_in_fields::<m::OrderView, query::OrderView>();
    agree_in_fields::<m::OrderEntry, query::OrderEntry>();
    agree_in_fields::<m::OrdersView, query::OrdersView>();
    agree_in_fields::<m::OrderEventRow, query::OrderEventRow>();
    agree_in_fields::<m::OrderEventView, query::OrderEventView>();
    agree_in_fields::<m::OrderHistoryView, query::OrderHistoryView>();
    agree_in_fields::<m::NotifyView, query::NotifyView>();
    agree_in_fields::<m::Inconsistency, query::Inconsistency>();
    agree_in_fields::<m::InconsistenciesView, query::InconsistenciesView>();
    agree_in_fields::<m::LowStockItem, query::LowStockItem>();
    agree_in_fields::<m::LowStockView, query::LowStockView>();
    agree_in_fields::<m::PickupLocation, query::PickupLocation>();
    agree_in_fields::<m::PickupView, query::PickupView>();
    agree_in_fields::<m::ExplainedSource, query::ExplainedSource>();
    agree_in_fields::<m::ExplainedStock, query::ExplainedStock>();
    agree_in_fields::<m::ExplainView, query::ExplainView>();
    agree_in_fields::<m::ConfigurationView, query::ConfigurationView>();
    agree_in_fields::<m::Validation, query::Validation>();
    agree_in_fields::<m::SnapshotView, query::SnapshotView>();
}
