//! PROTOCOL.md against the program: its constants, its codes, its field numbers and its worked exchange.
#![expect(clippy::unwrap_used, reason = "these are tests; a failed step must stop them")]

use crate::mirror as m;
use crate::random_values::Fields;
use std::fmt::Write as _;
use stockhold_protocol::batch::split_records;
use stockhold_protocol::codec::{ColdConfig, Reader, decode_cold, encode_cold};
use stockhold_protocol::command::{Reserve, Target};
use stockhold_protocol::fields::{Tagged, Unknown, decode_fields, encode_fields};
use stockhold_protocol::frame::{Frame, FrameKind, append, parse};
use stockhold_protocol::handshake::{ConnectionLimits, Hello, Welcome};
use stockhold_protocol::limits::FRAME_BODY_BYTES_MAX;
use stockhold_protocol::query::{CELL_NOT_ASSIGNED, Name};
use stockhold_protocol::{Code, Command, Detail, Envelope, Line, Lines, Outcome, Quantity, SkuId, StockId};
use wincode::{SchemaRead, SchemaWrite};

fn page() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../PROTOCOL.md");
    std::fs::read_to_string(path).unwrap()
}

/// The text between a heading and the next one of the same depth.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let (_, rest) = page.split_once(heading).unwrap();
    rest.split("\n## ").next().unwrap()
}

fn rows(text: &str) -> Vec<Vec<&str>> {
    let rows = text.lines().filter(|line| line.starts_with("| ")).skip(1);
    rows.map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

#[test]
fn the_table_of_constants_is_the_programs() {
    // Proves that no constant of the wire changes without the page that other implementations rely on.
    let mut expected = String::new();
    for (name, value) in stockhold_protocol::layout::constants() {
        writeln!(expected, "| {name} | {value} |").unwrap();
    }
    let page = page();
    let (_, table) = section(&page, "\n## 19. Layout constants").split_once("|---|---|\n").unwrap();
    assert_eq!(table, expected);
}

#[test]
fn the_table_of_codes_is_the_programs() {
    // Proves that every code is explained with the program's own sentence.
    let page = page();
    let table = rows(section(&page, "\n## 10. Codes"));
    let got: Vec<String> = table.iter().map(|row| format!("{} {} {}", row[0], row[1], row[2])).collect();
    let expected: Vec<String> = Code::ALL
        .iter()
        .map(|code| format!("{} `{}` {}", code.number(), code.name(), code.sentence()))
        .collect();
    assert_eq!(got, expected);
}

/// The numbered fields in a piece of the page, in prose (`1 name type · 2 name type`) or as rows of a table.
fn numbered(text: &str) -> Vec<(u16, String)> {
    let pieces = text.lines().filter(|line| line.starts_with("| ")).map(|line| line.replace('|', " "));
    let prose = text.lines().filter(|line| !line.starts_with('|')).collect::<Vec<_>>().join(" ");
    let prose = prose.split_once(": 1 ").map_or(prose.clone(), |(_, fields)| format!("1 {fields}"));
    let pieces = prose.split('·').map(str::to_owned).chain(pieces);
    let fields = pieces.filter_map(|piece| {
        let mut words = piece.split_whitespace();
        Some((words.next()?.parse().ok()?, words.next()?.trim_end_matches(':').to_owned()))
    });
    fields.collect()
}

fn check_numbers<M: Fields>(text: &str) {
    let expected: Vec<_> = M::NUMBERED.iter().map(|(number, name)| (*number, (*name).to_owned())).collect();
    assert_eq!(numbered(text), expected, "{}", std::any::type_name::<M>());
}

/// What the page says of a structure: the text from its name to the next one.
fn structure<'a>(page: &'a str, name: &str) -> &'a str {
    let (_, rest) =
        page.split_once(&format!("**`{name}`**")).unwrap_or_else(|| panic!("{name} is not explained"));
    rest.split("\n## ").next().unwrap().split("\n**`").next().unwrap().split("\n- **`").next().unwrap()
}

