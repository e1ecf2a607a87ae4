//! From a command and the machine that knows its names to the command with names.
//!
//! A number that the machine does not know is shown as `#7`. Such a command was refused.

use stockhold_machine::Machine;
use stockhold_protocol::command::{
    Command, FreezeScope, OrderEvent, OrderStateReport, PartKind as Kind, Refund, Reserve, SettingScope,
    SettingsChange, Sharing as Mode, SignedRow, SkuKind, SourceDefinition, Target as Numbered,
};
use stockhold_protocol::query::Name;
use stockhold_protocol::{ChannelId, Envelope};

use super::bulk::lines;
use super::{
    Action, Cart, Channel, Configuration, EventLine, ExpectedLine, Goods, NamedCommand, Part, PartKind,
    Reference, Row, RowEvent, Setting, Settings, Sharing, Source, State, Target, Text, Thing,
};
use crate::calendar::Door;
use crate::describe::{sku, source, stock};

impl NamedCommand {
    /// A command with the names that the machine knows now.
    #[must_use]
    pub fn of(machine: &Machine, command: &Command<'_>) -> Self {
        match command {
            Command::Reserve(reserve) => Self::Reserve(cart(machine, reserve)),
            Command::Replace(replace) => {
                Self::Replace { old: Reference(replace.old), new: cart(machine, &replace.new) }
            }
            Command::Sell(sell) => Self::Sell {
                target: target(machine, sell.target),
                source: source(machine, sell.source),
                lines: lines(machine, sell.lines.iter()),
                forced: sell.forced,
                owner: sell.owner,
                reference: sell.reference.to_owned(),
            },
            Command::Confirm(reservation) => Self::Confirm { reservation: Reference(*reservation) },
            Command::Extend(extend) => {
                Self::Extend { reservation: Reference(extend.reservation), ttl_ms: extend.ttl_ms }
            }
            Command::Release(release) => {
                let lines = lines(machine, release.lines.iter());
                Self::Release { reservation: Reference(release.reservation), lines }
            }
            Command::Ship(ship) => Self::Ship {
                reservation: Reference(ship.reservation),
                source: source(machine, ship.source),
                lines: lines(machine, ship.lines.iter()),
                forced: ship.forced,
            },
            Command::Refund(refund) => refund_of(machine, refund),
            Command::Unship(_)
            | Command::Amend(_)
            | Command::OrderPlaced(_)
            | Command::OrderEvent(_)
            | Command::PlaceFailed(_)
            | Command::AppendReservations(_)
            | Command::OrderState(_) => of_order(machine, command),
            Command::Count(_)
            | Command::Adjust(_)
            | Command::Transfer(_)
            | Command::CountMany(_)
            | Command::Assign(_)
            | Command::Unassign(_)
            | Command::TransferMany(_)
            | Command::TransferLines(_)
            | Command::Tick
            | Command::DefineSource(_)
            | Command::DefineStock(_)
            | Command::DefineSku(_)
            | Command::Link(_)
            | Command::Unlink(_)
            | Command::Channel(_)
            | Command::Settings(_)
            | Command::Quota(_)
            | Command::Freeze(_)
            | Command::Notify(_)
            | Command::Rename(_)
            | Command::Configure(_)
            | Command::Mark(_)
            | Command::Unmark(_)
            | Command::ActivateRules(_)
            | Command::WallOffset(_)
            | Command::AcceptClock(_)
            | Command::BeginEpoch(_)
            | Command::Readmit(_) => merchant(machine, command),
        }
    }
}

fn refund_of(machine: &Machine, refund: &Refund<'_>) -> NamedCommand {
    NamedCommand::Refund { reservation: Reference(refund.reservation), parts: parts(machine, refund) }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "`of` passes no other commands")]
