//! The calls of merchants and operators: definitions, links, quantities, settings and the configuration of the
//! machine.

use crate::answer::{Answer, Defined, Done, Noted, Settled};
use crate::blocking::blocking_calls;
use crate::client::Client;
use crate::error::CallError;
use crate::names::{CartLine, Numbers, ScopeRef, SkuRef, SourceRef, StockRef, TargetRef};
use stockhold_protocol::command::{
    Adjust, ChannelAssignment, Command, Configure, Count, Freeze, FreezeScope, Kind, LinkDefinition,
    LinkRemoval, Mark, MarkRemoval, Notify, QuotaChange, Rename, SettingsChange, SkuDefinition,
    SourceDefinition, StockDefinition, Target, Transfer,
};
use stockhold_protocol::query::Name;
use stockhold_protocol::{BadField, ChannelId, Quantity, SkuId, SourceId, StockId};

/// Why a fact is recorded, for people and documents.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Note<'a> {
    /// A sentence for people to read.
    pub reason: &'a str,
    /// A document number, at most 32 bytes.
    pub reference: &'a str,
}

blocking_calls! {
    /// See [`crate::Client::count`].
    fn count<'a>(source: impl Into<SourceRef<'a>>, sku: impl Into<SkuRef<'a>>, quantity: Quantity, in_stock: Option<bool>, note: Note<'_>) -> Answer<Noted>;
    /// See [`crate::Client::adjust`].
    fn adjust<'a>(source: impl Into<SourceRef<'a>>, sku: impl Into<SkuRef<'a>>, delta: Quantity, note: Note<'_>) -> Answer<Noted>;
    /// See [`crate::Client::transfer`].
    fn transfer<'a>(from: impl Into<SourceRef<'a>>, to: impl Into<SourceRef<'a>>, lines: &[CartLine<'_>], reason: &str) -> Answer<Done>;
    /// See [`crate::Client::define_source`].
    fn define_source(source: &SourceDefinition) -> Answer<Defined<SourceId>>;
    /// See [`crate::Client::define_stock`].
    fn define_stock(name: &str) -> Answer<Defined<StockId>>;
    /// See [`crate::Client::define_sku`].
    fn define_sku(sku: &SkuDefinition) -> Answer<Defined<SkuId>>;
    /// See [`crate::Client::link`].
    fn link<'a>(stock: impl Into<StockRef<'a>>, source: impl Into<SourceRef<'a>>, priority: u16) -> Answer<Done>;
    /// See [`crate::Client::unlink`].
    fn unlink<'a>(stock: impl Into<StockRef<'a>>, source: impl Into<SourceRef<'a>>) -> Answer<Done>;
    /// See [`crate::Client::channel`].
    fn channel<'a>(channel_type: &str, code: &str, stock: impl Into<StockRef<'a>>) -> Answer<Defined<ChannelId>>;
    /// See [`crate::Client::settings`].
    fn settings(scope: ScopeRef<'_>, change: &SettingsChange) -> Answer<Done>;
    /// See [`crate::Client::quota`].
    fn quota<'a>(sku: impl Into<SkuRef<'a>>, stock: impl Into<StockRef<'a>>, limit: Option<Quantity>) -> Answer<Done>;
    /// See [`crate::Client::notify`].
    fn notify<'a>(sku: impl Into<SkuRef<'a>>, source: impl Into<SourceRef<'a>>, threshold: Option<Quantity>) -> Answer<Done>;
    /// See [`crate::Client::remove_notify`].
    fn remove_notify<'a>(sku: impl Into<SkuRef<'a>>, source: impl Into<SourceRef<'a>>) -> Answer<Done>;
    /// See [`crate::Client::freeze`].
    fn freeze<'a>(target: impl Into<TargetRef<'a>>, frozen: bool) -> Answer<Done>;
    /// See [`crate::Client::rename_sku`].
    fn rename_sku<'a>(sku: impl Into<SkuRef<'a>>, name: &str) -> Answer<Done>;
    /// See [`crate::Client::rename_stock`].
    fn rename_stock<'a>(stock: impl Into<StockRef<'a>>, name: &str) -> Answer<Done>;
    /// See [`crate::Client::rename_source`].
    fn rename_source<'a>(source: impl Into<SourceRef<'a>>, code: &str) -> Answer<Done>;
    /// See [`crate::Client::rename_channel`].
    fn rename_channel(channel: (&str, &str), to: (&str, &str)) -> Answer<Done>;
    /// See [`crate::Client::configure`].
    fn configure(configure: &Configure) -> Answer<Done>;
    /// See [`crate::Client::mark`].
    fn mark(name: &str) -> Answer<Done>;
    /// See [`crate::Client::unmark`].
    fn unmark(name: &str) -> Answer<Done>;
    /// See [`crate::Client::activate_rules`].
    fn activate_rules(rules_version: u32) -> Answer<Done>;
}

