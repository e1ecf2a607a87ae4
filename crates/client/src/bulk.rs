//! The calls that change many source items at once: each is one op, all or nothing.

use crate::answer::{Answer, Changed, Done};
use crate::blocking::blocking_calls;
use crate::client::Client;
use crate::error::CallError;
use crate::merchant::Note;
use crate::names::{CartLine, SkuRef, SourceRef};
use stockhold_protocol::Quantity;
use stockhold_protocol::command::{
    Assign, Command, CountLine, CountMany, Kind, TransferLines, TransferMany, Unassign,
};

/// The counted quantity of one source item.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Counted<'a> {
    /// The source.
    pub source: SourceRef<'a>,
    /// The SKU.
    pub sku: SkuRef<'a>,
    /// The quantity on hand.
    pub quantity: Quantity,
    /// The in-stock flag; `None` keeps it.
    pub in_stock: Option<bool>,
}

/// How all units of SKUs are transferred.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TransferOptions {
    /// Whether the source items are removed from the source that the goods leave.
    pub unassign: bool,
    /// Whether the goods are moved even if promises need them where they are.
    pub forced: bool,
}

blocking_calls! {
    /// See [`crate::Client::count_many`].
    fn count_many(lines: &[Counted<'_>], note: Note<'_>) -> Answer<Done>;
    /// See [`crate::Client::assign`].
    fn assign(skus: &[SkuRef<'_>], sources: &[SourceRef<'_>], reason: &str) -> Answer<Changed>;
    /// See [`crate::Client::unassign`].
    fn unassign(skus: &[SkuRef<'_>], sources: &[SourceRef<'_>], forced: bool, reason: &str) -> Answer<Changed>;
    /// See [`crate::Client::transfer_many`].
    fn transfer_many<'a>(from: impl Into<SourceRef<'a>>, to: impl Into<SourceRef<'a>>, skus: &[SkuRef<'_>], options: TransferOptions, reason: &str) -> Answer<Changed>;
    /// See [`crate::Client::transfer_lines`].
    fn transfer_lines<'a>(from: impl Into<SourceRef<'a>>, to: impl Into<SourceRef<'a>>, lines: &[CartLine<'_>], forced: bool, reason: &str) -> Answer<Done>;
}

impl Client {
    /// Records the quantities of up to 2,048 source items as absolute facts. None may occur twice.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn count_many(&self, lines: &[Counted<'_>], note: Note<'_>) -> Result<Answer<Done>, CallError> {
        let settled = self.mutate(Kind::CountMany, |numbers| {
            let mut counted = Vec::with_capacity(lines.len());
            for line in lines {
                let (source, sku) = (numbers.source(line.source), numbers.sku(line.sku));
                let (quantity, in_stock) = (line.quantity, line.in_stock);
                counted.push(CountLine { sku, source, quantity, in_stock });
            }
            let (reason, reference) = (note.reason.to_owned(), note.reference.to_owned());
            numbers.encode(Command::CountMany(Box::new(CountMany { lines: counted, reason, reference })))
        });
        Ok(settled.await?.answer(Done::from))
    }

    /// Makes the missing source items of SKUs at sources, with no units and out of stock. There may be 10,000 pairs.
    /// Composite SKUs are passed over.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn assign(
        &self,
        skus: &[SkuRef<'_>],
        sources: &[SourceRef<'_>],
        reason: &str,
    ) -> Result<Answer<Changed>, CallError> {
        let settled = self.mutate(Kind::Assign, |numbers| {
            let skus = skus.iter().map(|sku| numbers.sku(*sku)).collect();
            let sources = sources.iter().map(|source| numbers.source(*source)).collect();
            numbers.encode(Command::Assign(Box::new(Assign { skus, sources, reason: reason.to_owned() })))
        });
        Ok(settled.await?.answer(Changed::from))
    }

    /// Removes the source items of SKUs at sources. There may be 10,000 pairs. Without `forced` it is refused if promises
    /// need the goods; [`Refusal::offenders`](crate::Refusal::offenders) names them.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn unassign(
        &self,
        skus: &[SkuRef<'_>],
        sources: &[SourceRef<'_>],
        forced: bool,
        reason: &str,
    ) -> Result<Answer<Changed>, CallError> {
        let settled = self.mutate(Kind::Unassign, |numbers| {
            let skus = skus.iter().map(|sku| numbers.sku(*sku)).collect();
            let sources = sources.iter().map(|source| numbers.source(*source)).collect();
            let reason = reason.to_owned();
            numbers.encode(Command::Unassign(Box::new(Unassign { skus, sources, forced, reason })))
        });
        Ok(settled.await?.answer(Changed::from))
    }

    /// Moves all units of up to 10,000 SKUs from one source to another, with the in-stock flag. Composite SKUs are passed
    /// over.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn transfer_many<'a>(
        &self,
        from: impl Into<SourceRef<'a>>,
        to: impl Into<SourceRef<'a>>,
        skus: &[SkuRef<'_>],
        options: TransferOptions,
        reason: &str,
    ) -> Result<Answer<Changed>, CallError> {
        let (from, to) = (from.into(), to.into());
        let settled = self.mutate(Kind::TransferMany, |numbers| {
            let (from, to) = (numbers.source(from), numbers.source(to));
            let skus = skus.iter().map(|sku| numbers.sku(*sku)).collect();
            let TransferOptions { unassign, forced } = options;
            let reason = reason.to_owned();
            numbers.encode(Command::TransferMany(Box::new(TransferMany {
                from,
                to,
                skus,
                unassign,
                forced,
                reason,
            })))
        });
        Ok(settled.await?.answer(Changed::from))
    }

    /// Moves units between source items that both exist, in up to 2,048 lines. The target is in stock afterwards.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn transfer_lines<'a>(
        &self,
        from: impl Into<SourceRef<'a>>,
        to: impl Into<SourceRef<'a>>,
        lines: &[CartLine<'_>],
        forced: bool,
        reason: &str,
    ) -> Result<Answer<Done>, CallError> {
        let (from, to) = (from.into(), to.into());
        let settled = self.mutate(Kind::TransferLines, |numbers| {
            let (from, to) = (numbers.source(from), numbers.source(to));
            let (lines, reason) = (numbers.lines(lines), reason.to_owned());
            numbers.encode(Command::TransferLines(Box::new(TransferLines {
                from,
                to,
                lines,
                forced,
                reason,
            })))
        });
        Ok(settled.await?.answer(Done::from))
    }
}