fn of_order(machine: &Machine, command: &Command<'_>) -> NamedCommand {
    match command {
        Command::Unship(unship) => NamedCommand::Unship {
            reservation: Reference(unship.reservation),
            source: source(machine, unship.source),
            lines: lines(machine, unship.lines.iter().copied()),
        },
        Command::Amend(amend) => NamedCommand::Amend {
            reservation: Reference(amend.reservation),
            lines: lines(machine, amend.lines.iter().copied()),
        },
        Command::OrderPlaced(placement) => NamedCommand::OrderPlaced(cart(machine, &placement.0)),
        Command::PlaceFailed(failure) => NamedCommand::OrderPlaceFailed {
            order: failure.order.clone(),
            placement: Reference(failure.placement),
        },
        Command::OrderEvent(event) => order_event(machine, event),
        Command::OrderState(report) => order_state(machine, report),
        Command::AppendReservations(append) => NamedCommand::AppendReservations {
            rows: append.rows.iter().map(|row| row_of(machine, row)).collect(),
        },
        _ => unreachable!("`of` passes the commands of orders"),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "`of` passes no other commands")]
fn merchant(machine: &Machine, command: &Command<'_>) -> NamedCommand {
    match command {
        Command::Count(count) => NamedCommand::Count {
            source: source(machine, count.source),
            sku: sku(machine, count.sku),
            quantity: Text(count.quantity),
            in_stock: count.in_stock,
            reason: count.reason.clone(),
            reference: count.reference.clone(),
        },
        Command::Adjust(adjust) => NamedCommand::Adjust {
            source: source(machine, adjust.source),
            sku: sku(machine, adjust.sku),
            delta: Text(adjust.delta),
            reason: adjust.reason.clone(),
            reference: adjust.reference.clone(),
        },
        Command::Transfer(transfer) => NamedCommand::Transfer {
            from: source(machine, transfer.from),
            to: source(machine, transfer.to),
            lines: lines(machine, transfer.lines.iter().copied()),
            reason: transfer.reason.clone(),
        },
        Command::DefineSource(one) => NamedCommand::DefineSource(definition(one)),
        Command::DefineStock(one) => NamedCommand::DefineStock { name: one.name.clone() },
        Command::DefineSku(one) => NamedCommand::DefineSku {
            sku: one.sku.clone(),
            goods: match one.kind {
                SkuKind::Simple => Goods::Simple,
                SkuKind::Virtual => Goods::Virtual,
                SkuKind::Composite => Goods::Composite,
                SkuKind::Uncatalogued => Goods::Uncatalogued,
            },
            decimals: one.decimals,
        },
        Command::Link(link) => NamedCommand::Link {
            stock: stock(machine, link.stock),
            source: source(machine, link.source),
            priority: link.priority,
        },
        Command::Unlink(link) => {
            NamedCommand::Unlink { stock: stock(machine, link.stock), source: source(machine, link.source) }
        }
        Command::Channel(one) => NamedCommand::Channel {
            channel: Channel { channel_type: one.channel_type.clone(), code: one.code.clone() },
            stock: stock(machine, one.stock),
        },
        Command::Rename(rename) => NamedCommand::Rename {
            from: machine
                .name_of(&rename.to, rename.number)
                .map_or_else(|| unknown(&rename.to, rename.number), |name| thing(&name)),
            to: thing(&rename.to),
        },
        Command::Readmit(readmit) => NamedCommand::Readmit {
            epoch: readmit.epoch,
            op: readmit.op,
            actor: readmit.actor.clone(),
            command: Envelope::decode(&readmit.record)
                .ok()
                .map(|undone| Box::new(NamedCommand::of(machine, &undone.command))),
        },
        _ => rules(machine, command),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "`merchant` passes no other commands")]