#[test]
fn the_numbers_of_fields_are_the_programs() {
    // Proves that the page numbers fields as this program does.
    let page = page();
    check_numbers::<m::Hello>(structure(&page, "Hello"));
    check_numbers::<m::Welcome>(structure(&page, "Welcome"));
    check_numbers::<m::Metric>(structure(&page, "Metric"));
    check_numbers::<m::Status>(structure(&page, "Status"));
    check_numbers::<m::NamedCount>(structure(&page, "NamedCount"));
    check_numbers::<m::ReservationLine>(structure(&page, "ReservationLine"));
    check_numbers::<m::ReservationView>(structure(&page, "ReservationView"));
    check_numbers::<m::ItemView>(structure(&page, "ItemView"));
    check_numbers::<m::SettingsView>(structure(&page, "SettingsView"));
    check_numbers::<m::PositionView>(structure(&page, "PositionView"));
    check_numbers::<m::SkuView>(structure(&page, "SkuView"));
    check_numbers::<m::SourceView>(structure(&page, "SourceView"));
    check_numbers::<m::StockView>(structure(&page, "StockView"));
    check_numbers::<m::MarkView>(structure(&page, "MarkView"));
    check_numbers::<m::ReservationsView>(structure(&page, "ReservationsView"));
    check_numbers::<m::OrderView>(structure(&page, "OrderView"));
    check_numbers::<m::OrderLineView>(structure(&page, "OrderLineView"));
    check_numbers::<m::OrdersView>(structure(&page, "OrdersView"));
    check_numbers::<m::OrderHistoryView>(structure(&page, "OrderHistoryView"));
    check_numbers::<m::OrderEventView>(structure(&page, "OrderEventView"));
    check_numbers::<m::OrderEventRow>(structure(&page, "OrderEventRow"));
    check_numbers::<m::OrderEntry>(structure(&page, "OrderEntry"));
    check_numbers::<m::NotifyView>(structure(&page, "NotifyView"));
    check_numbers::<m::InconsistenciesView>(structure(&page, "InconsistenciesView"));
    check_numbers::<m::Inconsistency>(structure(&page, "Inconsistency"));
    check_numbers::<m::LowStockView>(structure(&page, "LowStockView"));
    check_numbers::<m::LowStockItem>(structure(&page, "LowStockItem"));
    check_numbers::<m::PickupView>(structure(&page, "PickupView"));
    check_numbers::<m::PickupLocation>(structure(&page, "PickupLocation"));
    check_numbers::<m::ExplainedSource>(structure(&page, "ExplainedSource"));
    check_numbers::<m::ExplainedStock>(structure(&page, "ExplainedStock"));
    check_numbers::<m::ExplainView>(structure(&page, "ExplainView"));
    check_numbers::<m::ConfigurationView>(structure(&page, "ConfigurationView"));
    check_numbers::<m::Validation>(structure(&page, "Validation"));
    check_numbers::<m::SnapshotView>(structure(&page, "SnapshotView"));
    check_numbers::<m::ConnectionLimits>(structure(&page, "ConnectionLimits"));
    let table = rows(section(&page, "\n## 8. Bodies of cold commands").split("**`").next().unwrap());
    let command = |name: &str| table.iter().find(|row| row[0] == name).unwrap()[1];
    check_numbers::<m::Count>(command("count"));
    check_numbers::<m::Adjust>(command("adjust"));
    check_numbers::<m::Transfer>(command("transfer"));
    check_numbers::<m::CountMany>(command("count_many"));
    check_numbers::<m::Assign>(command("assign"));
    check_numbers::<m::Unassign>(command("unassign"));
    check_numbers::<m::TransferMany>(command("transfer_many"));
    check_numbers::<m::TransferLines>(command("transfer_lines"));
    check_numbers::<m::StockDefinition>(command("define_stock"));
    check_numbers::<m::SkuDefinition>(command("define_sku"));
    check_numbers::<m::LinkDefinition>(command("link"));
    check_numbers::<m::LinkRemoval>(command("unlink"));
    check_numbers::<m::ChannelAssignment>(command("channel"));
    check_numbers::<m::QuotaChange>(command("quota"));
    check_numbers::<m::Notify>(command("notify"));
    check_numbers::<m::Freeze>(command("freeze"));
    check_numbers::<m::Rename>(command("rename"));
    check_numbers::<m::Mark>(command("mark"));
    check_numbers::<m::MarkRemoval>(command("unmark"));
    check_numbers::<m::EpochStart>(command("begin_epoch"));
    check_numbers::<m::Readmit>(command("readmit"));
    check_numbers::<m::PlaceFailed>(command("order_place_failed"));
    check_numbers::<m::AppendReservations>(command("append_reservations"));
    check_numbers::<m::OrderStateReport>(command("order_state"));
    check_numbers::<m::OrderEvent>(structure(&page, "OrderEvent"));
    check_numbers::<m::SourceDefinition>(structure(&page, "SourceDefinition"));
    check_numbers::<m::SettingsChange>(structure(&page, "SettingsChange"));
    check_numbers::<m::Configure>(structure(&page, "Configure"));
}

/// The frames of the worked exchange, in order.
fn exchange() -> Vec<Vec<u8>> {
    let page = page();
    let blocks = section(&page, "\n## 18. A worked exchange").split("```hex\n").skip(1);
    let hex = |block: &str| -> Vec<u8> {
        let lines = block.split("```").next().unwrap().lines();
        let bytes = lines.flat_map(|line| line.split('#').next().unwrap().split_whitespace());
        bytes.map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
    };
    blocks.map(hex).collect()
}

fn whole(bytes: &[u8]) -> Frame<'_> {
    let (frame, used) = parse(bytes, FRAME_BODY_BYTES_MAX).unwrap().unwrap();
    assert_eq!(used, bytes.len(), "a block holds one whole frame");
    frame
}

fn check_cold<'de, T>(frame: &Frame<'de>, expected: &T)
where
    T: SchemaRead<'de, ColdConfig, Dst = T> + SchemaWrite<ColdConfig, Src = T> + PartialEq + std::fmt::Debug,
{
    let value: T = decode_cold(frame.body).unwrap();
    assert_eq!(&value, expected);
    let mut body = Vec::new();
    encode_cold(&value, &mut body).unwrap();
    assert_eq!(body, frame.body);
}

