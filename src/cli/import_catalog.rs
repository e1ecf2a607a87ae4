//! Imports a catalog: its parts in the order of their dependencies, with problems by line.
//!
//! Everything in a catalog is absolute, so a repeated import ends in the same state.

use super::automatic_mark::AutomaticMark;
use super::bulk::Bulk;
use super::exit::{Exit, Failure, exit_of_file};
use super::lists;
use super::old_names::{OldNames, Warnings};
use super::output::{Output, Text};
use super::report;
use super::server_connection::ServerConnection;
use crate::catalog::{CatalogError, CatalogFile, Path as Place, Problem, Source, channel_parts};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;
use stockhold_protocol::command::{
    ChannelAssignment, LinkDefinition, QuotaChange, SettingScope, SourceDefinition, StockDefinition,
};
use stockhold_protocol::query::Name;
use stockhold_protocol::{Command, SkuId, SourceId, StockId};

/// The result of an import.
#[derive(Debug, Default)]
pub(super) struct Tally {
    sources: usize,
    stocks: usize,
    links: usize,
    channels: usize,
    skus: usize,
    problems: Vec<Problem>,
    warnings: Warnings,
    seconds: f64,
}

impl Tally {
    pub(super) const fn exit(&self) -> Exit {
        if self.problems.is_empty() { Exit::Ok } else { Exit::BadData }
    }

    pub(super) fn text(&self, file: &Path) -> String {
        let mut text = Text::default();
        for problem in &self.problems {
            text.line(&problem.to_string());
        }
        self.warnings.add_to_text(file, &mut text);
        text.line(&format!(
            "{}: {} sources, {} stocks, {} links, {} channels, {} SKUs, {} errors, in {:.1} s",
            file.display(),
            self.sources,
            self.stocks,
            self.links,
            self.channels,
            self.skus,
            self.problems.len(),
            self.seconds
        ));
        text.into_string()
    }

    pub(super) fn document(&self, file: &Path) -> Value {
        let problems: Vec<Value> = self.problems.iter().map(problem_document).collect();
        let mut document = json!({
            "file": file.display().to_string(),
            "sources": self.sources,
            "stocks": self.stocks,
            "links": self.links,
            "channels": self.channels,
            "skus": self.skus,
            "errors_total": self.problems.len(),
            "errors": problems,
            "seconds": self.seconds,
        });
        self.warnings.add_to_document(&mut document);
        document
    }
}

fn problem_document(problem: &Problem) -> Value {
    json!({"line": problem.line, "field": problem.field, "message": problem.message})
}

/// Reads and checks a file. Its problems become the text of the failure.
pub(super) fn read(file: &Path) -> Result<CatalogFile, Failure> {
    CatalogFile::read(file).map_err(|error| {
        let exit = match error {
            CatalogError::Read { ref source, .. } => exit_of_file(source),
            CatalogError::UnknownFormat { .. } => Exit::Usage,
            CatalogError::TooLong { .. } | CatalogError::Problems { .. } => Exit::BadData,
        };
        Failure::new(exit, error)
    })
}

/// The contents of a checked file, without contacting a server.
pub(super) fn check(file: &CatalogFile) -> Tally {
    let catalog = &file.catalog;
    Tally {
        sources: catalog.sources.len(),
        stocks: catalog.stocks.len(),
        links: catalog.stocks.iter().map(|stock| stock.all_links().count()).sum(),
        channels: catalog.stocks.iter().map(|stock| stock.channels.len()).sum(),
        skus: catalog.skus.len(),
        ..Tally::default()
    }
}

/// Imports one file.
pub(super) fn import(
    server: &mut ServerConnection,
    output: Output,
    file: &CatalogFile,
    mark: &mut AutomaticMark,
) -> Result<Tally, Failure> {
    let started = Instant::now();
    let mut tally = check(file);
    tally.warnings = warnings(server, file)?;
    let steps = tally.sources + tally.stocks + tally.links + tally.channels + tally.skus;
    let bar = output.progress(u64::try_from(steps).unwrap_or(u64::MAX), "import");
    let mut import = Import {
        file,
        mark,
        bulk: Bulk::new(),
        problems: Vec::new(),
        sources: BTreeMap::new(),
        stocks: BTreeMap::new(),
        bar,
    };
    import.import_sources(server)?;
    import.import_stocks(server)?;
    import.import_skus(server)?;
    import.bar.finish_and_clear();
    tally.problems = file.problems(import.problems);
    tally.seconds = started.elapsed().as_secs_f64();
    Ok(tally)
}