fn rules(machine: &Machine, command: &Command<'_>) -> NamedCommand {
    match command {
        Command::Settings(change) => NamedCommand::Settings(settings(machine, change)),
        Command::Quota(quota) => NamedCommand::Quota {
            sku: sku(machine, quota.sku),
            stock: stock(machine, quota.stock),
            limit: quota.limit.map(Text),
        },
        Command::Freeze(freeze) => {
            let target = match freeze.scope {
                FreezeScope::Stock(number) => Target::Stock(stock(machine, number)),
                FreezeScope::Channel(number) => Target::Channel(channel(machine, number)),
            };
            NamedCommand::Freeze { target, frozen: freeze.frozen }
        }
        Command::Notify(notify) => NamedCommand::Notify {
            sku: sku(machine, notify.sku),
            source: source(machine, notify.source),
            is_set: notify.is_set,
            threshold: notify.threshold.map(Text),
        },
        _ => super::bulk::of(machine, command).unwrap_or_else(|| operator(command)),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "`rules` passes no other commands")]
fn operator(command: &Command<'_>) -> NamedCommand {
    match command {
        Command::Configure(change) => NamedCommand::Configure(Configuration {
            sharing: change.sharing.map(|sharing| match sharing {
                Mode::Exact => Sharing::Exact,
                Mode::Independent => Sharing::Independent,
            }),
            ttl_min_ms: change.ttl_min_ms,
            ttl_max_ms: change.ttl_max_ms,
            ttl_total_max_ms: change.ttl_total_max_ms,
            lines_max: change.lines_max,
            late_confirm_window_ms: change.late_confirm_window_ms,
            id_retention_ms: change.id_retention_ms,
            id_retention_min_ms: change.id_retention_min_ms,
            outcome_bytes_max: change.outcome_bytes_max,
            reservations_max: change.reservations_max,
            gap_max_ms: change.gap_max_ms,
            clock_jump_max_ms: change.clock_jump_max_ms,
            name_grace_ms: change.name_grace_ms,
            order_retention_ms: change.order_retention_ms,
            order_retention_min_ms: change.order_retention_min_ms,
            orders_max: change.orders_max,
        }),
        Command::Mark(mark) => NamedCommand::Mark {
            name: mark.name.clone(),
            #[cfg(feature = "next-release")]
            note: mark.note.clone(),
        },
        Command::Unmark(mark) => NamedCommand::Unmark { name: mark.name.clone() },
        Command::ActivateRules(version) => NamedCommand::ActivateRules { version: *version },
        Command::AcceptClock(until) => NamedCommand::AcceptClock { until_ms: until.0 },
        Command::WallOffset(offset_ms) => NamedCommand::WallOffset { offset_ms: *offset_ms },
        Command::BeginEpoch(start) => {
            NamedCommand::BeginEpoch { epoch: start.epoch, restored: start.restored }
        }
        _ => NamedCommand::Tick,
    }
}

fn cart(machine: &Machine, cart: &Reserve<'_>) -> Cart {
    Cart {
        target: target(machine, cart.target),
        lines: lines(machine, cart.lines.iter()),
        best_effort: cart.best_effort,
        ttl_ms: cart.ttl_ms,
        owner: cart.owner,
        reference: cart.reference.to_owned(),
    }
}

fn target(machine: &Machine, target: Numbered) -> Target {
    match target {
        Numbered::Stock(number) => Target::Stock(stock(machine, number)),
        Numbered::Channel(number) => Target::Channel(channel(machine, number)),
    }
}

fn channel(machine: &Machine, number: ChannelId) -> Channel {
    let (channel_type, code) = machine.channel_name(number).map_or_else(
        || (String::new(), format!("#{}", number.0)),
        |(channel_type, code)| (channel_type.to_owned(), code.to_owned()),
    );
    Channel { channel_type, code }
}

fn order_state(machine: &Machine, report: &OrderStateReport) -> NamedCommand {
    let line = |line: &stockhold_protocol::command::ExpectedLine| ExpectedLine {
        stock: stock(machine, line.stock),
        sku: sku(machine, line.sku),
        quantity: Text(line.quantity),
    };
    NamedCommand::OrderState {
        order: report.order.clone(),
        state: State(report.state),
        lines: report.lines.as_ref().map(|lines| lines.iter().map(line).collect()),
    }
}