impl Client {
    /// Records the quantity at a source as an absolute fact. `in_stock: None` keeps the in-stock flag.
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

    /// Records a change of the quantity at a source, as a difference.
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

    /// Creates a source, or replaces all fields of the source with this code.
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

    /// Creates a stock. A stock that already has this name stays unchanged.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn define_stock(&self, name: &str) -> Result<Answer<Defined<StockId>>, CallError> {
        let command = Command::DefineStock(StockDefinition { name: name.to_owned() });
        Ok(self.plain(&command).await?.answer(Defined::from))
    }

    /// Creates a SKU, or changes the SKU with this name.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn define_sku(&self, sku: &SkuDefinition) -> Result<Answer<Defined<SkuId>>, CallError> {
        Ok(self.plain(&Command::DefineSku(sku.clone())).await?.answer(Defined::from))
    }

    /// Links a source to a stock, or changes the priority of the link (1..=65535, smaller is earlier).
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

    /// Removes the link between a source and a stock. The answer reports the shortfall that remains.
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

    /// Assigns a sales channel to a stock. An existing channel is reassigned.
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

    /// Changes settings at `scope`, which replaces the scope in `change`.
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

    /// Sets the quota of a SKU in a stock. `None` removes it.
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

    /// Freezes a stock or a channel, so that it promises nothing new, or ends that. A SKU is frozen by its settings.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn freeze<'a>(
        &self,
        target: impl Into<TargetRef<'a>>,
        frozen: bool,
    ) -> Result<Answer<Done>, CallError> {
        let target = target.into();
        let settled = self.mutate(Kind::Freeze, |numbers| {
            let scope = match numbers.target(target) {
                Target::Stock(stock) => FreezeScope::Stock(stock),
                Target::Channel(channel) => FreezeScope::Channel(channel),
            };
            numbers.encode(Command::Freeze(Freeze { scope, frozen }))
        });
        Ok(settled.await?.answer(Done::from))
    }

    /// Puts a SKU at a source into the low-stock report: it is listed while its quantity is below the threshold; `None`:
    /// below the `notify_stock_qty` of the SKU.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn notify<'a>(
        &self,
        sku: impl Into<SkuRef<'a>>,
        source: impl Into<SourceRef<'a>>,
        threshold: Option<Quantity>,
    ) -> Result<Answer<Done>, CallError> {
        self.change_notify(sku.into(), source.into(), (true, threshold)).await
    }

    /// Removes the low-stock configuration of a SKU at a source, which is no longer in the report.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn remove_notify<'a>(
        &self,
        sku: impl Into<SkuRef<'a>>,
        source: impl Into<SourceRef<'a>>,
    ) -> Result<Answer<Done>, CallError> {
        self.change_notify(sku.into(), source.into(), (false, None)).await
    }

    async fn change_notify(
        &self,
        sku: SkuRef<'_>,
        source: SourceRef<'_>,
        (is_set, threshold): (bool, Option<Quantity>),
    ) -> Result<Answer<Done>, CallError> {
        let settled = self.mutate(Kind::Notify, |numbers| {
            let (sku, source) = (numbers.sku(sku), numbers.source(source));
            numbers.encode(Command::Notify(Notify { sku, source, is_set, threshold }))
        });
        Ok(settled.await?.answer(Done::from))
    }

    /// Gives a SKU another name. The SKU keeps its number, its goods and its promises. For a while the old name
    /// means it too.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn rename_sku<'a>(
        &self,
        sku: impl Into<SkuRef<'a>>,
        name: &str,
    ) -> Result<Answer<Done>, CallError> {
        let sku = sku.into();
        self.rename(|numbers| Rename { number: numbers.sku(sku).0, to: Name::Sku(name.to_owned()) }).await
    }

    /// Gives a stock another name, as [`Client::rename_sku`] does.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn rename_stock<'a>(
        &self,
        stock: impl Into<StockRef<'a>>,
        name: &str,
    ) -> Result<Answer<Done>, CallError> {
        let stock = stock.into();
        self.rename(|numbers| Rename { number: numbers.stock(stock).0, to: Name::Stock(name.to_owned()) })
            .await
    }

    /// Gives a source another code, as [`Client::rename_sku`] does.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn rename_source<'a>(
        &self,
        source: impl Into<SourceRef<'a>>,
        code: &str,
    ) -> Result<Answer<Done>, CallError> {
        let source = source.into();
        self.rename(|numbers| Rename { number: numbers.source(source).0, to: Name::Source(code.to_owned()) })
            .await
    }

    /// Gives a channel, named by type and code, another type and code, as [`Client::rename_sku`] does.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn rename_channel(
        &self,
        (channel_type, code): (&str, &str),
        (new_type, new_code): (&str, &str),
    ) -> Result<Answer<Done>, CallError> {
        let to = || Name::Channel(new_type.to_owned(), new_code.to_owned());
        self.rename(|numbers| {
            let channel = TargetRef::ChannelName(channel_type, code);
            let (Target::Channel(ChannelId(number)) | Target::Stock(StockId(number))) =
                numbers.target(channel);
            Rename { number, to: to() }
        })
        .await
    }

    async fn rename(&self, build: impl Fn(&mut Numbers<'_>) -> Rename) -> Result<Answer<Done>, CallError> {
        let settled = self.mutate(Kind::Rename, |numbers| {
            let rename = build(numbers);
            numbers.encode(Command::Rename(rename))
        });
        Ok(settled.await?.answer(Done::from))
    }

    /// Changes the limits and modes of the machine. `None` keeps a field.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn configure(&self, configure: &Configure) -> Result<Answer<Done>, CallError> {
        Ok(self.plain(&Command::Configure(Box::new(*configure))).await?.answer(Done::from))
    }

    /// Marks this position of the log with a name, so that a restore can go back to it. No two marks have the same name.
    /// Those whose names begin with [`Mark::AUTOMATIC`] make room for others when there are too many.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn mark(&self, name: &str) -> Result<Answer<Done>, CallError> {
        Ok(self.plain(&Command::Mark(Mark::new(name))).await?.answer(Done::from))
    }

    /// Drops the mark of this name.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn unmark(&self, name: &str) -> Result<Answer<Done>, CallError> {
        let removal = MarkRemoval { name: name.to_owned() };
        Ok(self.plain(&Command::Unmark(removal)).await?.answer(Done::from))
    }

    /// Activates another version of the rules, from the next op on.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn activate_rules(&self, rules_version: u32) -> Result<Answer<Done>, CallError> {
        Ok(self.plain(&Command::ActivateRules(rules_version)).await?.answer(Done::from))
    }

    /// Executes a command that contains no dense number.
    async fn plain(&self, command: &Command<'_>) -> Result<Settled, CallError> {
        let build = |numbers: &mut Numbers<'_>| -> Result<(), BadField> { numbers.encode(command.clone()) };
        self.mutate(command.kind(), build).await
    }
}
