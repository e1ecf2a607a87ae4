//! The names in a catalog, in the order of the file, with their places.

use super::document::{Catalog, Sku, Stock, channel_parts};
use super::locate::Path;
use stockhold_protocol::query::Name;

impl Catalog {
    /// Passes every name to `visit`, with a function that gives its place.
    pub fn each_name(&self, visit: &mut impl FnMut(Name, &dyn Fn() -> Path)) {
        for (at, source) in self.sources.iter().enumerate() {
            visit(Name::Source(source.code.clone()), &|| Path::entry("source", at).key("code"));
        }
        for (at, stock) in self.stocks.iter().enumerate() {
            stock.each_name(&Path::entry("stock", at), visit);
        }
        for (at, sku) in self.skus.iter().enumerate() {
            sku.each_name(&|| Path::entry("sku", at), visit);
        }
    }
}

impl Stock {
    fn each_name(&self, path: &Path, visit: &mut impl FnMut(Name, &dyn Fn() -> Path)) {
        visit(Name::Stock(self.name.clone()), &|| path.clone().key("name"));
        for (at, code) in self.sources.iter().enumerate() {
            visit(Name::Source(code.clone()), &|| path.clone().key("sources").index(at));
        }
        for (at, link) in self.links.iter().enumerate() {
            visit(Name::Source(link.source.clone()), &|| path.clone().key("link").index(at).key("source"));
        }
        for (at, channel) in self.channels.iter().enumerate() {
            if let Some((channel_type, code)) = channel_parts(channel) {
                let name = Name::Channel(channel_type.to_owned(), code.to_owned());
                visit(name, &|| path.clone().key("channels").index(at));
            }
        }
    }
}

impl Sku {
    fn each_name(&self, path: &dyn Fn() -> Path, visit: &mut impl FnMut(Name, &dyn Fn() -> Path)) {
        visit(Name::Sku(self.sku.clone()), &|| path().key("sku"));
        for stock in self.stocks.keys() {
            visit(Name::Stock(stock.clone()), &|| path().key("stocks").key(stock));
        }
    }
}
