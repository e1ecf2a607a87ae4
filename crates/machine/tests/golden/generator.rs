//! The commands of the golden log, made by a pseudo-random generator with a fixed seed. It is used only to
//! write the golden files again: tests read the bytes of the log.

use super::bulk::bulk_command;
use stockhold_machine::RULES_VERSION;
use stockhold_protocol::command::{
    Adjust, BackorderMode, Change, ChannelAssignment, Configure, Count, EpochStart, Extend, LinkDefinition,
    LinkRemoval, Mark, MarkRemoval, Notify, PartKind, Parts, QuotaChange, Readmit, Refund, RefundPart,
    Release, Rename, Replace, Reserve, Sell, SettingScope, SettingsChange, Sharing, Ship, SkuDefinition,
    SkuKind, SourceDefinition, StockDefinition, Target, Transfer,
};
use stockhold_protocol::query::Name;
use stockhold_protocol::{
    ChannelId, Command, CommandId, Envelope, Line, Lines, Quantity, ReservationId, SkuId, SourceId, StockId,
    Timestamp,
};

pub(crate) const START_MS: u64 = 1_763_800_000_000;
/// A longer pause is a gap.
pub(crate) const GAP_MAX_MS: u64 = 1_200_000;
pub(crate) const BATCHES: u64 = 63;
const RECORDS_PER_BATCH: u32 = 20;

/// Generates the batches of the golden log.
pub(crate) struct Generator {
    seed: u64,
    now: Timestamp,
    ids: u128,
    batch: u64,
    made: Vec<CommandId>,
    sent: Vec<Vec<u8>>,
}

impl Generator {
    pub(crate) fn new() -> Self {
        let now = Timestamp(START_MS);
        Self { seed: 0x5EED2, now, ids: 0, batch: 0, made: Vec::new(), sent: Vec::new() }
    }

