//! From a command with names to the record of a command.

use stockhold_protocol::command::{
    Adjust, Amend, AppendReservations, ChannelAssignment, Command, Configure, Count, EpochStart, Extend,
    Freeze, FreezeScope, LinkDefinition, LinkRemoval, Mark, MarkRemoval, Notify, OrderEvent,
    OrderStateReport, Parts, PlaceFailed, Placement, QuotaChange, Readmit, Refund, Release, Rename, Replace,
    Reserve, Sell, SettingScope, SettingsChange, Sharing as Mode, Ship, SkuDefinition, SkuKind,
    SourceDefinition, StockDefinition, Target as Numbered, Transfer, Unship,
};
use stockhold_protocol::query::Name;
use stockhold_protocol::{BadField, CommandId, Envelope, Line as NumberedLine, Lines, Timestamp};

use super::numbers::{NamedError, Numbers};
use super::{Cart, Configuration, Goods, NamedCommand, Settings, Sharing, Source, Thing};

impl NamedCommand {
    /// Appends the record of the command under an id. `number` returns the number of a name.
    ///
    /// # Errors
    /// [`NamedError`]; `out` is then unchanged.
    pub fn put_record(
        &self,
        id: CommandId,
        number: &mut dyn FnMut(&Name) -> Option<u32>,
        out: &mut Vec<u8>,
    ) -> Result<(), NamedError> {
        let mut numbers = Numbers(number);
        let mut put = |command: Command<'_>| Ok(Envelope::new(id, command).encode(out)?);
        match self {
            Self::Reserve(cart) | Self::OrderPlaced(cart) => {
                let lines = numbers.lines(&cart.lines)?;
                let cart = reserve(cart, &lines, &mut numbers)?;
                let is_plain = matches!(self, Self::Reserve(_));
                put(if is_plain { Command::Reserve(cart) } else { Command::OrderPlaced(Placement(cart)) })
            }
            Self::Replace { old, new } => {
                let lines = numbers.lines(&new.lines)?;
                put(Command::Replace(Replace { old: old.0, new: reserve(new, &lines, &mut numbers)? }))
            }
            Self::Sell { target, source, lines, forced, owner, reference } => {
                let lines = numbers.lines(lines)?;
                let (target, source) = (numbers.target(target)?, numbers.source(source)?);
                let lines = Lines::Slice(&lines);
                put(Command::Sell(Sell { target, source, lines, forced: *forced, owner: *owner, reference }))
            }
            Self::Release { reservation, lines } => {
                let lines = numbers.lines(lines)?;
                put(Command::Release(Release { reservation: reservation.0, lines: Lines::Slice(&lines) }))
            }
            Self::Ship { reservation, source, lines, forced } => {
                let (lines, source) = (numbers.lines(lines)?, numbers.source(source)?);
                let (reservation, lines) = (reservation.0, Lines::Slice(&lines));
                put(Command::Ship(Ship { reservation, source, lines, forced: *forced }))
            }
            Self::Refund { reservation, parts } => {
                let (reservation, parts) = (reservation.0, numbers.parts(parts)?);
                put(Command::Refund(Refund { reservation, parts: Parts::Slice(&parts) }))
            }
            Self::Settings(change) => put(Command::Settings(Box::new(settings(change, &mut numbers)?))),
            Self::Confirm { .. }
            | Self::Extend { .. }
            | Self::Unship { .. }
            | Self::Amend { .. }
            | Self::OrderEvent { .. }
            | Self::OrderPlaceFailed { .. }
            | Self::AppendReservations { .. }
            | Self::OrderState { .. } => put(self.of_order(&mut numbers)?),
            Self::Count { .. }
            | Self::Adjust { .. }
            | Self::Transfer { .. }
            | Self::CountMany(_)
            | Self::Assign(_)
            | Self::Unassign(_)
            | Self::TransferMany(_)
            | Self::TransferLines(_)
            | Self::DefineSource(_)
            | Self::DefineStock { .. }
            | Self::DefineSku { .. }
            | Self::Link { .. }
            | Self::Unlink { .. }
            | Self::Channel { .. }
            | Self::Quota { .. }
            | Self::Freeze { .. }
            | Self::Notify { .. }
            | Self::Rename { .. }
            | Self::Configure(_)
            | Self::Mark { .. }
            | Self::Unmark { .. }
            | Self::ActivateRules { .. }
            | Self::AcceptClock { .. }
            | Self::Tick
            | Self::WallOffset { .. }
            | Self::BeginEpoch { .. } => put(self.merchant(&mut numbers)?),
            Self::Readmit { .. } => put(self.readmit(id, &mut numbers)?),
        }
    }

