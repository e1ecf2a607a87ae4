//! `import`: selects the importer for each file and reports all results.

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
files that end in .toml or .json are catalogs. They are imported in the order given. Examples:
  stockhold import examples/bicycles/catalog.toml examples/bicycles/stock.csv
  stockhold import stock.csv --create-skus no
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
    for file in &arguments.files {
        let (text, document, ended) =
            if is_rows(file) { rows(context, arguments, file)? } else { catalog(context, arguments, file)? };
        texts.push(text);
        documents.push(document);
        exit = if ended == Exit::Ok { exit } else { ended };
    }
    context.output.result(&texts.join("\n"), &json!({"success": exit == Exit::Ok, "files": documents}))?;
    Ok(exit)
}

type ImportResult = (String, serde_json::Value, Exit);

fn rows(context: Context<'_>, arguments: &ImportArguments, file: &Path) -> Result<ImportResult, Failure> {
    let tally = if arguments.dry_run {
        import_rows::check(file)?
    } else {
        let options = import_rows::Options {
            create_skus: arguments.create_skus == YesNo::Yes,
            reason: &arguments.reason,
        };
        import_rows::import_file(&mut context.server()?, context.output, file, options)?
    };
    Ok((tally.text(file), tally.document(file), tally.exit()))
}

fn catalog(context: Context<'_>, arguments: &ImportArguments, file: &Path) -> Result<ImportResult, Failure> {
    let catalog = import_catalog::read(file)?;
    let tally = if arguments.dry_run {
        import_catalog::check(&catalog)
    } else {
        import_catalog::import(&mut context.server()?, context.output, &catalog)?
    };
    Ok((tally.text(file), tally.document(file), tally.exit()))
}
