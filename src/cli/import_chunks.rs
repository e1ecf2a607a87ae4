//! What becomes of the rows of a file, chunk by chunk: the names of a chunk are resolved together, unknown SKUs are
//! created, the rows are compared with what the server has, and counts or removals are sent for those that differ.
//!
//! Every row is an absolute count or a removal, so a repeated import ends in the same state. A row that equals what the server has
//! costs no command: the server had that count at a moment of the import.

use super::bulk::Bulk;
use super::exit::Failure;
use super::import_options::{Behavior, Options};
use super::old_names::OldNames;
use super::open_promises::OpenPromises;
use super::present_items::{Item, PresentItems, is_foreseen};
use super::report;
use super::row_changes::RowChange;
use super::row_tally::{Run, Tally};
use super::server_connection::ServerConnection;
use crate::catalog::{RowError, RowFault, StockRow};
use std::collections::{BTreeMap, BTreeSet};
use stockhold_protocol::command::{Count, SkuDefinition, Unassign};
use stockhold_protocol::query::Name;
use stockhold_protocol::{Code, Command, Detail, Outcome, Quantity, SkuId, SourceId};

/// The maximum number of names of one kind that are cached between chunks.
const NAMES_KEPT_MAX: usize = 4_000_000;

/// A row that was sent.
struct Sent {
    source: SourceId,
    sku: SkuId,
    sku_name: String,
    source_name: String,
    /// Whether there was no item before it.
    is_new: bool,
}

/// An import that goes on.
pub(super) struct Import<'a> {
    options: Options<'a>,
    rows: u64,
    bulk: Bulk,
    sources: BTreeMap<String, Option<SourceId>>,
    skus: BTreeMap<String, SkuId>,
    /// The SKUs of a chunk whose definitions the server refused, with its reasons.
    refused_skus: BTreeMap<String, String>,
    present: PresentItems,
    /// The rows of a chunk that were sent, by line.
    sent: BTreeMap<u64, Sent>,
    old_names: OldNames,
    pub(super) tally: Tally,
}

impl<'a> Import<'a> {
    /// Begins an import of about so many rows.
    pub(super) fn new(
        server: &mut ServerConnection,
        rows: u64,
        mut options: Options<'a>,
    ) -> Result<Self, Failure> {
        let mut present = PresentItems::default();
        let mut tally = Tally::default();
        if let Some(foreseen) = &mut options.dry {
            present.foresee(foreseen, OpenPromises::load(server)?);
            tally.run = Run::Dry;
        }
        let old_names = OldNames::load(server)?;
        Ok(Self {
            options,
            rows,
            bulk: Bulk::new(),
            sources: BTreeMap::new(),
            skus: BTreeMap::new(),
            refused_skus: BTreeMap::new(),
            present,
            sent: BTreeMap::new(),
            old_names,
            tally,
        })
    }

    /// Ends it after the last chunk.
    pub(super) fn finish(mut self) -> Tally {
        if let Some(foreseen) = &mut self.options.dry {
            self.present.remember(foreseen);
        }
        self.tally.warnings = self.old_names.into_warnings();
        self.tally.sort_errors();
        self.tally
    }

    const fn is_dry(&self) -> bool {
        self.options.dry.is_some()
    }

    pub(super) fn chunk(&mut self, server: &mut ServerConnection, rows: &[StockRow]) -> Result<(), Failure> {
        if self.skus.len() > NAMES_KEPT_MAX {
            self.skus.clear();
        }
        if server.take_names() {
            self.skus.clear();
            self.sources.clear();
        }
        self.note_names(rows);
        self.resolve_sources(server, rows)?;
        self.resolve_skus(server, rows)?;
        self.load_items(server, rows)?;
        let mut pairs = BTreeSet::new();
        for row in rows {
            let Some((source, sku)) = self.numbers(row) else { continue };
            if !pairs.insert((source, sku)) {
                // The later of two rows for the same pair must win, also after retries.
                self.drain(server)?;
            }
            self.row(server, row, source, sku)?;
        }
        self.drain(server)
    }

