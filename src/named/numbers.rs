//! The numbers of names, and why a command with names cannot be sent.

use super::{Channel, EventLine, ExpectedLine, Line, Part, PartKind, Row, Target};
use stockhold_protocol::command::{
    EventLine as NumberedEventLine, ExpectedLine as Expected, PartKind as Kind, RefundPart, SignedRow,
    Target as Numbered,
};
use stockhold_protocol::query::Name;
use stockhold_protocol::{BadField, ChannelId, Line as NumberedLine, SkuId, SourceId, StockId};

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
pub(super) struct Numbers<'a>(pub(super) &'a mut dyn FnMut(&Name) -> Option<u32>);

impl Numbers<'_> {
    pub(super) fn number(&mut self, name: Name) -> Result<u32, NamedError> {
        (self.0)(&name).ok_or(NamedError::UnknownName(name))
    }

    pub(super) fn sku(&mut self, name: &str) -> Result<SkuId, NamedError> {
        self.number(Name::Sku(name.to_owned())).map(SkuId)
    }

    pub(super) fn stock(&mut self, name: &str) -> Result<StockId, NamedError> {
        self.number(Name::Stock(name.to_owned())).map(StockId)
    }

    pub(super) fn source(&mut self, code: &str) -> Result<SourceId, NamedError> {
        self.number(Name::Source(code.to_owned())).map(SourceId)
    }

    pub(super) fn target(&mut self, target: &Target) -> Result<Numbered, NamedError> {
        match target {
            Target::Stock(name) => self.stock(name).map(Numbered::Stock),
            Target::Channel(channel) => {
                self.number(channel.to_name()).map(|number| Numbered::Channel(ChannelId(number)))
            }
        }
    }

    pub(super) fn lines(&mut self, lines: &[Line]) -> Result<Vec<NumberedLine>, NamedError> {
        lines.iter().map(|line| Ok(NumberedLine::new(self.sku(&line.sku)?, line.quantity.0))).collect()
    }

    pub(super) fn event_lines(&mut self, lines: &[EventLine]) -> Result<Vec<NumberedEventLine>, NamedError> {
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

    pub(super) fn expected_lines(&mut self, lines: &[ExpectedLine]) -> Result<Vec<Expected>, NamedError> {
        let line = |line: &ExpectedLine| {
            let (stock, sku) = (self.stock(&line.stock)?, self.sku(&line.sku)?);
            Ok(Expected { stock, sku, quantity: line.quantity.0 })
        };
        lines.iter().map(line).collect()
    }

    pub(super) fn row(&mut self, row: &Row) -> Result<SignedRow, NamedError> {
        Ok(SignedRow {
            order: row.order.clone(),
            event: row.event.0,
            stock: self.stock(&row.stock)?,
            sku: self.sku(&row.sku)?,
            quantity: row.quantity.0,
        })
    }

    pub(super) fn parts(&mut self, parts: &[Part]) -> Result<Vec<RefundPart>, NamedError> {
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
    pub(super) fn to_name(&self) -> Name {
        Name::Channel(self.channel_type.clone(), self.code.clone())
    }
}