    /// A pseudo-random number below `below`.
    fn draw(&mut self, below: u32) -> u32 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from(self.seed >> 33).unwrap() % below
    }

    pub(crate) fn next_time(&mut self) -> Timestamp {
        let pause = match self.batch % 20 {
            3 | 8 | 13 => 65_000,
            19 if self.batch.is_multiple_of(2) => 1_000_000,
            19 => 2 * GAP_MAX_MS,
            _ => u64::from(self.draw(3_000)),
        };
        self.now.0 += pause;
        self.now
    }

    pub(crate) fn next_records(&mut self) -> Vec<Vec<u8>> {
        self.batch += 1;
        if self.batch == 1 {
            return self.define_catalog();
        }
        match BATCHES - self.batch {
            2 => return self.open_lamp_shop(),
            1 => return self.close_lamp_shop(),
            0 => return self.end_lamp_shop(),
            _ => {}
        }
        (0..RECORDS_PER_BATCH).map(|_| self.next_record()).collect()
    }

    pub(super) fn record(&mut self, command: Command<'_>) -> Vec<u8> {
        self.ids += 1;
        let is_random = (2..BATCHES - 2).contains(&self.batch);
        let time = match self.ids % 97 {
            _ if !is_random => self.now.0,
            5 => self.now.0 + 400_000,
            6 => self.now.0 - 2_000_000,
            _ => self.now.0,
        };
        let id = CommandId::from_parts(time, self.ids << 16);
        if matches!(command, Command::Reserve(_) | Command::Replace(_) | Command::Sell(_)) {
            self.made.push(id);
        }
        let id = if command == Command::Tick { CommandId::NONE } else { id };
        let mut bytes = Vec::new();
        Envelope::new(id, command).encode(&mut bytes).unwrap();
        self.sent.push(bytes.clone());
        bytes
    }

    fn define_catalog(&mut self) -> Vec<Vec<u8>> {
        let mut records = Vec::new();
        for code in ["berlin", "hamburg", "munich", "store-a", "store-b"] {
            records.push(self.record(Command::DefineSource(Box::new(source(code, code, true)))));
        }
        for name in ["web", "berlin", "north", "outlet"] {
            records.push(self.record(Command::DefineStock(StockDefinition { name: name.into() })));
        }
        for (sku, kind, decimals) in [
            ("BIKE", SkuKind::Simple, false),
            ("ROPE", SkuKind::Simple, true),
            ("PLAN", SkuKind::Virtual, false),
            ("SET", SkuKind::Composite, false),
        ] {
            records.push(self.record(Command::DefineSku(SkuDefinition { sku: sku.into(), kind, decimals })));
        }
        for (stock, source) in [(0, 0), (0, 1), (0, 2), (1, 0), (2, 1), (2, 3), (3, 4)] {
            let (stock, source) = (StockId(stock), SourceId(source));
            records.push(self.record(Command::Link(LinkDefinition { stock, source, priority: 1 })));
        }
        let channel = ChannelAssignment { channel_type: "site".into(), code: "eu".into(), stock: StockId(0) };
        records.push(self.record(Command::Channel(channel)));
        for (sku, source) in (0..3).flat_map(|sku| (0..4).map(move |source| (sku, source))) {
            records.push(self.count(source, sku, 30, None));
        }
        records
    }

    fn count(&mut self, source: u32, sku: u32, units: i64, in_stock: Option<bool>) -> Vec<u8> {
        let quantity = Quantity::units(units).unwrap();
        let (source, sku) = (SourceId(source), SkuId(sku));
        let (reason, reference) = ("recount".into(), "doc-1".into());
        self.record(Command::Count(Count { source, sku, quantity, in_stock, reason, reference }))
    }

    fn lines(&mut self) -> Vec<Line> {
        let count = 1 + self.draw(3);
        let mut lines = Vec::new();
        for _ in 0..count {
            let sku = if self.draw(40) == 0 { 3 + self.draw(2) } else { self.draw(3) };
            let raw = match self.draw(12) {
                0 => 15_000,
                1 => 5_000,
                2 => 250_000,
                _ => 10_000 * i64::from(1 + self.draw(6)),
            };
            lines.push(Line::new(SkuId(sku), Quantity::from_raw(raw).unwrap()));
        }
        lines
    }

    fn pick_reservation(&mut self) -> ReservationId {
        let back = self.draw(10);
        let latest = self.made.iter().rev().nth(usize::try_from(back).unwrap()).copied();
        ReservationId(latest.unwrap_or(CommandId::from_parts(START_MS, 1)))
    }

    fn next_record(&mut self) -> Vec<u8> {
        let lines = self.lines();
        match self.draw(40) {
            0..=13 => {
                let reserve = self.reserve(&lines);
                self.record(Command::Reserve(reserve))
            }
            14 | 15 => {
                let (old, new) = (self.pick_reservation(), self.reserve(&lines));
                self.record(Command::Replace(Replace { old, new }))
            }
            16..=18 => {
                let reservation = self.pick_reservation();
                self.record(Command::Confirm(reservation))
            }
            19 => {
                let reservation = self.pick_reservation();
                let lines = if self.draw(2) == 0 { Lines::NONE } else { Lines::Slice(&lines[..1]) };
                self.record(Command::Release(Release { reservation, lines }))
            }
            20 => {
                let (reservation, ttl_ms) = (self.pick_reservation(), self.draw(90_000));
                self.record(Command::Extend(Extend { reservation, ttl_ms }))
            }
            21..=24 => {
                let (reservation, source) = (self.pick_reservation(), SourceId(self.draw(5)));
                let (lines, forced) = (Lines::Slice(&lines[..1]), self.draw(4) == 0);
                self.record(Command::Ship(Ship { reservation, source, lines, forced }))
            }
            25 => self.sale(&lines),
            26..=28 => self.refund(&lines),
            29 => {
                // An earlier record again, sometimes with its target or first field changed.
                let at = usize::try_from(self.draw(1_000)).unwrap() % self.sent.len();
                let mut bytes = self.sent[self.sent.len() - 1 - at.min(200)].clone();
                if self.draw(3) == 0 && bytes.len() > 21 {
                    bytes[20] ^= 1;
                }
                bytes
            }
            _ => self.merchant(&lines),
        }
    }

    fn reserve<'a>(&mut self, lines: &'a [Line]) -> Reserve<'a> {
        let stock = if self.draw(3) == 0 { self.draw(5) } else { 0 };
        let target =
            if self.draw(4) == 0 { Target::Channel(ChannelId(0)) } else { Target::Stock(StockId(stock)) };
        let ttl_ms = match self.draw(8) {
            0 | 1 => None,
            2 => Some(self.draw(1_500)),
            _ => Some(4_000 + self.draw(60_000)),
        };
        let owner = u64::from(self.draw(12) == 0);
        let reference = ["", "", "", "100000123", "100000124", "till-4"][self.draw(6) as usize];
        Reserve {
            target,
            lines: Lines::Slice(lines),
            best_effort: self.draw(3) == 0,
            ttl_ms,
            owner,
            reference,
        }
    }

    fn sale(&mut self, lines: &[Line]) -> Vec<u8> {
        let (stock, forced) = (StockId(self.draw(4)), self.draw(3) == 0);
        let (target, source) = (Target::Stock(stock), SourceId(self.draw(5)));
        let (lines, owner, reference) = (Lines::Slice(lines), 0, "till-4");
        self.record(Command::Sell(Sell { target, source, lines, forced, owner, reference }))
    }

    fn refund(&mut self, lines: &[Line]) -> Vec<u8> {
        let reservation = self.pick_reservation();
        let mut parts = Vec::new();
        for line in lines {
            let source = SourceId(self.draw(5));
            let kind = match self.draw(3) {
                0 => PartKind::Unshipped,
                1 => PartKind::Returned(source),
                _ => PartKind::WrittenOff(source),
            };
            parts.push(RefundPart { sku: line.sku, quantity: line.quantity, kind });
        }
        self.record(Command::Refund(Refund { reservation, parts: Parts::Slice(&parts) }))
    }

    /// The last batch but two: what random commands produce too rarely, on a SKU of its own.
    fn open_lamp_shop(&mut self) -> Vec<Vec<u8>> {
        let mut records = Vec::new();
        records.push(self.record(Command::DefineSource(Box::new(source("depot", "depot", true)))));
        records.push(self.record(Command::DefineStock(StockDefinition { name: "lamps".into() })));
        records.push(
            self.record(Command::DefineSku(SkuDefinition { sku: "LAMP".into(), ..SkuDefinition::default() })),
        );
        let mut change = SettingsChange::at(SettingScope::Sku(SkuId(4)));
        let quantity = |units: i64| Change::Set(Quantity::units(units).unwrap());
        change.manage_stock = Change::Set(true);
        change.backorders = Change::Set(BackorderMode::Off);
        change.min_qty = quantity(0);
        change.max_sale_qty = quantity(0);
        change.enable_qty_increments = Change::Set(false);
        records.push(self.record(Command::Settings(Box::new(change))));
        let window = Configure { late_confirm_window_ms: Some(3_600_000), ..Configure::default() };
        records.push(self.record(Command::Configure(Box::new(window))));
        records.push(self.lamps(1, None));
        let link = LinkDefinition { stock: StockId(4), source: SourceId(5), priority: 1 };
        records.push(self.record(Command::Link(link)));
        records.push(self.count(5, 4, 5, Some(false)));
        records.push(self.lamps(1, None));
        records.push(self.count(5, 4, 5, Some(true)));
        for (limit, units) in [(Some(2), 3), (None, 5)] {
            let limit = limit.map(|units| Quantity::units(units).unwrap());
            let (sku, stock) = (SkuId(4), StockId(4));
            records.push(self.record(Command::Quota(QuotaChange { sku, stock, limit })));
            records.push(self.lamps(units, Some(1_000)));
        }
        for (number, to) in [
            (4, Name::Sku("LAMP-LED".into())),
            (4, Name::Stock("lights".into())),
            (5, Name::Source("depot-north".into())),
            (0, Name::Channel("site".into(), "europe".into())),
        ] {
            records.push(self.record(Command::Rename(Rename { number, to })));
        }
        records
    }

    /// The last batch but one, after the hold of all lamps has expired.
    fn close_lamp_shop(&mut self) -> Vec<Vec<u8>> {
        self.now.0 += 2_000;
        let held = ReservationId(self.made[self.made.len() - 1]);
        let mut records = vec![self.lamps(1, None)];
        let taker = ReservationId(self.made[self.made.len() - 1]);
        records.push(self.record(Command::Confirm(held)));
        records.push(self.record(Command::Release(Release { reservation: taker, lines: Lines::NONE })));
        records.push(self.record(Command::Confirm(held)));
        let quantity = Quantity::units(3).unwrap();
        let lines = [Line::new(SkuId(4), quantity)];
        for source in [0, 5] {
            let (source, lines) = (SourceId(source), Lines::Slice(&lines));
            records.push(self.record(Command::Ship(Ship {
                reservation: held,
                source,
                lines,
                forced: false,
            })));
        }
        for quantity in [Quantity::units(4).unwrap(), quantity] {
            let kind = PartKind::Returned(SourceId(5));
            let parts = [RefundPart { sku: SkuId(4), quantity, kind }];
            records.push(
                self.record(Command::Refund(Refund { reservation: held, parts: Parts::Slice(&parts) })),
            );
        }
        records.push(self.lamps(1, Some(600_000)));
        records
    }

    /// The last batch: a cart that is revived, independent stocks, and further refusals.
    fn end_lamp_shop(&mut self) -> Vec<Vec<u8>> {
        self.now.0 += 5_000;
        let earlier = ReservationId(self.made[self.made.len() - 1]);
        let mut records = self.flash_sale();
        records.push(self.lamps(1, Some(60_000)));
        let held = ReservationId(self.made[self.made.len() - 1]);
        records.push(self.record(Command::Release(Release { reservation: held, lines: Lines::NONE })));
        let lines = [Line::new(SkuId(4), Quantity::units(1).unwrap())];
        let cart = |lines| {
            let (target, ttl_ms) = (Target::Stock(StockId(4)), Some(60_000));
            Reserve { target, lines, best_effort: false, ttl_ms, owner: 0, reference: "" }
        };
        for _ in 0..2 {
            let new = cart(Lines::Slice(&lines));
            records.push(self.record(Command::Replace(Replace { old: held, new })));
        }
        records.push(self.record(Command::Confirm(held)));
        let revived = ReservationId(self.made[self.made.len() - 2]);
        let short = Configure {
            ttl_max_ms: Some(60_000),
            ttl_total_max_ms: Some(60_000),
            sharing: Some(Sharing::Independent),
            ..Configure::default()
        };
        records.push(self.record(Command::Configure(Box::new(short))));
        records.push(self.record(Command::Extend(Extend { reservation: earlier, ttl_ms: 60_000 })));
        records.push(self.record(Command::Confirm(revived)));
        let (source, lines) = (SourceId(5), Lines::Slice(&lines));
        records.push(self.record(Command::Ship(Ship { reservation: revived, source, lines, forced: false })));
        let composite = SkuDefinition { sku: "LAMP".into(), kind: SkuKind::Composite, decimals: false };
        records.push(self.record(Command::DefineSku(composite)));
        records.push(self.count(5, 4, 100_000_000_000, None));
        let (delta, reason, reference) = (Quantity::units(1).unwrap(), String::new(), String::new());
        let (source, sku) = (SourceId(5), SkuId(4));
        records.push(self.record(Command::Adjust(Adjust { source, sku, delta, reason, reference })));
        let full = Configure { reservations_max: Some(1), ..Configure::default() };
        records.push(self.record(Command::Configure(Box::new(full))));
        records.push(self.lamps(1, None));
        for name in ["closed", "auto/import/1", "closed", "sold out"] {
            records.push(self.record(Command::Mark(Mark::new(name))));
        }
        for _ in 0..2 {
            records.push(self.record(Command::Unmark(MarkRemoval { name: "closed".into() })));
        }
        self.readmitted(&mut records);
        records
    }

    /// An epoch that a restore began, and undone commands: one with an old id, one twice, one too early.
    fn readmitted(&mut self, records: &mut Vec<Vec<u8>>) {
        records.push(self.record(Command::BeginEpoch(EpochStart { epoch: 9, restored: true })));
        for (ago_ms, op) in [(7_200_000, 2_000_001), (0, 2_000_002), (0, 2_000_002), (0, 1)] {
            self.ids += 1;
            let id = CommandId::from_parts(self.now.0 - ago_ms, self.ids << 16);
            let (reason, reference) = (String::new(), String::new());
            let delta = Quantity::units(2).unwrap();
            let adjust = Adjust { source: SourceId(0), sku: SkuId(0), delta, reason, reference };
            let mut record = Vec::new();
            Envelope::new(id, Command::Adjust(adjust)).encode(&mut record).unwrap();
            let readmit = Readmit { epoch: 9, op, actor: "shop".into(), record };
            let mut bytes = Vec::new();
            Envelope::new(id, Command::Readmit(readmit)).encode(&mut bytes).unwrap();
            records.push(bytes);
        }
    }

    pub(super) fn lamps(&mut self, units: i64, ttl_ms: Option<u32>) -> Vec<u8> {
        let lines = [Line::new(SkuId(4), Quantity::units(units).unwrap())];
        let (target, lines) = (Target::Stock(StockId(4)), Lines::Slice(&lines));
        let (best_effort, owner, reference) = (false, 0, "");
        self.record(Command::Reserve(Reserve { target, lines, best_effort, ttl_ms, owner, reference }))
    }

    fn merchant(&mut self, lines: &[Line]) -> Vec<u8> {
        let (sku, source, stock) = (self.draw(4), self.draw(5), self.draw(4));
        let units = i64::from(self.draw(40)) - 5;
        match self.draw(16) {
            0 | 1 => {
                let in_stock = (self.draw(4) == 0).then_some(units % 2 == 0);
                self.count(source, sku, units, in_stock)
            }
            2 => {
                let delta = Quantity::units(if units == 0 { 1 } else { units }).unwrap();
                let (source, sku) = (SourceId(source), SkuId(sku));
                let (reason, reference) = (String::new(), String::new());
                self.record(Command::Adjust(Adjust { source, sku, delta, reason, reference }))
            }
            3 => {
                let (from, to) = (SourceId(source), SourceId((source + 1) % 5));
                let (lines, reason) = (lines.to_vec(), "restock".into());
                self.record(Command::Transfer(Transfer { from, to, lines, reason }))
            }
            4 => {
                let taken = self.draw(4) == 0;
                let name = if taken { "berlin" } else { "munich" };
                let enabled = self.draw(2) == 0;
                self.record(Command::DefineSource(Box::new(source_named(name, enabled))))
            }
            5 => {
                let (stock, source) = (StockId(stock), SourceId(source));
                self.record(Command::Link(LinkDefinition { stock, source, priority: 2 }))
            }
            6 => {
                let (stock, source) = (StockId(stock), SourceId(source));
                self.record(Command::Unlink(LinkRemoval { stock, source }))
            }
            7..=9 => self.settings(sku, stock, units),
            10 => {
                let limit = (self.draw(3) > 0).then(|| Quantity::units(units.max(0)).unwrap());
                let (sku, stock) = (SkuId(sku), StockId(stock));
                self.record(Command::Quota(QuotaChange { sku, stock, limit }))
            }
            11 => self.rare(units),
            12 => {
                let threshold = (units > 0).then(|| Quantity::units(units).unwrap());
                let (sku, source, is_set) = (SkuId(sku), SourceId(source), units >= -3);
                self.record(Command::Notify(Notify { sku, source, is_set, threshold }))
            }
            13 | 14 => {
                let kind = self.draw(5);
                let command = bulk_command(kind, source, lines, Quantity::units(units).unwrap());
                self.record(command)
            }
            _ => self.record(Command::Tick),
        }
    }

    fn rare(&mut self, units: i64) -> Vec<u8> {
        match self.draw(4) {
            0 => self.record(Command::Mark(Mark::new(format!("mark {units}")))),
            1 => self.record(Command::ActivateRules(RULES_VERSION + u32::from(units > 10))),
            2 => {
                let window = if units > 10 { 60_000 } else { 1 };
                let change = Configure { late_confirm_window_ms: Some(window), ..Configure::default() };
                self.record(Command::Configure(Box::new(change)))
            }
            _ => {
                let stock = StockId(u32::from(units > 15));
                let (channel_type, code) = ("site".into(), "eu".into());
                self.record(Command::Channel(ChannelAssignment { channel_type, code, stock }))
            }
        }
    }

    fn settings(&mut self, sku: u32, stock: u32, units: i64) -> Vec<u8> {
        let scope = match self.draw(4) {
            0 => SettingScope::Global,
            1 => SettingScope::Sku(SkuId(sku)),
            _ => SettingScope::SkuStock(SkuId(sku), StockId(stock)),
        };
        let mut change = SettingsChange::at(scope);
        let quantity = |units: i64| Change::Set(Quantity::units(units).unwrap());
        match self.draw(7) {
            0 => change.manage_stock = Change::Set(units > 0),
            1 => change.backorders = Change::Set(BackorderMode::Allow),
            2 => change.backorders = Change::Unset,
            3 => change.min_qty = quantity(units - 20),
            4 => change.max_sale_qty = quantity(units.max(3)),
            5 => {
                change.enable_qty_increments = Change::Set(units > 10);
                change.qty_increments = quantity(2);
            }
            _ => {
                change.manage_stock = Change::Unset;
                change.min_qty = Change::Unset;
                change.max_sale_qty = Change::Unset;
            }
        }
        self.record(Command::Settings(Box::new(change)))
    }
}

fn source(code: &str, name: &str, enabled: bool) -> SourceDefinition {
    SourceDefinition {
        code: code.into(),
        name: name.into(),
        enabled,
        latitude_micro: 52_520_008,
        longitude_micro: 13_404_954,
        country: "DE".into(),
        postcode: "10115".into(),
        city: "Berlin".into(),
        ..SourceDefinition::default()
    }
}

/// The third source with another name.
fn source_named(name: &str, enabled: bool) -> SourceDefinition {
    source("munich", name, enabled)
}
