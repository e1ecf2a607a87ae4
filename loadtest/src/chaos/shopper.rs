//! The commands of one shopper, from a seed and the answers so far: carts of one to three lines, frames of carts,
//! confirms, releases, replaces, extensions. Goods are released again, so that they stay scarce for the whole run.
//! The module uses no clock and no socket.

use super::goods::{Department, Goods};
use fastrand::Rng;
use std::collections::VecDeque;
use std::rc::Rc;
use stockhold_client::{IdGenerator, units_of};
use stockhold_protocol::command::{Command, Extend, Release, Replace, Reserve, Target};
use stockhold_protocol::{BadField, Code, Envelope, Line, Lines, Outcome, ReservationId, SkuId, StockId};

/// Maximum number of reservations of one shopper. Then the oldest is released.
const OPEN_MAX: usize = 12;
/// Maximum number of lines of a cart and of units of a line.
const LINES_MAX: usize = 3;
const UNITS_MAX: u32 = 3;
/// Maximum number of carts in a frame.
const FRAME_MAX: u32 = 8;
/// Shortest and longest TTL of a hold.
const TTL_MS: (u32, u32) = (1_000, 4_000);

/// Encoded commands that are sent together: a single one, or several as one frame.
pub(crate) type CommandGroup = Vec<Box<[u8]>>;

/// A reservation that the shopper believes to have.
#[derive(Clone, Debug)]
struct OpenReservation {
    id: ReservationId,
    department: usize,
    stock: StockId,
    line: Line,
    is_order: bool,
}

/// A cart before it is encoded.
#[derive(Clone, Debug)]
struct Cart {
    stock: StockId,
    lines: Vec<Line>,
    best_effort: bool,
    ttl_ms: Option<u32>,
    owner: u64,
    reference: String,
}

