//! From a command with names to the record of a command.

use stockhold_protocol::command::{
    Adjust, Amend, ChannelAssignment, Command, Configure, Count, EpochStart, EventLine as NumberedEventLine,
    Extend, LinkDefinition, LinkRemoval, Mark, MarkRemoval, Notify, OrderEvent, PartKind as Kind, Parts,
    PlaceFailed, Placement, QuotaChange, Readmit, Refund, RefundPart, Release, Rename, Replace, Reserve,
    Sell, SettingScope, SettingsChange, Sharing as Mode, Ship, SkuDefinition, SkuKind, SourceDefinition,
    StockDefinition, Target as Numbered, Transfer, Unship,
};
use stockhold_protocol::query::Name;
use stockhold_protocol::{
    BadField, ChannelId, CommandId, Envelope, Line as NumberedLine, Lines, SkuId, SourceId, StockId,
    Timestamp,
};

use super::{
    Cart, Channel, Configuration, EventLine, Goods, Line, NamedCommand, Part, PartKind, Settings, Sharing,
    Source, Target, Thing,
};

/// Why a command with names cannot be sent.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NamedError {
    /// Nothing has this name.
    #[error("there is no {}", described(.0))]
    UnknownName(Name),
    /// A field violates a rule.
    #[error(transparent)]
    Field(#[from] BadField),
}

fn described(name: &Name) -> String {
    match name {
        Name::Sku(name) => format!("SKU {name:?}"),
        Name::Stock(name) => format!("stock {name:?}"),
        Name::Source(code) => format!("source {code:?}"),
        Name::Channel(channel_type, code) => format!("channel {:?}", format!("{channel_type}/{code}")),
    }
}

/// The numbers of names.
struct Numbers<'a>(&'a mut dyn FnMut(&Name) -> Option<u32>);

impl Numbers<'_> {
    fn number(&mut self, name: Name) -> Result<u32, NamedError> {
        (self.0)(&name).ok_or(NamedError::UnknownName(name))
    }

    fn sku(&mut self, name: &str) -> Result<SkuId, NamedError> {
        self.number(Name::Sku(name.to_owned())).map(SkuId)
    }

    fn stock(&mut self, name: &str) -> Result<StockId, NamedError> {
        self.number(Name::Stock(name.to_owned())).map(StockId)
    }

    fn source(&mut self, code: &str) -> Result<SourceId, NamedError> {
        self.number(Name::Source(code.to_owned())).map(SourceId)
    }

    fn target(&mut self, target: &Target) -> Result<Numbered, NamedError> {
        match target {
            Target::Stock(name) => self.stock(name).map(Numbered::Stock),
            Target::Channel(channel) => {
                self.number(channel.to_name()).map(|number| Numbered::Channel(ChannelId(number)))
            }
        }
    }

    fn lines(&mut self, lines: &[Line]) -> Result<Vec<NumberedLine>, NamedError> {
        lines.iter().map(|line| Ok(NumberedLine::new(self.sku(&line.sku)?, line.quantity.0))).collect()
    }

    fn event_lines(&mut self, lines: &[EventLine]) -> Result<Vec<NumberedEventLine>, NamedError> {
        let line = |line: &EventLine| {
            Ok(NumberedEventLine {
                sku: self.sku(&line.sku)?,
                stock: line.stock.as_deref().map(|name| self.stock(name)).transpose()?,
                quantity: line.quantity.0,
                is_returned: line.is_returned,
            })
        };
        lines.iter().map(line).collect()
    }

    fn parts(&mut self, parts: &[Part]) -> Result<Vec<RefundPart>, NamedError> {
        let mut part = |part: &Part| {
            let place = part.source.as_deref().map(|code| self.source(code)).transpose()?;
            let missing = BadField::new("source", "is missing");
            let kind = match (part.kind, place) {
                (PartKind::Unshipped, None) => Kind::Unshipped,
                (PartKind::Returned, Some(place)) => Kind::Returned(place),
                (PartKind::WrittenOff, Some(place)) => Kind::WrittenOff(place),
                (PartKind::Unshipped, Some(_)) => {
                    return Err(BadField::new("source", "is only for units that were shipped or lost").into());
                }
                (PartKind::Returned | PartKind::WrittenOff, None) => return Err(missing.into()),
            };
            Ok(RefundPart { sku: self.sku(&part.sku)?, quantity: part.quantity.0, kind })
        };
        parts.iter().map(&mut part).collect()
    }
}

impl Channel {
    fn to_name(&self) -> Name {
        Name::Channel(self.channel_type.clone(), self.code.clone())
    }
}

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
            Self::Reserve(cart) => {
                let lines = numbers.lines(&cart.lines)?;
                put(Command::Reserve(reserve(cart, &lines, &mut numbers)?))
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
            Self::Confirm { reservation } => put(Command::Confirm(reservation.0)),
            Self::Extend { reservation, ttl_ms } => {
                put(Command::Extend(Extend { reservation: reservation.0, ttl_ms: *ttl_ms }))
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
                let parts = numbers.parts(parts)?;
                put(Command::Refund(Refund { reservation: reservation.0, parts: Parts::Slice(&parts) }))
            }
            Self::OrderPlaced(cart) => {
                let lines = numbers.lines(&cart.lines)?;
                put(Command::OrderPlaced(Placement(reserve(cart, &lines, &mut numbers)?)))
            }
            Self::Unship { .. }
            | Self::Amend { .. }
            | Self::OrderEvent { .. }
            | Self::OrderPlaceFailed { .. } => put(self.of_order(&mut numbers)?),
            Self::Count { .. }
            | Self::Adjust { .. }
            | Self::Transfer { .. }
            | Self::DefineSource(_)
            | Self::DefineStock { .. }
            | Self::DefineSku { .. }
            | Self::Link { .. }
            | Self::Unlink { .. }
            | Self::Channel { .. }
            | Self::Settings(_)
            | Self::Quota { .. }
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
            Self::Readmit { epoch, op, actor, command } => {
                let mut record = Vec::new();
                let command = command.as_ref().ok_or(BadField::new("command", "is missing"))?;
                command.put_record(id, numbers.0, &mut record)?;
                put(Command::Readmit(Readmit { epoch: *epoch, op: *op, actor: actor.clone(), record }))
            }
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "`put_record` passes no other commands")]
    fn of_order(&self, numbers: &mut Numbers<'_>) -> Result<Command<'static>, NamedError> {
        Ok(match self {
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
            Self::Settings(change) => Command::Settings(Box::new(settings(change, numbers)?)),
            Self::Quota { sku, stock, limit } => Command::Quota(QuotaChange {
                sku: numbers.sku(sku)?,
                stock: numbers.stock(stock)?,
                limit: limit.map(|limit| limit.0),
            }),
            Self::Notify { sku, source, is_set, threshold } => Command::Notify(Notify {
                sku: numbers.sku(sku)?,
                source: numbers.source(source)?,
                is_set: *is_set,
                threshold: threshold.map(|threshold| threshold.0),
            }),
            Self::Rename { from, to } => {
                Command::Rename(Rename { number: numbers.number(name(from))?, to: name(to) })
            }
            _ => self.operator(),
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