    /// The command that readmits another one.
    fn readmit(&self, id: CommandId, numbers: &mut Numbers<'_>) -> Result<Command<'static>, NamedError> {
        let Self::Readmit { epoch, op, actor, command } = self else { return Ok(Command::Tick) };
        let mut record = Vec::new();
        let command = command.as_ref().ok_or(BadField::new("command", "is missing"))?;
        command.put_record(id, numbers.0, &mut record)?;
        Ok(Command::Readmit(Readmit { epoch: *epoch, op: *op, actor: actor.clone(), record }))
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "`put_record` passes no other commands")]
    fn of_order(&self, numbers: &mut Numbers<'_>) -> Result<Command<'static>, NamedError> {
        Ok(match self {
            Self::Confirm { reservation } => Command::Confirm(reservation.0),
            Self::Extend { reservation, ttl_ms } => {
                Command::Extend(Extend { reservation: reservation.0, ttl_ms: *ttl_ms })
            }
            Self::Unship { reservation, source, lines } => Command::Unship(Unship {
                reservation: reservation.0,
                source: numbers.source(source)?,
                lines: numbers.lines(lines)?,
            }),
            Self::Amend { reservation, lines } => {
                Command::Amend(Amend { reservation: reservation.0, lines: numbers.lines(lines)? })
            }
            Self::OrderEvent { order, action, document, source, lines, forced, ttl_ms } => {
                Command::OrderEvent(Box::new(OrderEvent {
                    order: order.clone(),
                    action: action.0,
                    document: document.clone(),
                    source: source.as_deref().map(|code| numbers.source(code)).transpose()?,
                    lines: numbers.event_lines(lines)?,
                    forced: *forced,
                    ttl_ms: *ttl_ms,
                }))
            }
            Self::OrderPlaceFailed { order, placement } => {
                Command::PlaceFailed(PlaceFailed { order: order.clone(), placement: placement.0 })
            }
            Self::AppendReservations { rows } => {
                let rows = rows.iter().map(|row| numbers.row(row)).collect::<Result<_, _>>()?;
                Command::AppendReservations(AppendReservations { rows })
            }
            Self::OrderState { order, state, lines } => {
                let lines = lines.as_deref().map(|lines| numbers.expected_lines(lines)).transpose()?;
                let (order, state) = (order.clone(), state.0);
                Command::OrderState(Box::new(OrderStateReport { order, state, lines }))
            }
            _ => Command::Tick,
        })
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "`put_record` passes no other commands")]
    fn merchant(&self, numbers: &mut Numbers<'_>) -> Result<Command<'static>, NamedError> {
        Ok(match self {
            Self::Count { source, sku, quantity, in_stock, reason, reference } => Command::Count(Count {
                source: numbers.source(source)?,
                sku: numbers.sku(sku)?,
                quantity: quantity.0,
                in_stock: *in_stock,
                reason: reason.clone(),
                reference: reference.clone(),
            }),
            Self::Adjust { source, sku, delta, reason, reference } => Command::Adjust(Adjust {
                source: numbers.source(source)?,
                sku: numbers.sku(sku)?,
                delta: delta.0,
                reason: reason.clone(),
                reference: reference.clone(),
            }),
            Self::Transfer { from, to, lines, reason } => Command::Transfer(Transfer {
                from: numbers.source(from)?,
                to: numbers.source(to)?,
                lines: numbers.lines(lines)?,
                reason: reason.clone(),
            }),
            Self::DefineSource(one) => Command::DefineSource(Box::new(definition(one))),
            Self::DefineStock { name } => Command::DefineStock(StockDefinition { name: name.clone() }),
            Self::DefineSku { sku, goods, decimals } => Command::DefineSku(SkuDefinition {
                sku: sku.clone(),
                kind: match goods {
                    Goods::Simple => SkuKind::Simple,
                    Goods::Virtual => SkuKind::Virtual,
                    Goods::Composite => SkuKind::Composite,
                    Goods::Uncatalogued => SkuKind::Uncatalogued,
                },
                decimals: *decimals,
            }),
            Self::Link { stock, source, priority } => Command::Link(LinkDefinition {
                stock: numbers.stock(stock)?,
                source: numbers.source(source)?,
                priority: *priority,
            }),
            Self::Unlink { stock, source } => {
                Command::Unlink(LinkRemoval { stock: numbers.stock(stock)?, source: numbers.source(source)? })
            }
            Self::Channel { channel, stock } => Command::Channel(ChannelAssignment {
                channel_type: channel.channel_type.clone(),
                code: channel.code.clone(),
                stock: numbers.stock(stock)?,
            }),
            Self::Quota { sku, stock, limit } => Command::Quota(QuotaChange {
                sku: numbers.sku(sku)?,
                stock: numbers.stock(stock)?,
                limit: limit.map(|limit| limit.0),
            }),
            Self::Freeze { target, frozen } => freeze(numbers.target(target)?, *frozen),
            Self::Notify { sku, source, is_set, threshold } => Command::Notify(Notify {
                sku: numbers.sku(sku)?,
                source: numbers.source(source)?,
                is_set: *is_set,
                threshold: threshold.map(|threshold| threshold.0),
            }),
            Self::Rename { from, to } => {
                Command::Rename(Rename { number: numbers.number(name(from))?, to: name(to) })
            }
            _ => match super::bulk::command(self, numbers)? {
                Some(command) => command,
                None => self.operator(),
            },
        })
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "`merchant` passes no other commands")]
    fn operator(&self) -> Command<'static> {
        match self {
            Self::Configure(change) => Command::Configure(Box::new(configure(change))),
            Self::Mark {
                name,
                #[cfg(feature = "next-release")]
                note,
            } => Command::Mark(Mark {
                name: name.clone(),
                #[cfg(feature = "next-release")]
                note: note.clone(),
            }),
            Self::Unmark { name } => Command::Unmark(MarkRemoval { name: name.clone() }),
            Self::ActivateRules { version } => Command::ActivateRules(*version),
            Self::AcceptClock { until_ms } => Command::AcceptClock(Timestamp(*until_ms)),
            Self::WallOffset { offset_ms } => Command::WallOffset(*offset_ms),
            Self::BeginEpoch { epoch, restored } => {
                Command::BeginEpoch(EpochStart { epoch: *epoch, restored: *restored })
            }
            _ => Command::Tick,
        }
    }
}