/// The old names that the file uses, as the server knows them before it imports the file.
pub(super) fn warnings(server: &mut ServerConnection, file: &CatalogFile) -> Result<Warnings, Failure> {
    let (mut old_names, mut places) = (OldNames::load(server)?, file.places());
    if !old_names.is_empty() {
        file.catalog.each_name(&mut |name, path| {
            old_names.note(&name, || {
                let path = path();
                let line = places.line_of(&path).and_then(|line| u64::try_from(line).ok());
                (line, path.to_string())
            });
        });
    }
    Ok(old_names.into_warnings())
}

/// Why a source cannot be created.
pub(super) fn incomplete(source: &Source) -> Option<String> {
    let missing = source.missing();
    (!missing.is_empty()).then(|| {
        let missing = missing.join(", ");
        format!(
            "source \"{}\" is not on the server yet, and to create it these are missing: {missing}",
            source.code
        )
    })
}

struct Import<'a> {
    file: &'a CatalogFile,
    mark: &'a mut AutomaticMark,
    bulk: Bulk,
    problems: Vec<(Place, String)>,
    sources: BTreeMap<String, Option<SourceId>>,
    stocks: BTreeMap<String, Option<StockId>>,
    bar: indicatif::ProgressBar,
}

impl Import<'_> {
    /// Sends independent commands. Returns the number that each outcome contains, if it does.
    fn phase(
        &mut self,
        server: &mut ServerConnection,
        commands: Vec<(Place, Command<'_>)>,
    ) -> Result<Vec<Option<u32>>, Failure> {
        if !commands.is_empty() {
            self.mark.set(server)?;
        }
        let mut places = Vec::with_capacity(commands.len());
        for ((place, command), tag) in commands.into_iter().zip(0..) {
            self.bulk.push(server, tag, command)?;
            places.push(place);
        }
        self.bulk.drain(server)?;
        // A definition may have given an old name to a new thing. All numbers here are answers to definitions of this file.
        server.take_names();
        let mut numbers = vec![None; places.len()];
        let mut answers = self.bulk.take_answers();
        answers.sort_by_key(|(tag, _)| *tag);
        for ((_, outcome), (place, number)) in answers.into_iter().zip(places.iter().zip(&mut numbers)) {
            if outcome.code.is_success() {
                *number = Some(outcome.value);
            } else {
                let message = report::sentence(server, &outcome);
                self.problems.push((place.clone(), message));
            }
        }
        self.bar.inc(u64::try_from(places.len()).unwrap_or(u64::MAX));
        Ok(numbers)
    }

    fn import_sources(&mut self, server: &mut ServerConnection) -> Result<(), Failure> {
        let sources = &self.file.catalog.sources;
        let names: Vec<Name> = sources.iter().map(|source| Name::Source(source.code.clone())).collect();
        let numbers = server.resolve(&names)?;
        let present: BTreeMap<SourceId, SourceDefinition> =
            lists::sources(server)?.into_iter().map(|view| (view.id, view.definition)).collect();
        let (mut commands, mut codes) = (Vec::new(), Vec::new());
        for (at, (source, number)) in sources.iter().zip(numbers).enumerate() {
            let (place, present) =
                (Place::entry("source", at), number.and_then(|one| present.get(&SourceId(one))));
            if let Some(message) = incomplete(source).filter(|_| present.is_none()) {
                self.problems.push((place, message));
                self.sources.insert(source.code.clone(), None);
            } else {
                commands.push((place, Command::DefineSource(Box::new(source.definition_over(present)))));
                codes.push(source.code.clone());
            }
        }
        let numbers = self.phase(server, commands)?;
        self.sources.extend(codes.into_iter().zip(numbers.into_iter().map(|number| number.map(SourceId))));
        Ok(())
    }

    fn import_stocks(&mut self, server: &mut ServerConnection) -> Result<(), Failure> {
        let stocks = &self.file.catalog.stocks;
        let commands = stocks
            .iter()
            .enumerate()
            .map(|(at, stock)| {
                let definition = StockDefinition { name: stock.name.clone() };
                (Place::entry("stock", at), Command::DefineStock(definition))
            })
            .collect();
        let numbers = self.phase(server, commands)?;
        for (stock, number) in stocks.iter().zip(numbers) {
            self.stocks.insert(stock.name.clone(), number.map(StockId));
        }
        let mut commands = Vec::new();
        for (at, stock) in stocks.iter().enumerate() {
            let place = Place::entry("stock", at);
            let Some(Some(number)) = self.stocks.get(&stock.name).copied() else { continue };
            for link in stock.all_links() {
                if let Some(source) = self.source(server, &link.source, &place)? {
                    let link = LinkDefinition { stock: number, source, priority: link.priority };
                    commands.push((place.clone(), Command::Link(link)));
                }
            }
            for (at, channel) in stock.channels.iter().enumerate() {
                let Some((kind, code)) = channel_parts(channel) else { continue };
                let (channel_type, code) = (kind.to_owned(), code.to_owned());
                let assignment = ChannelAssignment { channel_type, code, stock: number };
                commands.push((place.clone().key("channels").index(at), Command::Channel(assignment)));
            }
        }
        self.phase(server, commands).map(drop)
    }

    fn import_skus(&mut self, server: &mut ServerConnection) -> Result<(), Failure> {
        let catalog = &self.file.catalog;
        let mut commands: Vec<(Place, Command<'_>)> = Vec::new();
        if !catalog.settings.is_empty() {
            let change = catalog.settings.change(SettingScope::Global);
            commands.push((Place::default().key("settings"), Command::Settings(Box::new(change))));
        }
        self.phase(server, commands)?;
        let definitions = catalog
            .skus
            .iter()
            .enumerate()
            .map(|(at, sku)| (Place::entry("sku", at), Command::DefineSku(sku.definition())))
            .collect();
        let numbers = self.phase(server, definitions)?;
        let mut commands = Vec::new();
        for (at, (entry, number)) in catalog.skus.iter().zip(numbers).enumerate() {
            let Some(sku) = number.map(SkuId) else { continue };
            let place = Place::entry("sku", at);
            if !entry.settings.is_empty() {
                let change = entry.settings.change(SettingScope::Sku(sku));
                commands.push((place.clone().key("settings"), Command::Settings(Box::new(change))));
            }
            for (stock, position) in &entry.stocks {
                let place = place.clone().key("stocks").key(stock);
                let Some(stock) = self.stock(server, stock, &place)? else { continue };
                if !position.settings.is_empty() {
                    let change = position.settings.change(SettingScope::SkuStock(sku, stock));
                    commands.push((place.clone().key("settings"), Command::Settings(Box::new(change))));
                }
                if let Some(quota) = position.quota {
                    let change = QuotaChange { sku, stock, limit: Some(quota.0) };
                    commands.push((place.key("quota"), Command::Quota(change)));
                }
            }
        }
        self.phase(server, commands).map(drop)
    }

    /// Resolves a source of the file or of the server.
    fn source(
        &mut self,
        server: &mut ServerConnection,
        code: &str,
        place: &Place,
    ) -> Result<Option<SourceId>, Failure> {
        if let Some(known) = self.sources.get(code) {
            return Ok(*known);
        }
        let number = server.resolve(&[Name::Source(code.to_owned())])?.first().copied().flatten();
        if number.is_none() {
            let message = format!("source \"{code}\" is neither in the file nor on the server");
            self.problems.push((place.clone(), message));
        }
        self.sources.insert(code.to_owned(), number.map(SourceId));
        Ok(number.map(SourceId))
    }

    /// Resolves a stock of the file or of the server.
    fn stock(
        &mut self,
        server: &mut ServerConnection,
        name: &str,
        place: &Place,
    ) -> Result<Option<StockId>, Failure> {
        if let Some(known) = self.stocks.get(name) {
            return Ok(*known);
        }
        let number = server.resolve(&[Name::Stock(name.to_owned())])?.first().copied().flatten();
        if number.is_none() {
            let message = format!("stock \"{name}\" is neither in the file nor on the server");
            self.problems.push((place.clone(), message));
        }
        self.stocks.insert(name.to_owned(), number.map(StockId));
        Ok(number.map(StockId))
    }
}
