//! Wrong clocks, at a start or while the server runs, that are corrected later: sales continue, no promise is lost, and
//! shown times are right once the clock is right.

use super::world::{START_MS, World, format_disk, id, small};
use stockhold::storage::recording::RecordingStorage;
use stockhold_protocol::command::{
    Change, Count, Extend, LinkDefinition, Reserve, SettingScope, SettingsChange, SkuDefinition,
    SourceDefinition, StockDefinition, Target,
};
use stockhold_protocol::{
    Code, Command, Envelope, Line, Lines, Outcome, Quantity, ReservationId, SkuId, SourceId, StockId,
    Timestamp,
};

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
const YEAR_MS: i64 = 365 * DAY_MS;
/// The errors of the clocks, in milliseconds.
const OFF_MS: [i64; 6] = [20 * MINUTE_MS, -20 * MINUTE_MS, DAY_MS, -DAY_MS, YEAR_MS, -YEAR_MS];
/// The time to live of the shopper's cart, in milliseconds.
const TTL_MS: u32 = 90_000;

/// A shop whose server is started and stopped, and the true time.
struct Shop {
    disk: RecordingStorage,
    world: Option<World>,
    true_ms: u64,
    /// How long a server has run since the shopper's cart was reserved.
    ran_ms: u64,
    starts: u64,
    ids: u64,
}

impl Shop {
    /// A shop with a thousand bikes, open with a right clock.
    fn open() -> Self {
        let disk = RecordingStorage::new();
        format_disk(&disk, &small());
        let mut shop = Self { disk, world: None, true_ms: START_MS, ran_ms: 0, starts: 0, ids: 0 };
        shop.start(0);
        let source = SourceDefinition {
            code: "A1".into(),
            name: "A1".into(),
            enabled: true,
            country: "DE".into(),
            postcode: "1".into(),
            ..SourceDefinition::default()
        };
        shop.done(Command::DefineSource(Box::new(source)));
        shop.done(Command::DefineStock(StockDefinition { name: "WEB".into() }));
        shop.done(Command::DefineSku(SkuDefinition { sku: "BIKE".into(), ..SkuDefinition::default() }));
        shop.done(Command::Link(LinkDefinition { stock: StockId(0), source: SourceId(0), priority: 1 }));
        let mut settings = SettingsChange::at(SettingScope::Global);
        settings.max_sale_qty = Change::Set(Quantity::ZERO);
        shop.done(Command::Settings(Box::new(settings)));
        shop.done(Command::Count(Count {
            source: SourceId(0),
            sku: SkuId(0),
            quantity: Quantity::units(1_000).unwrap(),
            in_stock: None,
            reason: String::new(),
            reference: String::new(),
        }));
        shop
    }

    /// Starts a server with this error of its wall clock.
    fn start(&mut self, off_ms: i64) {
        self.starts += 1;
        let wall_ms = self.true_ms.saturating_add_signed(off_ms);
        self.world = Some(World::start(&self.disk, &small(), wall_ms, 70 + self.starts).unwrap());
        self.pass(1_000);
    }

    fn stop(&mut self) {
        self.world.take().unwrap().stop();
    }

    fn world(&mut self) -> &mut World {
        self.world.as_mut().unwrap()
    }

    /// Lets the server run for this time.
    fn pass(&mut self, ms: u64) {
        for _ in 0..ms / 200 {
            self.true_ms += 200;
            self.ran_ms += 200;
            let world = self.world();
            world.time.advance_ms(200);
            let context = &world.assembly.context;
            let _correction = context.clock.correct(context.feedback.clock().into());
            world.run();
        }
    }

    fn set_wall(&mut self, off_ms: i64) {
        let wall_ms = self.true_ms.saturating_add_signed(off_ms);
        self.world().time.set_wall_ms(wall_ms);
        self.pass(3_000);
    }

    /// Sends one command of a new client, with an id from the time in its welcome.
    fn send(&mut self, command: Command<'_>) -> (Outcome, u64) {
        self.ids += 1;
        let number = self.ids;
        let world = self.world();
        world.reconnect();
        let time_ms = world.welcome().time_ms;
        (world.call(&[Envelope::new(id(time_ms, number), command)]).remove(0), time_ms)
    }

    fn done(&mut self, command: Command<'_>) {
        let (outcome, _) = self.send(command);
        assert_eq!(outcome.code, Code::Ok, "{outcome:?}");
    }

    fn reserve(&mut self, ttl_ms: Option<u32>) -> (Outcome, ReservationId) {
        let lines = [Line::new(SkuId(0), Quantity::units(1).unwrap())];
        let (target, lines) = (Target::Stock(StockId(0)), Lines::Slice(&lines));
        let (outcome, time_ms) = self.send(Command::Reserve(Reserve {
            target,
            lines,
            best_effort: false,
            ttl_ms,
            owner: 0,
            reference: "",
        }));
        assert_eq!(outcome.code, Code::Ok, "{outcome:?}");
        (outcome, ReservationId(id(time_ms, self.ids)))
    }

    /// The shown time of a deadline, in milliseconds since the Unix epoch.
    fn shown_ms(&mut self, deadline_s: u32) -> u64 {
        let world = self.world();
        world.reconnect();
        (u64::from(deadline_s) * 1_000).saturating_add_signed(world.welcome().shown_offset_ms)
    }

