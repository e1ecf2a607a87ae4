//! Finds the SKUs that an import would create, and warns of those that may be mistyped.

use super::exit::Failure;
use super::lists;
use super::present_items::Foreseen;
use super::row_warnings::RowWarnings;
use super::server_connection::ServerConnection;
use super::similar_skus::{Likeness, NEW_MAX, NewSkus};
use crate::catalog::StockRow;
use std::collections::{BTreeMap, HashMap};
use stockhold_protocol::query::Name;

/// The number of different names that are resolved together.
const CHUNK_NAMES: usize = 8_192;
/// The number of source codes that are asked for one by one: those that are the present code of no source.
const CODES_ASKED_MAX: usize = 1_000;
/// The number of SKUs of the server with which the new ones are compared.
const COMPARED_MAX: usize = 4_000_000;

/// Looks for SKUs of the server that are similar to those that these rows would create.
pub(super) fn look_for_similar(
    server: &mut ServerConnection,
    rows: impl Iterator<Item = StockRow>,
    foreseen: Option<&Foreseen>,
    warnings: &mut RowWarnings,
) -> Result<(), Failure> {
    let Some(new) = new_skus(server, rows, foreseen)? else {
        warnings
            .note(format!("similar SKUs were not looked for: more than {NEW_MAX} new SKUs would be created"));
        return Ok(());
    };
    if new.is_empty() {
        return Ok(());
    }
    let mut skus = NewSkus::new(new.iter().map(|(sku, _)| sku.as_str()).collect());
    skus.compare_with_each_other();
    let mut compared = 0;
    lists::each_sku(server, |view| {
        compared += 1;
        if compared <= COMPARED_MAX {
            skus.compare_with(&view.sku);
        }
        Ok(())
    })?;
    if compared > COMPARED_MAX {
        warnings.note(format!(
            "similar SKUs were looked for among the first {COMPARED_MAX} of {compared} SKUs only"
        ));
    }
    let mut found: Vec<(usize, Likeness)> = skus.into_found().collect();
    found.sort_by_key(|(number, _)| new[*number].1);
    for (number, likeness) in found {
        let (sku, line) = &new[number];
        let (kind, message) = match likeness {
            Likeness::LooksLike(other) => (
                "look_alike_sku",
                format!("the new SKU \"{sku}\" looks like the SKU \"{other}\", which exists"),
            ),
            Likeness::OneSlip(other) => (
                "mistyped_sku",
                format!("the new SKU \"{sku}\" is one character away from the SKU \"{other}\", which exists"),
            ),
        };
        warnings.warn(*line, kind, message);
    }
    Ok(())
}

/// The SKUs that these rows would create, each with its first line; `None` if there are more than [`NEW_MAX`].
fn new_skus(
    server: &mut ServerConnection,
    rows: impl Iterator<Item = StockRow>,
    foreseen: Option<&Foreseen>,
) -> Result<Option<Vec<(String, u64)>>, Failure> {
    let present = lists::sources(server)?.into_iter().map(|view| (view.definition.code, true));
    let mut sources: HashMap<String, bool> = present.collect();
    let codes_max = sources.len() + CODES_ASKED_MAX;
    let (mut chunk, mut new): (BTreeMap<String, u64>, BTreeMap<String, u64>) =
        (BTreeMap::new(), BTreeMap::new());
    for row in rows {
        // A row of an unknown source creates no SKU.
        let mut is_usable = sources.get(&row.source_code).copied();
        if is_usable.is_none() && sources.len() < codes_max {
            // It may be an old name.
            let numbers = server.resolve(&[Name::Source(row.source_code.clone())])?;
            let is_foreseen = foreseen.is_some_and(|one| one.source(&row.source_code).is_some());
            let is_known = numbers.first().copied().flatten().is_some() || is_foreseen;
            is_usable = Some(*sources.entry(row.source_code).or_insert(is_known));
        }
        let is_usable = is_usable.unwrap_or_default();
        if is_usable && !new.contains_key(&row.sku) {
            chunk.entry(row.sku).or_insert(row.line);
        }
        if chunk.len() >= CHUNK_NAMES {
            add_unknown(server, &mut chunk, foreseen, &mut new)?;
        }
        if new.len() > NEW_MAX {
            return Ok(None);
        }
    }
    add_unknown(server, &mut chunk, foreseen, &mut new)?;
    Ok((new.len() <= NEW_MAX).then(|| new.into_iter().collect()))
}

/// Moves the names of a chunk that neither the server nor an earlier file knows.
fn add_unknown(
    server: &mut ServerConnection,
    chunk: &mut BTreeMap<String, u64>,
    foreseen: Option<&Foreseen>,
    new: &mut BTreeMap<String, u64>,
) -> Result<(), Failure> {
    let chunk = std::mem::take(chunk);
    let names: Vec<Name> = chunk.keys().map(|sku| Name::Sku(sku.clone())).collect();
    let numbers = server.resolve(&names)?;
    let unknown =
        chunk.into_iter().zip(numbers).filter(|(_, number)| number.is_none()).map(|(entry, _)| entry);
    new.extend(unknown.filter(|(sku, _)| foreseen.is_none_or(|one| one.sku(sku).is_none())));
    Ok(())
}
