//! `import`: selects the importer for each file and reports all results.

use super::automatic_mark::AutomaticMark;
use super::context::Context;
use super::exit::{Exit, Failure};
use super::import_geonames::{self, GeonamesArguments};
use super::import_options::{Behavior, Options};
use super::present_items::Foreseen;
use super::server_connection::ServerConnection;
use super::{catalog_changes, import_catalog, import_order, import_rows};
use crate::catalog::Format;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use std::path::{Path, PathBuf};

/// A yes or no flag.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum YesNo {
    Yes,
    No,
}

/// `import`
#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Files that end in .csv are source items with Magento's columns source_code,sku,status,quantity;
files that end in .toml or .json are catalogs. They are imported in the order given. A mark, auto/import/ and the time, is set
before the first change, so that a restore can undo them all. Examples:
  stockhold import examples/bicycles/catalog.toml examples/bicycles/stock.csv
  stockhold import stock.csv --create-skus no
  stockhold import discontinued.csv --behavior delete --dry-run
  stockhold import stock.csv --no-mark
  stockhold import catalog.json stock.csv --dry-run
  stockhold import stock.csv --dry-run --offline
  stockhold import geonames DE.txt --data-dir data"
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(super) struct ImportArguments {
    #[command(subcommand)]
    other: Option<OtherImport>,
    /// The files to import
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Create SKUs that the server does not know (source items only)
    #[arg(long, value_enum, default_value = "yes")]
    create_skus: YesNo,
    /// What each row does to its source item; items that no row names stay as they are (source items only)
    #[arg(long, value_enum, default_value = "append", alias = "behaviour")]
    behavior: Behavior,
    /// The reason that is logged with every count
    #[arg(long, default_value = "import", value_name = "TEXT")]
    reason: String,
    /// Say what an import would change on the server, row by row, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// With --dry-run: only read and check the files, without a server; sources, SKUs and changes stay unknown
    #[arg(long, requires = "dry_run")]
    offline: bool,
    /// Refuse a file of source items that is warned of: rows that repeat another one, negative counts, SKUs with characters
    /// that are not seen, new SKUs that look like an existing one or are one slip away from it, counts that leave promises
    /// without goods
    #[arg(long)]
    strict: bool,
    /// Set no mark before the first change
    #[arg(long)]
    no_mark: bool,
}

/// What is imported besides catalogs and source items.
#[derive(Subcommand, Debug)]
enum OtherImport {
    /// Addresses, from the postcode files of GeoNames, into a data directory
    Geonames(GeonamesArguments),
}

impl ImportArguments {
    /// Whether no server is asked.
    pub(super) fn contacts_no_server(&self) -> bool {
        matches!(&self.other, Some(OtherImport::Geonames(arguments)) if !arguments.asks_the_server())
    }
}

fn is_rows(file: &Path) -> bool {
    file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"))
}

pub(super) fn import(context: Context<'_>, arguments: &ImportArguments) -> Result<Exit, Failure> {
    if let Some(OtherImport::Geonames(arguments)) = &arguments.other {
        return import_geonames::import(context, arguments);
    }
    for file in &arguments.files {
        if !is_rows(file) && Format::of(file).is_none() {
            let message = format!("{}: the name must end in .csv, .toml or .json", file.display());
            return Err(Failure::usage(message));
        }
    }
    let (mut texts, mut documents, mut exit) = (Vec::new(), Vec::new(), Exit::Ok);
    let mark = if arguments.no_mark { AutomaticMark::none() } else { AutomaticMark::before("import") };
    let has_rows_first = arguments.files.iter().skip_while(|file| !is_rows(file)).any(|file| !is_rows(file));
    if has_rows_first && !arguments.offline {
        import_order::check(&mut server(context, arguments)?, &arguments.files)?;
    }
    let mut progress = Progress { mark, foreseen: Foreseen::default() };
    for file in &arguments.files {
        let import = if is_rows(file) { rows } else { catalog };
        let (text, document, ended) = import(context, arguments, file, &mut progress)
            .map_err(|failure| progress.mark.explain(failure))?;
        texts.push(text);
        documents.push(document);
        exit = if ended == Exit::Ok { exit } else { ended };
    }
    let mark = progress.mark.name_and_op();
    texts.extend(mark.map(|(name, op)| format!("to undo: restore to mark {name} (op {op})")));
    let (mark, mark_op) = mark.unzip();
    let document = json!({"success": exit == Exit::Ok, "mark": mark, "mark_op": mark_op, "files": documents});
    context.output.result(&texts.join("\n"), &document)?;
    Ok(exit)
}

/// What was done for the files so far.
struct Progress {
    mark: AutomaticMark,
    foreseen: Foreseen,
}

/// Connects to the server. A dry run names the way without one.
fn server(context: Context<'_>, arguments: &ImportArguments) -> Result<ServerConnection, Failure> {
    context.server().map_err(|failure| {
        if failure.exit != Exit::Unreachable || !arguments.dry_run {
            return failure;
        }
        let sentence = "a dry run compares the files with the server; --offline only checks the files";
        Failure { error: failure.error.context(sentence), ..failure }
    })
}

type ImportResult = (String, serde_json::Value, Exit);

fn rows(
    context: Context<'_>,
    arguments: &ImportArguments,
    file: &Path,
    progress: &mut Progress,
) -> Result<ImportResult, Failure> {
    let inspected = import_rows::inspect(file, arguments.strict)?;
    let tally = if arguments.offline {
        import_rows::check(inspected)?
    } else {
        let options = Options {
            behavior: arguments.behavior,
            create_skus: arguments.create_skus == YesNo::Yes && arguments.behavior != Behavior::Delete,
            strict: arguments.strict,
            reason: &arguments.reason,
            mark: &mut progress.mark,
            dry: arguments.dry_run.then_some(&mut progress.foreseen),
        };
        import_rows::import_file(&mut server(context, arguments)?, context.output, inspected, options)?
    };
    Ok((tally.text(file), tally.document(file), tally.exit()))
}

fn catalog(
    context: Context<'_>,
    arguments: &ImportArguments,
    file: &Path,
    progress: &mut Progress,
) -> Result<ImportResult, Failure> {
    let catalog = import_catalog::read(file)?;
    let tally = if arguments.offline {
        import_catalog::check(&catalog)
    } else if arguments.dry_run {
        let mut server = server(context, arguments)?;
        let plan = catalog_changes::foresee(&mut server, &catalog, &mut progress.foreseen)?;
        return Ok((plan.text(file), plan.document(file), plan.exit()));
    } else {
        import_catalog::import(&mut context.server()?, context.output, &catalog, &mut progress.mark)?
    };
    Ok((tally.text(file), tally.document(file), tally.exit()))
}