fn row_of(machine: &Machine, row: &SignedRow) -> Row {
    Row {
        order: row.order.clone(),
        event: RowEvent(row.event),
        stock: stock(machine, row.stock),
        sku: sku(machine, row.sku),
        quantity: Text(row.quantity),
    }
}

fn order_event(machine: &Machine, event: &OrderEvent) -> NamedCommand {
    let line = |line: &stockhold_protocol::command::EventLine| EventLine {
        sku: sku(machine, line.sku),
        stock: line.stock.map(|number| stock(machine, number)),
        quantity: Text(line.quantity),
        is_returned: line.is_returned,
    };
    NamedCommand::OrderEvent {
        order: event.order.clone(),
        action: Action(event.action),
        document: event.document.clone(),
        source: event.source.map(|number| source(machine, number)),
        lines: event.lines.iter().map(line).collect(),
        forced: event.forced,
        ttl_ms: event.ttl_ms,
    }
}

fn parts(machine: &Machine, refund: &Refund<'_>) -> Vec<Part> {
    let part = |part: stockhold_protocol::command::RefundPart| {
        let (kind, place) = match part.kind {
            Kind::Unshipped => (PartKind::Unshipped, None),
            Kind::Returned(place) => (PartKind::Returned, Some(place)),
            Kind::WrittenOff(place) => (PartKind::WrittenOff, Some(place)),
        };
        Part {
            sku: sku(machine, part.sku),
            quantity: Text(part.quantity),
            kind,
            source: place.map(|place| source(machine, place)),
        }
    };
    refund.parts.iter().map(part).collect()
}

fn definition(one: &SourceDefinition) -> Source {
    let one = one.clone();
    Source {
        code: one.code,
        name: one.name,
        enabled: one.enabled,
        description: one.description,
        latitude_micro: one.latitude_micro,
        longitude_micro: one.longitude_micro,
        country: one.country,
        region: one.region,
        city: one.city,
        street: one.street,
        postcode: one.postcode,
        contact: one.contact,
        pickup: one.pickup,
        pickup_name: one.pickup_name,
        pickup_description: one.pickup_description,
    }
}

fn settings(machine: &Machine, change: &SettingsChange) -> Settings {
    let (one, place) = match change.scope {
        SettingScope::Global => (None, None),
        SettingScope::Sku(one) => (Some(one), None),
        SettingScope::SkuStock(one, place) => (Some(one), Some(place)),
    };
    Settings {
        sku: one.map(|one| sku(machine, one)),
        stock: place.map(|place| stock(machine, place)),
        manage_stock: Setting(change.manage_stock),
        backorders: Setting(change.backorders).map(Into::into),
        min_qty: Setting(change.min_qty).map(Text),
        min_sale_qty: Setting(change.min_sale_qty).map(Text),
        max_sale_qty: Setting(change.max_sale_qty).map(Text),
        enable_qty_increments: Setting(change.enable_qty_increments),
        qty_increments: Setting(change.qty_increments).map(Text),
        notify_stock_qty: Setting(change.notify_stock_qty).map(Text),
        frozen: Setting(change.frozen),
        opens_at: Setting(change.opens_at).map(Door),
        closes_at: Setting(change.closes_at).map(Door),
        #[cfg(feature = "next-release")]
        lead_days: Setting(change.lead_days),
    }
}

fn thing(name: &Name) -> Thing {
    match name {
        Name::Sku(sku) => Thing::Sku(sku.clone()),
        Name::Stock(stock) => Thing::Stock(stock.clone()),
        Name::Source(code) => Thing::Source(code.clone()),
        Name::Channel(channel_type, code) => {
            Thing::Channel(Channel { channel_type: channel_type.clone(), code: code.clone() })
        }
    }
}

fn unknown(like: &Name, number: u32) -> Thing {
    let name = format!("#{number}");
    match like {
        Name::Sku(_) => Thing::Sku(name),
        Name::Stock(_) => Thing::Stock(name),
        Name::Source(_) => Thing::Source(name),
        Name::Channel(..) => Thing::Channel(Channel { channel_type: String::new(), code: name }),
    }
}
