//! Checks a catalog before any server is asked: single fields, and names within the file.
//!
//! A name that the file does not define may exist on the server. The import reports it if it does not.

use super::document::{Catalog, Settings, channel_parts};
use super::locate::Path;
use std::collections::BTreeMap;
use stockhold_protocol::command::{SettingScope, StockDefinition};
use stockhold_protocol::{BadField, Command, CommandId, Envelope};

/// A fault with its place.
pub(super) struct Finding {
    pub(super) path: Path,
    pub(super) message: String,
}

/// All faults of the catalog.
pub(super) fn findings(catalog: &Catalog) -> Vec<Finding> {
    let mut checker = Checker::default();
    checker.settings(&Path::default().key("settings"), &catalog.settings);
    checker.sources(catalog);
    checker.stocks(catalog);
    checker.skus(catalog);
    checker.findings
}

#[derive(Default)]
struct Checker {
    findings: Vec<Finding>,
    /// A buffer for encoded commands.
    bytes: Vec<u8>,
}

impl Checker {
    fn add(&mut self, path: Path, message: impl Into<String>) {
        self.findings.push(Finding { path, message: message.into() });
    }

    /// Lets the protocol check the fields of a command, so that the file follows the rules of the protocol.
    fn command(&mut self, path: &Path, command: Command<'_>) {
        self.bytes.clear();
        if let Err(BadField { field, rule }) = Envelope::new(CommandId::NONE, command).encode(&mut self.bytes)
        {
            let deeper = field.split('.').fold(path.clone(), Path::key);
            self.add(deeper, rule);
        }
    }

    fn settings(&mut self, path: &Path, settings: &Settings) {
        self.command(path, Command::Settings(Box::new(settings.change(SettingScope::Global))));
    }

    /// Reports a name that occurs for the second time.
    fn check_unique(&mut self, seen: &mut BTreeMap<String, Path>, name: &str, path: Path) {
        if let Some(first) = seen.get(name) {
            let message = format!("\"{name}\" is defined already, at {first}");
            self.add(path, message);
        } else {
            seen.insert(name.to_owned(), path);
        }
    }

    fn sources(&mut self, catalog: &Catalog) {
        let (mut codes, mut names) = (BTreeMap::new(), BTreeMap::new());
        for (at, source) in catalog.sources.iter().enumerate() {
            let path = Path::entry("source", at);
            // What is missing may be on the server, so the check has something in its place.
            let mut whole = source.clone();
            whole.name.get_or_insert_with(|| source.code.clone());
            whole.country.get_or_insert_with(|| "US".to_owned());
            whole.postcode.get_or_insert_with(|| "1".to_owned());
            self.command(&path, Command::DefineSource(Box::new(whole.definition_over(None))));
            self.check_unique(&mut codes, &source.code, path.clone().key("code"));
            if let Some(name) = &source.name {
                self.check_unique(&mut names, name, path.key("name"));
            }
        }
    }

    fn stocks(&mut self, catalog: &Catalog) {
        let (mut names, mut channels) = (BTreeMap::new(), BTreeMap::new());
        for (at, stock) in catalog.stocks.iter().enumerate() {
            let path = Path::entry("stock", at);
            self.command(&path, Command::DefineStock(StockDefinition { name: stock.name.clone() }));
            self.check_unique(&mut names, &stock.name, path.clone().key("name"));
            let mut linked = BTreeMap::new();
            for (at, code) in stock.sources.iter().enumerate() {
                self.check_unique(&mut linked, code, path.clone().key("sources").index(at));
            }
            for (at, link) in stock.links.iter().enumerate() {
                let path = path.clone().key("link").index(at);
                if link.priority == 0 {
                    self.add(path.clone().key("priority"), "must be greater than 0");
                }
                self.check_unique(&mut linked, &link.source, path.key("source"));
            }
            for (at, channel) in stock.channels.iter().enumerate() {
                let path = path.clone().key("channels").index(at);
                if channel_parts(channel).is_none() {
                    self.add(path.clone(), "must be written as type/code, such as website/us");
                }
                self.check_unique(&mut channels, channel, path);
            }
        }
    }

    fn skus(&mut self, catalog: &Catalog) {
        let mut names = BTreeMap::new();
        for (at, sku) in catalog.skus.iter().enumerate() {
            let path = Path::entry("sku", at);
            self.command(&path, Command::DefineSku(sku.definition()));
            self.check_unique(&mut names, &sku.sku, path.clone().key("sku"));
            self.settings(&path.clone().key("settings"), &sku.settings);
            for (stock, position) in &sku.stocks {
                let path = path.clone().key("stocks").key(stock);
                if position.quota.is_some_and(|quota| quota.0.raw() < 0) {
                    self.add(path.clone().key("quota"), "must not be negative");
                }
                self.settings(&path.key("settings"), &position.settings);
            }
        }
    }
}