    /// The numbers of a row's names. If one is unknown, the row is refused.
    fn numbers(&mut self, row: &StockRow) -> Option<(SourceId, SkuId)> {
        let line = row.line;
        let Some(source) = self.sources.get(&row.source_code).copied().flatten() else {
            let fault = RowFault::UnknownSource { code: row.source_code.clone() };
            self.tally.error(RowError { line, fault });
            return None;
        };
        let Some(sku) = self.skus.get(&row.sku).copied() else {
            if self.options.behavior == Behavior::Delete {
                self.tally.deleted += 1;
                return None;
            }
            let fault = match self.refused_skus.get(&row.sku) {
                Some(message) => RowFault::Refused { message: message.clone() },
                None => RowFault::UnknownSku { sku: row.sku.clone() },
            };
            self.tally.error(RowError { line, fault });
            return None;
        };
        Some((source, sku))
    }

    /// Reads what the server has of the SKUs of these rows.
    fn load_items(&mut self, server: &mut ServerConnection, rows: &[StockRow]) -> Result<(), Failure> {
        let known = rows.iter().filter_map(|row| self.skus.get(&row.sku).copied());
        let wanted: BTreeSet<SkuId> = known.filter(|sku| !is_foreseen(*sku)).collect();
        self.present.load(server, &wanted, self.rows)
    }

    /// Decides on one row.
    fn row(
        &mut self,
        server: &mut ServerConnection,
        row: &StockRow,
        source: SourceId,
        sku: SkuId,
    ) -> Result<(), Failure> {
        let old = self.present.get(source, sku);
        let new = match self.options.behavior {
            Behavior::Append | Behavior::Replace => {
                Some(Item { quantity: row.quantity, in_stock: row.in_stock })
            }
            Behavior::Delete => None,
        };
        match self.options.behavior {
            Behavior::Append if old == new => {
                self.tally.unchanged += 1;
                return Ok(());
            }
            // As in Magento, every row counts as deleted, also if there is nothing to delete.
            Behavior::Delete if old.is_none() => {
                self.tally.deleted += 1;
                return Ok(());
            }
            Behavior::Append | Behavior::Replace | Behavior::Delete => {}
        }
        if self.is_dry() {
            self.foresee(server, row, (source, sku), (old, new));
            return Ok(());
        }
        let reason = self.options.reason.to_owned();
        let command = match new {
            Some(Item { quantity, in_stock }) => Command::Count(Count {
                source,
                sku,
                quantity,
                in_stock: Some(in_stock),
                reason,
                reference: String::new(),
            }),
            // A row is a fact, also one that takes goods from a promise.
            None => Command::Unassign(Box::new(Unassign {
                skus: vec![sku],
                sources: vec![source],
                forced: true,
                reason,
            })),
        };
        self.push(server, row.line, command)?;
        let (sku_name, source_name) = (row.sku.clone(), row.source_code.clone());
        self.sent.insert(row.line, Sent { source, sku, sku_name, source_name, is_new: old.is_none() });
        self.present.change(source, sku, new);
        Ok(())
    }

    /// Notes what a row would change.
    fn foresee(
        &mut self,
        server: &mut ServerConnection,
        row: &StockRow,
        (source, sku): (SourceId, SkuId),
        (old, new): (Option<Item>, Option<Item>),
    ) {
        if self.present.is_composite(sku) {
            let outcome = Outcome::new(Code::Composite, 0, 0).with(Detail::Sku(sku));
            let message = report::sentence(server, &outcome);
            self.tally.error(RowError { line: row.line, fault: RowFault::Refused { message } });
            return;
        }
        self.present.change(source, sku, new);
        self.tally_change(old.is_none());
        if self.present.lacks_goods(sku) {
            self.tally.shortfalls += 1;
            self.tally.row_warnings.warn_of_shortfall(row.line, &row.sku, &row.source_code);
        }
        self.tally.changes.note(|| RowChange {
            line: row.line,
            source: row.source_code.clone(),
            sku: row.sku.clone(),
            is_new_sku: is_foreseen(sku),
            old,
            new,
        });
    }

    /// Notes the old names that rows use.
    fn note_names(&mut self, rows: &[StockRow]) {
        for row in rows {
            if self.old_names.is_empty() {
                return;
            }
            for name in [Name::Source(row.source_code.clone()), Name::Sku(row.sku.clone())] {
                self.old_names.note(&name, || (Some(row.line), String::new()));
            }
        }
    }

    fn push(
        &mut self,
        server: &mut ServerConnection,
        line: u64,
        command: Command<'_>,
    ) -> Result<(), Failure> {
        self.options.mark.set(server)?;
        self.bulk.push(server, line, command)
    }

    /// Waits for the answers to all counts.
    fn drain(&mut self, server: &mut ServerConnection) -> Result<(), Failure> {
        self.bulk.drain(server)?;
        for (line, outcome) in self.bulk.take_answers() {
            self.counted(server, line, &outcome);
        }
        self.sent.clear();
        Ok(())
    }