    /// Checks that the cart is still held for the promised time. Extending it by nothing shows the remaining time.
    fn check_cart(&mut self, (made, cart): &(Outcome, ReservationId), is_right: bool) {
        let (outcome, _) = self.send(Command::Extend(Extend { reservation: *cart, ttl_ms: 1_000 }));
        assert_eq!((outcome.code, outcome.value), (Code::Ok, made.value), "the cart lost time");
        if is_right {
            let (shown_ms, ends_ms) =
                (self.shown_ms(made.value), self.true_ms + u64::from(TTL_MS) - self.ran_ms);
            assert!(shown_ms.abs_diff(ends_ms) <= 3_000, "shown {shown_ms}, ends {ends_ms}");
        }
    }
}

/// Reserves a shopper's cart, runs the scenario, then corrects the clock and starts the server once more.
fn live(trouble: impl FnOnce(&mut Shop, &(Outcome, ReservationId))) {
    let mut shop = Shop::open();
    let cart = shop.reserve(Some(TTL_MS));
    shop.ran_ms = 0;
    shop.pass(20_000);
    trouble(&mut shop, &cart);
    shop.reserve(None);
    shop.check_cart(&cart, true);
    shop.stop();
    shop.true_ms += 3_600_000;
    shop.start(0);
    shop.reserve(None);
    shop.check_cart(&cart, true);
    // The cart expires as promised, after the time in which a server ran.
    let left_ms = u64::from(TTL_MS) - shop.ran_ms;
    shop.pass(left_ms - 4_000);
    let before = shop.world().assembly.context.published.cell(SkuId(0), StockId(0)).value;
    shop.pass(8_000);
    let after = shop.world().assembly.context.published.cell(SkuId(0), StockId(0)).value;
    assert_eq!(after - before, 10_000, "one unit is free again, seen without a command");
    let (outcome, _) = shop.send(Command::Confirm(cart.1));
    assert_eq!(outcome.code, Code::ConfirmedLate);
    assert_eq!(shop.world().assembly.applier.machine().validate(), Vec::<String>::new());
}

#[test]
fn a_start_with_a_wrong_clock_is_harmless_and_so_is_setting_it_right() {
    // Proves for minutes, a day and a year in both directions that sales continue at once, that holds keep their time,
    // and that shown times are right as soon as the clock is corrected while the server runs.
    for off_ms in OFF_MS {
        live(|shop, cart| {
            shop.stop();
            shop.start(off_ms);
            shop.reserve(None);
            shop.check_cart(cart, false);
            shop.pass(10_000);
            shop.set_wall(0);
        });
    }
}

#[test]
fn a_wrong_clock_may_be_set_right_while_the_server_is_down() {
    // Proves the same if the next start finds the clock corrected, after a log that was written with the wrong one.
    for off_ms in OFF_MS {
        live(|shop, cart| {
            shop.stop();
            shop.start(off_ms);
            shop.reserve(None);
            shop.pass(10_000);
            shop.stop();
            shop.start(0);
            shop.reserve(None);
            shop.check_cart(cart, true);
        });
    }
}

#[test]
fn a_clock_that_jumps_while_the_server_runs_is_harmless() {
    // Proves that a wall clock that is wrong for a while does not affect sales, and that shown times follow it.
    for off_ms in OFF_MS {
        live(|shop, cart| {
            shop.set_wall(off_ms);
            let (outcome, _) = shop.reserve(Some(60_000));
            let (shown_ms, wall_ms) =
                (shop.shown_ms(outcome.value), shop.true_ms.saturating_add_signed(off_ms));
            assert!(shown_ms.abs_diff(wall_ms + 60_000) <= 3_000, "people see the clock that they have");
            shop.check_cart(cart, false);
            shop.pass(10_000);
            shop.set_wall(0);
        });
    }
}

#[test]
fn a_wall_clock_that_is_far_ahead_and_right_is_accepted() {
    // Proves that a server that was down for a month continues from its last op and keeps its holds. Once an operator
    // has accepted the wall clock, it accepts ids of clients that use their own clocks, also after another start.
    let mut shop = Shop::open();
    let cart = shop.reserve(Some(TTL_MS));
    shop.ran_ms = 0;
    shop.pass(20_000);
    shop.stop();
    shop.true_ms += u64::try_from(30 * DAY_MS).unwrap();
    shop.start(0);
    let of_wall_clock = |shop: &mut Shop, number| {
        let lines = [Line::new(SkuId(0), Quantity::units(1).unwrap())];
        let (target, lines) = (Target::Stock(StockId(0)), Lines::Slice(&lines));
        let reserve = Reserve { target, lines, best_effort: false, ttl_ms: None, owner: 0, reference: "" };
        let sent = Envelope::new(id(shop.true_ms, number), Command::Reserve(reserve));
        shop.world().call(&[sent]).remove(0).code
    };
    shop.reserve(None);
    assert_eq!(of_wall_clock(&mut shop, 501), Code::IdFromFuture);
    assert!(shop.world().assembly.context.clock.warning().is_some());
    let accepted = Timestamp(shop.true_ms);
    shop.done(Command::AcceptClock(accepted));
    shop.pass(1_000);
    assert_eq!(shop.world().assembly.context.clock.warning(), None);
    assert_eq!(of_wall_clock(&mut shop, 502), Code::Ok);
    shop.check_cart(&cart, true);
    shop.stop();
    shop.start(0);
    assert_eq!(of_wall_clock(&mut shop, 503), Code::Ok);
    shop.check_cart(&cart, true);
}
