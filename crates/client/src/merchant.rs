//! The calls of merchants and operators: what exists, what feeds what, what lies where, and how the
//! machine is set up.

use crate::answer::{Answer, Defined, Done, Noted, Settled};
use crate::client::Client;
use crate::error::CallError;
use crate::names::{CartLine, Numbers, ScopeRef, SkuRef, SourceRef, StockRef};
use stockhold_protocol::command::{
    Adjust, ChannelAssignment, Command, Configure, Count, Kind, LinkDefinition, LinkRemoval, Mark,
    QuotaChange, SettingsChange, SkuDefinition, SourceDefinition, StockDefinition, Transfer,
};
use stockhold_protocol::{BadField, ChannelId, Quantity, SkuId, SourceId, StockId};

/// Why a fact is noted, for people and documents.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Note<'a> {
    /// A sentence for people.
    pub reason: &'a str,
    /// A document number, at most 32 bytes.
    pub reference: &'a str,
}

impl Client {
    /// States what lies at a source: an absolute fact. `in_stock: None` keeps the in-stock flag.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn count<'a>(
        &self,
        source: impl Into<SourceRef<'a>>,
        sku: impl Into<SkuRef<'a>>,
        quantity: Quantity,
        in_stock: Option<bool>,
        note: Note<'_>,
    ) -> Result<Answer<Noted>, CallError> {
        let (source, sku) = (source.into(), sku.into());
        let settled = self.mutate(Kind::Count, |numbers| {
            let (source, sku) = (numbers.source(source), numbers.sku(sku));
            let (reason, reference) = (note.reason.to_owned(), note.reference.to_owned());
            numbers.encode(Command::Count(Count { source, sku, quantity, in_stock, reason, reference }))
        });
        Ok(settled.await?.answer(Noted::from))
    }

    /// Changes what lies at a source by a difference: a fact as well.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn adjust<'a>(
        &self,
        source: impl Into<SourceRef<'a>>,
        sku: impl Into<SkuRef<'a>>,
        delta: Quantity,
        note: Note<'_>,
    ) -> Result<Answer<Noted>, CallError> {
        let (source, sku) = (source.into(), sku.into());
        let settled = self.mutate(Kind::Adjust, |numbers| {
            let (source, sku) = (numbers.source(source), numbers.sku(sku));
            let (reason, reference) = (note.reason.to_owned(), note.reference.to_owned());
            numbers.encode(Command::Adjust(Adjust { source, sku, delta, reason, reference }))
        });
        Ok(settled.await?.answer(Noted::from))
    }

    /// Moves goods between sources, all lines or none.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn transfer<'a>(
        &self,
        from: impl Into<SourceRef<'a>>,
        to: impl Into<SourceRef<'a>>,
        lines: &[CartLine<'_>],
        reason: &str,
    ) -> Result<Answer<Done>, CallError> {
        let (from, to) = (from.into(), to.into());
        let settled = self.mutate(Kind::Transfer, |numbers| {
            let (from, to) = (numbers.source(from), numbers.source(to));
            let (lines, reason) = (numbers.lines(lines), reason.to_owned());
            numbers.encode(Command::Transfer(Transfer { from, to, lines, reason }))
        });
        Ok(settled.await?.answer(Done::from))
    }

    /// Makes a source, or changes all fields of the one with this code.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn define_source(
        &self,
        source: &SourceDefinition,
    ) -> Result<Answer<Defined<SourceId>>, CallError> {
        let command = Command::DefineSource(Box::new(source.clone()));
        Ok(self.plain(&command).await?.answer(Defined::from))
    }

    /// Makes a stock, or leaves the one with this name as it is.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn define_stock(&self, name: &str) -> Result<Answer<Defined<StockId>>, CallError> {
        let command = Command::DefineStock(StockDefinition { name: name.to_owned() });
        Ok(self.plain(&command).await?.answer(Defined::from))
    }

    /// Makes a SKU, or changes the one with this name.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn define_sku(&self, sku: &SkuDefinition) -> Result<Answer<Defined<SkuId>>, CallError> {
        Ok(self.plain(&Command::DefineSku(sku.clone())).await?.answer(Defined::from))
    }

    /// Lets a source feed a stock, or changes the priority of the link (1..=65535, smaller is earlier).
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn link<'a>(
        &self,
        stock: impl Into<StockRef<'a>>,
        source: impl Into<SourceRef<'a>>,
        priority: u16,
    ) -> Result<Answer<Done>, CallError> {
        let (stock, source) = (stock.into(), source.into());
        let settled = self.mutate(Kind::Link, |numbers| {
            let (stock, source) = (numbers.stock(stock), numbers.source(source));
            numbers.encode(Command::Link(LinkDefinition { stock, source, priority }))
        });
        Ok(settled.await?.answer(Done::from))
    }

    /// Stops a source feeding a stock; the shortfall that this leaves is reported.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn unlink<'a>(
        &self,
        stock: impl Into<StockRef<'a>>,
        source: impl Into<SourceRef<'a>>,
    ) -> Result<Answer<Done>, CallError> {
        let (stock, source) = (stock.into(), source.into());
        let settled = self.mutate(Kind::Unlink, |numbers| {
            let (stock, source) = (numbers.stock(stock), numbers.source(source));
            numbers.encode(Command::Unlink(LinkRemoval { stock, source }))
        });
        Ok(settled.await?.answer(Done::from))
    }

    /// Lets a sales channel sell from a stock; a channel that exists moves.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn channel<'a>(
        &self,
        channel_type: &str,
        code: &str,
        stock: impl Into<StockRef<'a>>,
    ) -> Result<Answer<Defined<ChannelId>>, CallError> {
        let stock = stock.into();
        let settled = self.mutate(Kind::Channel, |numbers| {
            let (channel_type, code) = (channel_type.to_owned(), code.to_owned());
            let stock = numbers.stock(stock);
            numbers.encode(Command::Channel(ChannelAssignment { channel_type, code, stock }))
        });
        Ok(settled.await?.answer(Defined::from))
    }

    /// Changes settings at `scope`, which takes the place of the scope in `change`.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn settings(
        &self,
        scope: ScopeRef<'_>,
        change: &SettingsChange,
    ) -> Result<Answer<Done>, CallError> {
        let settled = self.mutate(Kind::Settings, |numbers| {
            let scope = numbers.scope(scope);
            numbers.encode(Command::Settings(Box::new(SettingsChange { scope, ..change.clone() })))
        });
        Ok(settled.await?.answer(Done::from))
    }

    /// Sets the budget of promises of a SKU in a stock; `None` lifts it.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn quota<'a>(
        &self,
        sku: impl Into<SkuRef<'a>>,
        stock: impl Into<StockRef<'a>>,
        limit: Option<Quantity>,
    ) -> Result<Answer<Done>, CallError> {
        let (sku, stock) = (sku.into(), stock.into());
        let settled = self.mutate(Kind::Quota, |numbers| {
            let (sku, stock) = (numbers.sku(sku), numbers.stock(stock));
            numbers.encode(Command::Quota(QuotaChange { sku, stock, limit }))
        });
        Ok(settled.await?.answer(Done::from))
    }

    /// Changes the machine's limits and modes; `None` keeps a field.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn configure(&self, configure: &Configure) -> Result<Answer<Done>, CallError> {
        Ok(self.plain(&Command::Configure(Box::new(*configure))).await?.answer(Done::from))
    }

    /// Names this moment, so that a restore can go back to it.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn mark(&self, name: &str) -> Result<Answer<Done>, CallError> {
        Ok(self.plain(&Command::Mark(Mark::new(name))).await?.answer(Done::from))
    }

    /// Lets other rules decide from the next op on.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn activate_rules(&self, rules_version: u32) -> Result<Answer<Done>, CallError> {
        Ok(self.plain(&Command::ActivateRules(rules_version)).await?.answer(Done::from))
    }

    /// A command that holds no dense number.
    async fn plain(&self, command: &Command<'_>) -> Result<Settled, CallError> {
        let build = |numbers: &mut Numbers<'_>| -> Result<(), BadField> { numbers.encode(command.clone()) };
        self.mutate(command.kind(), build).await
    }
}
