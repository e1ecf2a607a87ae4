//! `import`: selects the importer for each file and reports all results.

use super::automatic_mark::AutomaticMark;
use super::context::Context;
use super::exit::{Exit, Failure};
use super::{import_catalog, import_rows};
use crate::catalog::Format;
use clap::{Args, ValueEnum};
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
    after_help = "Files that end in .csv are source items with Magento's columns source_code,sku,status,quantity;
files that end in .toml or .json are catalogs. They are imported in the order given. A mark, auto/import/ and the time, is set
before the first change, so that a restore can undo them all. Examples:
  stockhold import examples/bicycles/catalog.toml examples/bicycles/stock.csv
  stockhold import stock.csv --create-skus no
  stockhold import stock.csv --no-mark
  stockhold import catalog.json --dry-run"
)]
pub(super) struct ImportArguments {
    /// The files to import
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Create SKUs that the server does not know (source items only)
    #[arg(long, value_enum, default_value = "yes")]
    create_skus: YesNo,
    /// The reason that is logged with every count
    #[arg(long, default_value = "import", value_name = "TEXT")]
    reason: String,
    /// Read and check the files without contacting a server
    #[arg(long)]
    dry_run: bool,
    /// Refuse a file of source items that is warned of: rows that repeat another one, negative counts, SKUs with characters
    /// that are not seen
    #[arg(long)]
    strict: bool,
    /// Set no mark before the first change
    #[arg(long)]
    no_mark: bool,
}

fn is_rows(file: &Path) -> bool {
    file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"))
}

pub(super) fn import(context: Context<'_>, arguments: &ImportArguments) -> Result<Exit, Failure> {
    for file in &arguments.files {
        if !is_rows(file) && Format::of(file).is_none() {
            let message = format!("{}: the name must end in .csv, .toml or .json", file.display());
            return Err(Failure::usage(message));
        }
    }
    let (mut texts, mut documents, mut exit) = (Vec::new(), Vec::new(), Exit::Ok);
    let mut mark = if arguments.no_mark { AutomaticMark::none() } else { AutomaticMark::before("import") };
    for file in &arguments.files {
        let import = if is_rows(file) { rows } else { catalog };
        let (text, document, ended) =
            import(context, arguments, file, &mut mark).map_err(|failure| mark.explain(failure))?;
        texts.push(text);
        documents.push(document);
        exit = if ended == Exit::Ok { exit } else { ended };
    }
    let mark = mark.name_and_op();
    texts.extend(mark.map(|(name, op)| format!("to undo: restore to mark {name} (op {op})")));
    let (mark, mark_op) = mark.unzip();
    let document = json!({"success": exit == Exit::Ok, "mark": mark, "mark_op": mark_op, "files": documents});
    context.output.result(&texts.join("\n"), &document)?;
    Ok(exit)
}

type ImportResult = (String, serde_json::Value, Exit);

fn rows(
    context: Context<'_>,
    arguments: &ImportArguments,
    file: &Path,
    mark: &mut AutomaticMark,
) -> Result<ImportResult, Failure> {
    let tally = if arguments.dry_run {
        import_rows::check(file, arguments.strict)?
    } else {
        let options = import_rows::Options {
            create_skus: arguments.create_skus == YesNo::Yes,
            strict: arguments.strict,
            reason: &arguments.reason,
            mark,
        };
        import_rows::import_file(&mut context.server()?, context.output, file, options)?
    };
    Ok((tally.text(file), tally.document(file), tally.exit()))
}

fn catalog(
    context: Context<'_>,
    arguments: &ImportArguments,
    file: &Path,
    mark: &mut AutomaticMark,
) -> Result<ImportResult, Failure> {
    let catalog = import_catalog::read(file)?;
    let tally = if arguments.dry_run {
        import_catalog::check(&catalog)
    } else {
        import_catalog::import(&mut context.server()?, context.output, &catalog, mark)?
    };
    Ok((tally.text(file), tally.document(file), tally.exit()))
}