impl Cart {
    fn reserve(&self) -> Reserve<'_> {
        Reserve {
            target: Target::Stock(self.stock),
            lines: Lines::Slice(&self.lines),
            best_effort: self.best_effort,
            ttl_ms: self.ttl_ms,
            owner: self.owner,
            reference: &self.reference,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Shopper {
    goods: Rc<Goods>,
    random: Rng,
    ids: IdGenerator,
    owner: u64,
    open: VecDeque<OpenReservation>,
}

impl Shopper {
    pub(crate) fn new(goods: Rc<Goods>, seed: u64, owner: u64) -> Self {
        Self { goods, random: Rng::with_seed(seed), ids: IdGenerator::new(), owner, open: VecDeque::new() }
    }

    /// The next command group.
    pub(crate) fn next(&mut self, now_ms: u64) -> Result<CommandGroup, BadField> {
        let wish = if self.open.len() >= OPEN_MAX { 60 } else { self.random.u32(..100) };
        let Some(at) = self.pick(wish) else { return self.reserves(now_ms, wish) };
        let OpenReservation { id, department, stock, line, .. } = self.open[at].clone();
        let one = [Line::new(line.sku, units_of(1))];
        let command = match wish {
            45..60 => Command::Confirm(id),
            60..77 => Command::Release(Release { reservation: id, lines: Lines::NONE }),
            77..82 => Command::Release(Release { reservation: id, lines: Lines::Slice(&one) }),
            82..87 => Command::Extend(Extend { reservation: id, ttl_ms: self.ttl_ms() }),
            _ => {
                let cart = Cart { stock, best_effort: false, ..self.cart(department) };
                return self.group(now_ms, Command::Replace(Replace { old: id, new: cart.reserve() }));
            }
        };
        self.group(now_ms, command)
    }

    /// The reservation that a command is about. `None`: a new one.
    fn pick(&mut self, wish: u32) -> Option<usize> {
        match self.open.len() {
            0 => None,
            OPEN_MAX.. => Some(0),
            _ if wish < 45 => None,
            _ if wish >= 97 => {
                // The shopper abandons a hold, which then expires. An abandoned order would stay for ever, and the
                // goods would run out.
                if let Some(hold) = self.open.iter().position(|open| !open.is_order) {
                    self.open.remove(hold);
                }
                None
            }
            count => Some(self.random.usize(..count)),
        }
    }

    fn reserves(&mut self, now_ms: u64, wish: u32) -> Result<CommandGroup, BadField> {
        let count = if wish < 10 { self.random.u32(2..=FRAME_MAX) } else { 1 };
        let mut group = CommandGroup::new();
        for _ in 0..count {
            let department = self.random.usize(..self.goods.departments.len());
            let cart = self.cart(department);
            group.append(&mut self.group(now_ms, Command::Reserve(cart.reserve()))?);
        }
        Ok(group)
    }

    fn group(&mut self, now_ms: u64, command: Command<'_>) -> Result<CommandGroup, BadField> {
        let mut record = Vec::new();
        Envelope::fresh(self.ids.next_at(now_ms), command).encode(&mut record)?;
        Ok(vec![record.into()])
    }

    fn cart(&mut self, department: usize) -> Cart {
        let goods = Rc::clone(&self.goods);
        let Department { stocks, skus } = &goods.departments[department];
        let count = self.random.usize(1..=LINES_MAX);
        let wanted = self.random.choose_multiple(skus.iter(), count);
        let line = |sku: &SkuId| Line::new(*sku, units_of(self.random.u32(1..=UNITS_MAX)));
        let lines: Vec<Line> = wanted.into_iter().map(line).collect();
        let is_order = self.random.u32(..100) < 15;
        Cart {
            stock: stocks[self.random.usize(..stocks.len())],
            lines,
            best_effort: self.random.u32(..100) < 10,
            ttl_ms: if is_order { None } else { Some(self.ttl_ms()) },
            // A replace must name the same owner.
            owner: self.owner,
            // An order has a bounded number of reservations, so nearly every cart is an order of its own.
            reference: if self.owner == 0 {
                String::new()
            } else {
                format!("{}-{:08x}", self.owner, self.random.u32(..))
            },
        }
    }

    fn ttl_ms(&mut self) -> u32 {
        self.random.u32(TTL_MS.0..=TTL_MS.1)
    }

    /// How long it pauses before the next command group, in microseconds.
    pub(crate) fn thinks_us(&mut self, longest_us: u64) -> u64 {
        self.random.u64(..=longest_us)
    }

    /// Updates its reservations with the outcome of one of its commands.
    #[expect(clippy::wildcard_enum_match_arm, reason = "most commands end no reservation")]
    pub(crate) fn learn(&mut self, record: &[u8], outcome: &Outcome) -> Result<(), BadField> {
        let envelope = Envelope::decode(record)?;
        let is_done = outcome.code.is_success();
        match &envelope.command {
            Command::Reserve(reserve) if is_done => self.take(&envelope, reserve),
            Command::Replace(replace) if is_done => {
                self.forget(replace.old);
                self.take(&envelope, &replace.new);
            }
            Command::Release(release) if outcome.code != Code::MoreThanOpen && !is_part(release, outcome) => {
                self.forget(release.reservation);
            }
            Command::Confirm(id) if is_done => {
                self.open.iter_mut().filter(|open| open.id == *id).for_each(|open| open.is_order = true);
            }
            Command::Confirm(id) if outcome.code != Code::AlreadyConfirmed => self.forget(*id),
            Command::Extend(extend) if !is_done && outcome.code != Code::AlreadyConfirmed => {
                self.forget(extend.reservation);
            }
            // A refusal for quantity changed nothing, and other outcomes do not end the reservation.
            _ => {}
        }
        Ok(())
    }

    fn take(&mut self, envelope: &Envelope<'_>, reserve: &Reserve<'_>) {
        let Target::Stock(stock) = reserve.target else { return };
        let department = self.goods.departments.iter().position(|known| known.stocks.contains(&stock));
        if let (Some(department), Some(line)) = (department, reserve.lines.get(0)) {
            let is_order = reserve.ttl_ms.is_none();
            self.open.push_back(OpenReservation {
                id: envelope.id.into(),
                department,
                stock,
                line,
                is_order,
            });
        }
    }

    fn forget(&mut self, id: ReservationId) {
        self.open.retain(|open| open.id != id);
    }
}

/// Whether a release took effect and left something open (or may have).
fn is_part(release: &Release<'_>, outcome: &Outcome) -> bool {
    outcome.code.is_success() && !release.lines.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use stockhold_protocol::command::Kind;

    fn goods() -> Rc<Goods> {
        let department = |from: u32| Department {
            stocks: vec![StockId(from), StockId(from + 1)],
            skus: (0..6).map(|sku| SkuId(from * 100 + sku)).collect(),
        };
        Rc::new(Goods { departments: vec![department(0), department(5)] })
    }

    #[test]
    fn every_command_of_a_checkout_comes_up_and_nothing_leaks() {
        // Proves that all kinds occur, alone and in frames, that a shopper never holds more than it may, and that
        // lines are distinct.
        let mut shopper = Shopper::new(goods(), 3, 7);
        let (mut kinds, mut frames, mut op) = ([0_u32; 256], 0, 0);
        for round in 0..2_000 {
            let group = shopper.next(round).unwrap();
            frames += u32::from(group.len() > 1);
            for record in &group {
                let envelope = Envelope::decode(record).unwrap();
                assert!(envelope.fresh);
                kinds[usize::from(envelope.command.kind().code())] += 1;
                op += 1;
                let code = if op % 5 == 0 { Code::SoldOut } else { Code::Ok };
                shopper.learn(record, &Outcome::new(code, 0, op)).unwrap();
            }
            // One frame may end above the limit. Then the oldest are released one by one.
            assert!(shopper.open.len() < OPEN_MAX + usize::try_from(FRAME_MAX).unwrap());
        }
        for kind in [Kind::Reserve, Kind::Confirm, Kind::Release, Kind::Extend, Kind::Replace] {
            assert!(kinds[usize::from(kind.code())] > 20, "{kind:?}");
        }
        assert!(frames > 20);
    }

    #[test]
    fn a_reservation_is_forgotten_when_it_has_ended_and_not_before() {
        // Proves what keeps goods in circulation: orders stay known until they are released.
        let mut shopper = Shopper::new(goods(), 3, 0);
        let cart = shopper.cart(0);
        let reserve = shopper.group(1, Command::Reserve(cart.reserve())).unwrap();
        shopper.learn(&reserve[0], &Outcome::new(Code::Ok, 9, 1)).unwrap();
        let id = shopper.open[0].id;
        let confirm = shopper.group(1, Command::Confirm(id)).unwrap();
        for code in [Code::Ok, Code::AlreadyConfirmed] {
            shopper.learn(&confirm[0], &Outcome::new(code, 0, 2)).unwrap();
            assert_eq!(shopper.open.len(), 1, "{code:?}");
        }
        assert!(shopper.open[0].is_order);
        let release = Command::Release(Release { reservation: id, lines: Lines::NONE });
        let release = shopper.group(1, release).unwrap();
        shopper.learn(&release[0], &Outcome::new(Code::Ok, 0, 3)).unwrap();
        assert!(shopper.open.is_empty());
    }
}