    fn counted(&mut self, server: &mut ServerConnection, line: u64, outcome: &Outcome) {
        if !outcome.code.is_success() {
            let message = report::sentence(server, outcome);
            self.tally.error(RowError { line, fault: RowFault::Refused { message } });
            if let Some(sent) = self.sent.get(&line) {
                self.present.unchange(sent.source, sent.sku);
            }
            return;
        }
        self.tally_change(self.sent.get(&line).is_some_and(|sent| sent.is_new));
        if let Detail::Item { shortfall, .. } | Detail::Shortfall(shortfall) = outcome.detail
            && shortfall > Quantity::ZERO
            && let Some(sent) = self.sent.get(&line)
        {
            self.tally.shortfalls += 1;
            self.tally.row_warnings.warn_of_shortfall(line, &sent.sku_name, &sent.source_name);
        }
    }

    /// Counts a row that changes an item, or makes one.
    const fn tally_change(&mut self, is_new: bool) {
        match self.options.behavior {
            Behavior::Append if is_new => self.tally.created += 1,
            Behavior::Append | Behavior::Replace => self.tally.updated += 1,
            Behavior::Delete => self.tally.deleted += 1,
        }
    }

    fn resolve_sources(&mut self, server: &mut ServerConnection, rows: &[StockRow]) -> Result<(), Failure> {
        let new: BTreeSet<&String> = rows
            .iter()
            .map(|row| &row.source_code)
            .filter(|code| !self.sources.contains_key(*code))
            .collect();
        let names: Vec<Name> = new.iter().map(|code| Name::Source((*code).clone())).collect();
        let numbers = server.resolve(&names)?;
        for (code, number) in new.into_iter().cloned().zip(numbers) {
            let foreseen = self.options.dry.as_ref().and_then(|foreseen| foreseen.source(&code));
            self.sources.insert(code, number.map(SourceId).or(foreseen));
        }
        Ok(())
    }

    fn resolve_skus(&mut self, server: &mut ServerConnection, rows: &[StockRow]) -> Result<(), Failure> {
        // Only SKUs of rows with a known source are created: a row that fails must not create a SKU.
        let usable =
            rows.iter().filter(|row| self.sources.get(&row.source_code).copied().flatten().is_some());
        let mut first_lines: BTreeMap<&String, u64> = BTreeMap::new();
        for row in usable.filter(|row| !self.skus.contains_key(&row.sku)) {
            first_lines.entry(&row.sku).or_insert(row.line);
        }
        let names: Vec<Name> = first_lines.keys().map(|sku| Name::Sku((*sku).clone())).collect();
        let numbers = server.resolve(&names)?;
        let mut missing: BTreeMap<u64, &String> = BTreeMap::new();
        for ((sku, line), number) in first_lines.iter().zip(numbers) {
            match number {
                Some(number) => {
                    self.skus.insert((*sku).clone(), SkuId(number));
                }
                None if self.foreseen_sku(sku) => {}
                None if self.options.create_skus => {
                    let definition = SkuDefinition { sku: (*sku).clone(), ..SkuDefinition::default() };
                    self.push(server, *line, Command::DefineSku(definition))?;
                    missing.insert(*line, sku);
                }
                None => {}
            }
        }
        self.bulk.drain(server)?;
        self.refused_skus.clear();
        for (line, outcome) in self.bulk.take_answers() {
            match missing.get(&line) {
                Some(sku) if outcome.code.is_success() => {
                    self.tally.skus_created += 1;
                    self.skus.insert((*sku).clone(), SkuId(outcome.value));
                }
                Some(sku) => {
                    let message = report::sentence(server, &outcome);
                    self.refused_skus.insert((*sku).clone(), message);
                }
                None => unreachable!("the tags are those of the definitions"),
            }
        }
        // A new SKU may have got a name that another one had. The numbers of these rows were resolved just now.
        server.take_names();
        Ok(())
    }

    /// In a dry run, finds a SKU that earlier rows would create, or creates it in the same sense.
    fn foreseen_sku(&mut self, sku: &str) -> bool {
        let Some(foreseen) = &mut self.options.dry else { return false };
        let number = match foreseen.sku(sku) {
            Some(number) => number,
            None if self.options.create_skus => {
                self.tally.skus_created += 1;
                foreseen.define_sku(sku)
            }
            None => return true,
        };
        self.skus.insert(sku.to_owned(), number);
        true
    }
}
