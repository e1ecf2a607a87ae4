//! `export`: source items as Magento's CSV, or the catalog as TOML or JSON.
//!
//! A catalog export contains the settings in force, not the level at which each was set. A setting that holds in all
//! stocks of a SKU is exported with the SKU, any other with the stock. An empty server that imports the file makes the
//! same decisions.

use super::context::Context;
use super::exit::{Exit, ExitWith, Failure, file_failure};
use super::lists::{self, Names};
use super::output::print;
use super::server_connection::ServerConnection;
use crate::calendar::Door;
use crate::catalog::{
    Amount, Backorders, Catalog, Format, Link, Position, Settings, Sku, Source, Stock, StockWriter,
};
use clap::{Args, ValueEnum};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use stockhold_protocol::Quantity;
use stockhold_protocol::command::BackorderMode;
use stockhold_protocol::query::{SettingsView, SkuView};

/// The format of an export.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum ExportFormat {
    /// Source items, Magento's columns
    Csv,
    /// The catalog
    Toml,
    /// The catalog
    Json,
}

/// `export`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stockhold export stock.csv
  stockhold export catalog.toml
  stockhold export --as csv --source shop-nyc > shop.csv")]
pub(super) struct ExportArguments {
    /// The file; its extension determines the format. Without it: standard output
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// The format, if the file's extension does not determine it
    #[arg(long = "as", value_enum, value_name = "FORMAT")]
    format: Option<ExportFormat>,
    /// Only items of sources whose code contains this (CSV)
    #[arg(long, value_name = "TEXT")]
    source: Option<String>,
    /// Only items of SKUs that contain this (CSV)
    #[arg(long, value_name = "TEXT")]
    sku: Option<String>,
    /// Only items in stock (true) or out of stock (false) (CSV)
    #[arg(long, value_name = "true|false")]
    in_stock: Option<bool>,
    /// Leave a column out (CSV)
    #[arg(long, value_enum, value_name = "COLUMN")]
    without: Option<OptionalColumn>,
}

/// A column that a file of source items need not have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum OptionalColumn {
    /// The in-stock flag; an import of such a file sets all of them
    Status,
}

impl ExportArguments {
    fn format(&self) -> Result<ExportFormat, Failure> {
        let by_name = self.file.as_deref().and_then(|file| {
            if file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv")) {
                return Some(ExportFormat::Csv);
            }
            Format::of(file).map(|format| match format {
                Format::Toml => ExportFormat::Toml,
                Format::Json => ExportFormat::Json,
            })
        });
        if let (Some(asked), Some(named)) = (self.format, by_name)
            && asked != named
        {
            return Err(Failure::usage(
                "--as contradicts the name of the file; remove it, or change the name",
            ));
        }
        self.format
            .or(by_name)
            .ok_or_else(|| Failure::usage("the format is missing: add --as csv, toml or json"))
    }

    /// Refuses flags that mean nothing for the format.
    fn check(&self, format: ExportFormat) -> Result<(), Failure> {
        let selects = self.source.is_some() || self.sku.is_some() || self.in_stock.is_some();
        let selects = selects || self.without.is_some();
        if selects && format != ExportFormat::Csv {
            return Err(Failure::usage(
                "--source, --sku, --in-stock and --without select source items, which only a .csv has (--as csv)",
            ));
        }
        Ok(())
    }
}

pub(super) fn export(context: Context<'_>, arguments: &ExportArguments) -> Result<Exit, Failure> {
    let format = arguments.format()?;
    arguments.check(format)?;
    let mut server = context.server()?;
    let bar = context.output.progress(0, "export");
    let count = match (format, &arguments.file) {
        (ExportFormat::Csv, Some(file)) => {
            let mut output = io::BufWriter::new(File::create(file).map_err(|e| file_failure(file, e))?);
            items(&mut server, arguments, &bar, &mut output)?
        }
        (ExportFormat::Csv, None) => items(&mut server, arguments, &bar, &mut io::stdout().lock())?,
        (ExportFormat::Toml | ExportFormat::Json, file) => {
            let catalog = catalog(&mut server)?;
            let format = if format == ExportFormat::Toml { Format::Toml } else { Format::Json };
            let text = catalog.to_text(format).exit_with(Exit::BadData)?;
            match file {
                Some(file) => std::fs::write(file, text).map_err(|e| file_failure(file, e))?,
                None => print(&text)?,
            }
            u64::try_from(catalog.skus.len()).unwrap_or(u64::MAX)
        }
    };
    bar.finish_and_clear();
    if let Some(file) = &arguments.file {
        let what = if format == ExportFormat::Csv { "source items" } else { "SKUs" };
        let document = json!({"file": file.display().to_string(), "count": count});
        context.output.result(&format!("{}: {count} {what}", file.display()), &document)?;
    }
    Ok(Exit::Ok)
}