fn check_fields<T: Tagged + PartialEq + std::fmt::Debug>(frame: &Frame<'_>, expected: &T) {
    let value: T = decode_fields(frame.body, Unknown::Refuse).unwrap();
    assert_eq!(&value, expected);
    let mut body = Vec::new();
    encode_fields(&value, &mut body).unwrap();
    assert_eq!(body, frame.body);
}

#[test]
fn every_block_of_the_exchange_is_a_frame_that_comes_back() {
    // Proves lengths, checksums and kinds of the page against the program, which did not write them.
    let kinds = exchange().into_iter().map(|bytes| {
        let frame = whole(&bytes);
        let mut again = Vec::new();
        append(frame.header, frame.body, &mut again);
        assert_eq!(again, bytes);
        frame.header.kind
    });
    let expected = [
        FrameKind::Hello,
        FrameKind::Welcome,
        FrameKind::Resolve,
        FrameKind::Resolved,
        FrameKind::Commands,
        FrameKind::Outcomes,
        FrameKind::Checks,
        FrameKind::Cells,
    ];
    assert_eq!(kinds.collect::<Vec<_>>(), expected);
}

#[test]
fn the_handshake_and_the_names_say_what_the_page_says() {
    // Proves the bodies of the exchange field by field.
    let frames = exchange();
    check_fields(&whole(&frames[0]), &Hello::new("shop-1"));
    let welcome = Welcome {
        version: 2,
        version_min: 2,
        version_max: 2,
        capabilities: 0,
        log_uuid: 0x0f8f_ad5b_d9cb_469f_a165_7086_7728_950e_u128.swap_bytes().to_le_bytes(),
        epoch: 1,
        rules_version: 3,
        feature_level: 1,
        op: 41,
        time_ms: 1_763_800_000_000,
        shown_offset_ms: 0,
        name_generation: 0,
        limits: ConnectionLimits::default(),
        server: "stockhold 0.1.0".into(),
    };
    check_fields(&whole(&frames[1]), &welcome);
    check_cold(&whole(&frames[2]), &vec![Name::Sku("BIKE-0001".into()), Name::Stock("web-us".into())]);
    check_cold(&whole(&frames[3]), &vec![Some(7_u32), Some(1)]);
}

#[test]
fn the_carts_of_the_exchange_say_what_the_page_says() {
    // Proves record headers, flags, optional fields and lines, decoded and encoded again.
    let frames = exchange();
    let frame = whole(&frames[4]);
    assert_eq!((frame.header.request, frame.header.time, frame.header.count), (2, 2_000, 2));
    let line = |sku, raw| Line::new(SkuId(sku), Quantity::from_raw(raw).unwrap());
    let expected = [(vec![line(7, 20_000)], Some(900_000)), (vec![line(7, 1_000_000), line(9, 5_000)], None)];
    let mut again = Vec::new();
    let records: Vec<&[u8]> = split_records(frame.body).map(Result::unwrap).collect();
    assert_eq!(records.len(), expected.len());
    for ((number, record), (lines, ttl_ms)) in (0..).zip(records).zip(&expected) {
        let envelope = Envelope::decode(record).unwrap();
        let (target, lines) = (Target::Stock(StockId(1)), Lines::Slice(lines));
        let reserve = Reserve { target, lines, best_effort: false, ttl_ms: *ttl_ms, owner: 0, reference: "" };
        assert_eq!(envelope.command, Command::Reserve(reserve));
        assert!(envelope.fresh);
        assert_eq!(envelope.id.client_time_ms(), 1_763_800_000_123 + number);
        envelope.encode(&mut again).unwrap();
    }
    assert_eq!(again, frame.body);
}

#[test]
fn the_outcomes_and_cells_of_the_exchange_say_what_the_page_says() {
    // Proves outcome flags, values and details, and the sentinel of a cell.
    let frames = exchange();
    assert_eq!(whole(&frames[5]).header.time, 1_763_800_001);
    let mut reader = Reader::new(whole(&frames[5]).body);
    let first = Outcome::decode(&mut reader).unwrap();
    let second = Outcome::decode(&mut reader).unwrap();
    reader.finish().unwrap();
    let available = Detail::Available { sku: SkuId(7), available: Quantity::units(43).unwrap() };
    assert_eq!(first, (0, Outcome::new(Code::Ok, 1_763_800_901, 42)));
    assert_eq!(second, (1, Outcome::new(Code::SoldOut, 0, 43).with(available)));
    let mut again = Vec::new();
    first.1.encode(0, &mut again);
    second.1.encode(1, &mut again);
    assert_eq!(again, whole(&frames[5]).body);
    let numbers =
        |frame: &[u8]| frame.as_chunks::<8>().0.iter().map(|b| i64::from_le_bytes(*b)).collect::<Vec<_>>();
    assert_eq!(numbers(whole(&frames[6]).body), [43, 7 | 1 << 32, 8 | 1 << 32]);
    assert_eq!(numbers(whole(&frames[7]).body), [43, 430_000, CELL_NOT_ASSIGNED]);
}