fn freeze(target: Numbered, frozen: bool) -> Command<'static> {
    let scope = match target {
        Numbered::Stock(stock) => FreezeScope::Stock(stock),
        Numbered::Channel(channel) => FreezeScope::Channel(channel),
    };
    Command::Freeze(Freeze { scope, frozen })
}

fn reserve<'a>(
    cart: &'a Cart,
    lines: &'a [NumberedLine],
    numbers: &mut Numbers<'_>,
) -> Result<Reserve<'a>, NamedError> {
    Ok(Reserve {
        target: numbers.target(&cart.target)?,
        lines: Lines::Slice(lines),
        best_effort: cart.best_effort,
        ttl_ms: cart.ttl_ms,
        owner: cart.owner,
        reference: &cart.reference,
    })
}

fn definition(one: &Source) -> SourceDefinition {
    let one = one.clone();
    SourceDefinition {
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

fn settings(change: &Settings, numbers: &mut Numbers<'_>) -> Result<SettingsChange, NamedError> {
    let scope = match (&change.sku, &change.stock) {
        (None, None) => SettingScope::Global,
        (Some(sku), None) => SettingScope::Sku(numbers.sku(sku)?),
        (Some(sku), Some(stock)) => SettingScope::SkuStock(numbers.sku(sku)?, numbers.stock(stock)?),
        (None, Some(_)) => return Err(BadField::new("stock", "has settings for single SKUs only").into()),
    };
    Ok(SettingsChange {
        scope,
        manage_stock: change.manage_stock.0,
        backorders: change.backorders.map(Into::into).0,
        min_qty: change.min_qty.map(|text| text.0).0,
        min_sale_qty: change.min_sale_qty.map(|text| text.0).0,
        max_sale_qty: change.max_sale_qty.map(|text| text.0).0,
        enable_qty_increments: change.enable_qty_increments.0,
        qty_increments: change.qty_increments.map(|text| text.0).0,
        notify_stock_qty: change.notify_stock_qty.map(|text| text.0).0,
        frozen: change.frozen.0,
        opens_at: change.opens_at.map(|door| door.0).0,
        closes_at: change.closes_at.map(|door| door.0).0,
        #[cfg(feature = "next-release")]
        lead_days: change.lead_days.0,
    })
}

fn configure(change: &Configuration) -> Configure {
    Configure {
        sharing: change.sharing.map(|sharing| match sharing {
            Sharing::Exact => Mode::Exact,
            Sharing::Independent => Mode::Independent,
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
    }
}

fn name(thing: &Thing) -> Name {
    match thing {
        Thing::Sku(name) => Name::Sku(name.clone()),
        Thing::Stock(name) => Name::Stock(name.clone()),
        Thing::Source(code) => Name::Source(code.clone()),
        Thing::Channel(channel) => channel.to_name(),
    }
}