fn items(
    server: &mut ServerConnection,
    arguments: &ExportArguments,
    bar: &indicatif::ProgressBar,
    output: &mut dyn Write,
) -> Result<u64, Failure> {
    let names = Names::load(server)?;
    let mut writer = StockWriter::new(output, arguments.without.is_none()).exit_with(Exit::Disk)?;
    let mut count = 0;
    lists::each_sku(server, |sku| {
        let wanted = arguments.sku.as_ref().is_none_or(|part| sku.sku.contains(part.as_str()));
        for item in sku.items.iter().filter(|_| wanted) {
            let code = names.source(item.source);
            let here = arguments.source.as_ref().is_none_or(|part| code.contains(part.as_str()));
            if here && arguments.in_stock.is_none_or(|in_stock| in_stock == item.in_stock) {
                writer.write(&code, &sku.sku, item.in_stock, item.on_hand).exit_with(Exit::Disk)?;
                count += 1;
            }
        }
        bar.set_message(format!("{count} items"));
        Ok(())
    })?;
    writer.finish().exit_with(Exit::Disk)?;
    Ok(count)
}

fn catalog(server: &mut ServerConnection) -> Result<Catalog, Failure> {
    let names = Names::load(server)?;
    let sources = lists::sources(server)?.into_iter().map(|view| Source::from(view.definition)).collect();
    let stocks = lists::stocks(server)?
        .into_iter()
        .map(|view| Stock {
            name: view.name,
            sources: Vec::new(),
            links: view
                .links
                .iter()
                .map(|(source, priority)| Link { source: names.source(*source), priority: *priority })
                .collect(),
            channels: view.channels.into_iter().map(|(_, kind, code)| format!("{kind}/{code}")).collect(),
        })
        .collect();
    let mut skus = Vec::new();
    lists::each_sku(server, |view| {
        skus.push(sku(&names, view));
        Ok(())
    })?;
    Ok(Catalog { settings: Settings::default(), sources, stocks, skus })
}

/// The SKU as in a catalog file.
fn sku(names: &Names, view: SkuView) -> Sku {
    let mut settings: Vec<Settings> = view.positions.iter().map(|p| differing(&p.settings)).collect();
    let everywhere = settings.first().copied().filter(|first| settings.iter().all(|s| s == first));
    if everywhere.is_some() {
        settings.fill(Settings::default());
    }
    let stocks: BTreeMap<String, Position> = view
        .positions
        .iter()
        .zip(settings)
        .map(|(p, settings)| (names.stock(p.stock), Position { quota: p.quota_limit.map(Amount), settings }))
        .filter(|(_, position)| *position != Position::default())
        .collect();
    Sku {
        sku: view.sku,
        kind: view.kind.into(),
        decimals: view.decimals,
        settings: everywhere.unwrap_or_default(),
        stocks,
    }
}

/// The settings that differ from MSI's defaults.
fn differing(view: &SettingsView) -> Settings {
    let unless = |value: Quantity, default_units: i64| {
        (Some(value) != Quantity::units(default_units)).then_some(Amount(value))
    };
    let has_increments = view.qty_increments > Quantity::ZERO;
    Settings {
        manage_stock: (!view.manage_stock).then_some(false),
        backorders: (view.backorders != BackorderMode::Off).then(|| Backorders::from(view.backorders)),
        min_qty: unless(view.min_qty, 0),
        min_sale_qty: unless(view.min_sale_qty, 1),
        max_sale_qty: unless(view.max_sale_qty, 10_000),
        enable_qty_increments: has_increments.then_some(true),
        qty_increments: has_increments.then_some(Amount(view.qty_increments)),
        notify_stock_qty: unless(view.notify_stock_qty, 1),
        frozen: view.frozen.then_some(true),
        opens_at: Some(Door(view.opens_at)).filter(|door| *door != Door::default()),
        closes_at: Some(Door(view.closes_at)).filter(|door| *door != Door::default()),
        #[cfg(feature = "next-release")]
        lead_days: view.lead_days.filter(|days| *days != 0),
    }
}
