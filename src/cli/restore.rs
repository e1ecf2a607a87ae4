//! `restore`: writes the state at a point of a log as a new data directory, or prints what that would undo.

use super::addresses;
use super::backup::{Choice, Source};
use super::context::Context;
use super::exit::{Exit, Failure, file_failure, restore_failure, start_failure};
use super::lineage::history_with;
use super::memory_bound::MemoryBound;
use super::output::{Text, table};
use super::past::with_progress;
use super::serve::ConfigArguments;
use crate::calendar::{parse_rfc3339, rfc3339};
use crate::directory::{ReadOnlyDirectory, RestoreOptions, unfinished_files};
use crate::replica::{OnProgress, ReplayProgress, Replica, Target};
use crate::restore::{
    Fates, RestoreError, Restored, Tally, UNDONE_NAME, Undone, UndoneHeader, WrittenUndone, dry_run,
    marked_op, replica_at, restore, write_undone,
};
use crate::server;
use crate::{describe, restore as restoring};
use clap::Args;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use stockhold_machine::Machine;
use stockhold_protocol::Quantity;

/// The maximum number of rows of each list of a dry run; `--json` has all of them.
const ROWS_MAX: usize = 20;

/// `restore`
#[derive(Args, Debug)]
#[command(
    after_help = "The source is only read; a server may be using it. The new directory has the identity of the log and a new epoch,
so clients that come back are told `epoch_changed`. Start with a dry run, which says what would be undone. The commands that are
undone are kept in undone.jsonl in the new directory; `stockhold replay` puts chosen ones back.

Examples:
  stockhold restore --from data --to-time 2026-11-29T16:07:43Z --dry-run
  stockhold restore --from data --to-dir restored --to-op 120417
  stockhold restore --from data --to-dir restored --to-mark auto/import/2026-11-29T16:07:43Z
  stockhold restore --from /backups/stockhold --to-dir restored --latest
  stockhold serve --data-dir restored"
)]
pub(super) struct RestoreArguments {
    /// What to restore from: a data directory, a copy of one, or an archive
    #[arg(long, value_name = "URL|DIR")]
    from: String,
    #[command(flatten)]
    choice: Choice,
    /// The new data directory; it is created if it does not exist, and must be empty
    #[arg(long, value_name = "DIR", required_unless_present = "dry_run")]
    to_dir: Option<PathBuf>,
    /// Restore the state after this op
    #[arg(long, value_name = "OP", group = "target")]
    to_op: Option<u64>,
    /// Restore the state after the last op up to this time
    #[arg(long, value_name = "RFC3339", group = "target", value_parser = parse_rfc3339)]
    to_time: Option<u64>,
    /// Restore the state at a mark; `stockhold mark list` lists the marks
    #[arg(long, value_name = "NAME", group = "target")]
    to_mark: Option<String>,
    /// Restore the state after the last op (the default)
    #[arg(long, group = "target")]
    latest: bool,
    /// Write nothing, and say what the restore would undo
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    memory: MemoryBound,
    #[command(flatten)]
    config: ConfigArguments,
}

impl RestoreArguments {
    fn target(&self) -> Target {
        match (self.to_op, self.to_time) {
            (Some(op), _) => Target::Op(op),
            (None, Some(time)) => Target::Time(time),
            (None, None) => Target::End,
        }
    }
}

pub(super) fn run(context: Context<'_>, arguments: &RestoreArguments) -> Result<Exit, Failure> {
    arguments.config.only_of_the_log("restore")?;
    if arguments.dry_run {
        let from = || Ok(arguments.from.clone());
        return arguments.memory.in_child(from, |_| run_dry(context, arguments));
    }
    if arguments.memory.memory_mib.is_some() {
        return Err(Failure::usage("--memory-mib is for a dry run only; add --dry-run"));
    }
    restore_to(context, arguments)
}

/// What there is to restore: the source, the history that contains the target, and the target in it.
fn found(
    arguments: &RestoreArguments,
    progress: &mut OnProgress<'_>,
) -> Result<(Source, Vec<ReadOnlyDirectory>, Target), Failure> {
    let source = Source::open(&arguments.from, &arguments.choice)?;
    let target = match &arguments.to_mark {
        Some(name) => {
            Target::Op(op_of_mark(&source.directory()?, name, Path::new(&arguments.from), progress)?)
        }
        None => arguments.target(),
    };
    let (history, target) = history_with(&source, &arguments.choice, target, progress)?;
    Ok((source, history, target))
}

fn run_dry(context: Context<'_>, arguments: &RestoreArguments) -> Result<Exit, Failure> {
    let place = Path::new(&arguments.from);
    let undone = with_progress(context, |progress| {
        let (_, history, target) = found(arguments, progress)?;
        Ok(server::with_read_ahead(|spawner| dry_run(&history, target, Some(spawner), progress)))
    })?;
    let (undone, machine) = undone.map_err(|e| restore_failure(e.into(), place, place))?;
    context.output.result(&text(&undone, &machine), &document(&undone, &machine))?;
    Ok(Exit::Ok)
}

fn restore_to(context: Context<'_>, arguments: &RestoreArguments) -> Result<Exit, Failure> {
    let place = Path::new(&arguments.from);
    let Some(to_dir) = &arguments.to_dir else {
        return Err(Failure::usage("--to-dir DIR is missing: the new data directory"));
    };
    let (source, history, target) = with_progress(context, |progress| found(arguments, progress))?;
    let config = arguments.config.load([("data-dir", Some(to_dir.display().to_string()))])?;
    let storage = server::create_storage(&config).map_err(|e| start_failure(e, to_dir))?;
    // The replay may take long, so a directory that is in use is refused before it.
    let failed = |error: RestoreError| restore_failure(error, place, to_dir);
    unfinished_files(&storage).map_err(|e| failed(e.into()))?;
    let [from, ..] = &history[..] else { unreachable!("a history has a directory") };
    let replica = with_progress(context, |progress| {
        server::with_read_ahead(|spawner| replica_at(from, target, Some(spawner), progress))
    });
    let mut replica = replica.map_err(|e| failed(e.into()))?;
    let options = RestoreOptions {
        now_ms: stockhold_client::wall_clock_ms(),
        salt_seed: server::salt_seed(),
        segment_bytes: config.log.segment_bytes,
        known_epoch: source.known_epoch,
    };
    let restored = restore(from.manifest(), &mut replica, storage, options).map_err(failed)?;
    addresses::bring(newest(&history), &restored, to_dir)?;
    let undone = keep_undone(context, (&history, &mut replica), &restored, to_dir)?;
    report(context, &restored, Some(&undone), &to_dir.display().to_string())?;
    Ok(Exit::Ok)
}

/// The directory whose addresses are in use: the last of a history.
fn newest(history: &[ReadOnlyDirectory]) -> &ReadOnlyDirectory {
    let [.., newest] = history else { unreachable!("a history has a directory") };
    newest
}

/// Writes what comes after the point to a file beside the new directory's own.
fn keep_undone(
    context: Context<'_>,
    (history, replica): (&[ReadOnlyDirectory], &mut Replica),
    restored: &Restored,
    to_dir: &Path,
) -> Result<WrittenUndone, Failure> {
    let manifest = restored.directory.manifest();
    let header = UndoneHeader {
        log_uuid: manifest.log_uuid.to_string(),
        epoch: manifest.epoch(),
        kept_op: restored.point.op,
        kept_time: rfc3339(restored.wall_ms),
    };
    let path = to_dir.join(UNDONE_NAME);
    let file = File::create(&path).map_err(|e| file_failure(&path, e))?;
    let mut out = BufWriter::new(file);
    let bar = context.output.progress(0, "undone");
    let mut progress = |progress: ReplayProgress| {
        bar.set_length(progress.bytes_all);
        bar.set_position(progress.bytes_done);
    };
    let written = server::with_read_ahead(|spawner| {
        write_undone(history, replica, &header, &mut out, Some(spawner), &mut progress)
    });
    bar.finish_and_clear();
    let written = written.map_err(|e| file_failure(&path, e))?;
    let file = out.into_inner().map_err(|e| file_failure(&path, e.into_error()))?;
    file.sync_all().map_err(|e| file_failure(&path, e))?;
    Ok(written)
}

/// The op of a mark, by the state at the end of the log.
fn op_of_mark(
    directory: &ReadOnlyDirectory,
    name: &str,
    place: &Path,
    progress: &mut OnProgress<'_>,
) -> Result<u64, Failure> {
    let replica =
        server::with_read_ahead(|spawner| replica_at(directory, Target::End, Some(spawner), progress));
    let replica = replica.map_err(|e| restore_failure(e.into(), place, place))?;
    marked_op(replica.machine(), name).map_err(|newest| {
        let newest = newest.map_or_else(
            || "there are no marks".to_owned(),
            |newest| format!("the newest one is `{newest}`"),
        );
        Failure::usage(format!("there is no mark `{name}`; {newest}"))
    })
}

pub(super) fn report(
    context: Context<'_>,
    restored: &Restored,
    undone: Option<&WrittenUndone>,
    path: &str,
) -> Result<(), Failure> {
    let manifest = restored.directory.manifest();
    let (op, epoch) = (restored.point.op, manifest.epoch());
    let mut text = Text::default();
    text.line(&format!(
        "{path} has the state after op {op}, {}: {} ops replayed, digest {:016x}",
        rfc3339(restored.wall_ms),
        restored.replayed_ops,
        restored.digest,
    ));
    text.line(&format!("log {}, epoch {epoch}", manifest.log_uuid));
    let file = format!("{path}/{UNDONE_NAME}");
    let mut undone_document = Value::Null;
    if let Some(undone) = undone {
        let ended_by = undone.ended_by.as_ref().map(ToString::to_string);
        text.line(&format!(
            "{} commands are undone; {file} has them, and `stockhold replay` puts chosen ones back",
            undone.commands
        ));
        if let Some(error) = &ended_by {
            text.line(&format!(
                "the log could not be read to its end, so later commands are missing there: {error}"
            ));
        }
        undone_document = json!({"commands": undone.commands, "file": file, "ended_by": ended_by});
    }
    text.line(&format!("next: stockhold serve --data-dir {path}"));
    let document = json!({
        "data_dir": path, "op": op, "position": restored.point.position,
        "time": rfc3339(restored.wall_ms), "digest": format!("{:016x}", restored.digest),
        "replayed_ops": restored.replayed_ops, "log_uuid": manifest.log_uuid.to_string(), "epoch": epoch,
        "undone": undone_document,
    });
    context.output.result(&text.into_string(), &document)
}

fn units(raw: i64) -> String {
    Quantity::from_raw(raw).map_or_else(|_| raw.to_string(), |units| units.to_string())
}

/// A difference with its sign.
fn signed(raw: i64) -> String {
    if raw > 0 { format!("+{}", units(raw)) } else { units(raw) }
}

fn text(undone: &Undone, machine: &Machine) -> String {
    let mut text = Text::default();
    let ((op, at_ms), (last_op, last_ms)) = (undone.target, undone.end);
    text.line(&format!("the restore keeps op {op}, {}, and everything before it", rfc3339(at_ms)));
    if undone.ops() == 0 {
        text.line("it would undo nothing: this is the end of the log");
        return text.into_string();
    }
    text.line(&format!("it would undo {} ops, up to op {last_op}, {}", undone.ops(), rfc3339(last_ms)));
    section(&mut text, "commands after the point, by actor, hour and kind", command_rows(undone), ROWS_MAX);
    section(&mut text, "reservations that these commands touched", fate_rows(&undone.fates), usize::MAX);
    section(&mut text, "promised units that would change", promise_rows(undone, machine), ROWS_MAX);
    section(&mut text, "goods on hand that would change", goods_rows(undone, machine), ROWS_MAX);
    section(&mut text, "bulk changes", bulk_rows(undone), ROWS_MAX);
    section(&mut text, "changes of catalog, settings and configuration", catalog_rows(undone), ROWS_MAX);
    text.into_string()
}

/// A table under a heading. Rows beyond the limit are only counted.
fn section(text: &mut Text, heading: &str, mut rows: Vec<Vec<String>>, most: usize) {
    if rows.is_empty() {
        return;
    }
    text.line("");
    text.line(&format!("{heading}:"));
    // The first row is the heading of the columns.
    let hidden = rows.len().saturating_sub(1).saturating_sub(most);
    rows.truncate(most.saturating_add(1));
    for line in table(&rows).lines() {
        text.line(&format!("  {line}"));
    }
    if hidden > 0 {
        text.line(&format!("  and {hidden} more; --json lists all of them"));
    }
}

/// Rows under the names of their columns; nothing if there are none.
fn rows(columns: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Vec<Vec<String>> {
    let mut all = vec![columns.iter().map(|name| (*name).to_owned()).collect()];
    all.extend(rows);
    if all.len() == 1 { Vec::new() } else { all }
}

fn command_rows(undone: &Undone) -> Vec<Vec<String>> {
    let row = |((actor, hour, kind), tally): (&(String, u64, &str), &Tally)| {
        let counts = [tally.accepted.to_string(), tally.refused.to_string()];
        [vec![actor.clone(), rfc3339(*hour), (*kind).to_owned()], counts.to_vec()].concat()
    };
    rows(&["actor", "hour", "command", "done", "refused"], undone.commands.iter().map(row))
}

fn fate_rows(fates: &Fates) -> Vec<Vec<String>> {
    let row = |((then, now), fate): (&(Option<&str>, Option<&str>), &restoring::Fate)| {
        let name = |state: Option<&str>| state.unwrap_or("none").to_owned();
        let reservations = fate.reservations.to_string();
        vec![name(*now), name(*then), reservations, units(fate.open_now), units(fate.open_then)]
    };
    rows(&["now", "after the restore", "reservations", "units open", "afterwards"], fates.iter().map(row))
}

fn promise_rows(undone: &Undone, machine: &Machine) -> Vec<Vec<String>> {
    let row = |change: &restoring::PromiseChange| {
        let (then, now) = (change.then, change.now);
        vec![
            describe::sku(machine, change.sku),
            describe::stock(machine, change.stock),
            signed(then.confirmed - now.confirmed),
            signed(then.held - now.held),
            units(then.confirmed + then.held),
        ]
    };
    rows(&["sku", "stock", "confirmed", "held", "promised afterwards"], undone.promises.iter().map(row))
}

fn goods_rows(undone: &Undone, machine: &Machine) -> Vec<Vec<String>> {
    let row = |change: &restoring::GoodsChange| {
        vec![
            describe::sku(machine, change.sku),
            describe::source(machine, change.source),
            signed(change.then - change.now),
            units(change.then),
        ]
    };
    rows(&["sku", "source", "change", "on hand afterwards"], undone.goods.iter().map(row))
}

fn bulk_rows(undone: &Undone) -> Vec<Vec<String>> {
    let row = |bulk: &restoring::Bulk| {
        let kinds = bulk.kinds.iter().map(|(kind, count)| format!("{count} {kind}"));
        vec![
            bulk.actor.clone(),
            bulk.first_op.to_string(),
            bulk.last_op.to_string(),
            rfc3339(bulk.first_ms),
            kinds.collect::<Vec<_>>().join(", "),
        ]
    };
    rows(&["actor", "first op", "last op", "began", "commands"], undone.bulks.iter().map(row))
}

fn catalog_rows(undone: &Undone) -> Vec<Vec<String>> {
    let row = |change: &restoring::CatalogChange| {
        vec![
            change.op.to_string(),
            rfc3339(change.wall_ms),
            change.actor.clone(),
            change.kind.to_owned(),
            describe::line(&change.body),
        ]
    };
    rows(&["op", "time", "actor", "command", "what"], undone.catalog.iter().map(row))
}

fn document(undone: &Undone, machine: &Machine) -> Value {
    let commands = undone.commands.iter().map(|((actor, hour, kind), tally)| {
        json!({
            "actor": actor, "hour": rfc3339(*hour), "kind": kind, "accepted": tally.accepted,
            "refused": tally.refused,
        })
    });
    let fates = undone.fates.iter().map(|((then, now), fate)| {
        json!({
            "now": now, "then": then, "reservations": fate.reservations,
            "open_now": units(fate.open_now), "open_then": units(fate.open_then),
        })
    });
    let promises = undone.promises.iter().map(|change| {
        json!({
            "sku": describe::sku(machine, change.sku), "stock": describe::stock(machine, change.stock),
            "confirmed_then": units(change.then.confirmed), "confirmed_now": units(change.now.confirmed),
            "held_then": units(change.then.held), "held_now": units(change.now.held),
        })
    });
    let goods = undone.goods.iter().map(|change| {
        json!({
            "sku": describe::sku(machine, change.sku), "source": describe::source(machine, change.source),
            "on_hand_then": units(change.then), "on_hand_now": units(change.now),
        })
    });
    let bulks = undone.bulks.iter().map(|bulk| {
        json!({
            "actor": bulk.actor, "first_op": bulk.first_op, "last_op": bulk.last_op,
            "began": rfc3339(bulk.first_ms), "ended": rfc3339(bulk.last_ms), "kinds": bulk.kinds,
        })
    });
    let catalog = undone.catalog.iter().map(|change| {
        json!({
            "op": change.op, "time": rfc3339(change.wall_ms), "actor": change.actor, "kind": change.kind,
            "body": change.body,
        })
    });
    let point = |(op, at_ms): (u64, u64)| json!({"op": op, "time": rfc3339(at_ms)});
    let undone_ops: BTreeMap<&str, Value> = BTreeMap::from([
        ("ops", json!(undone.ops())),
        ("target", point(undone.target)),
        ("end", point(undone.end)),
        ("digest", json!(format!("{:016x}", undone.digest))),
        ("commands", commands.collect()),
        ("reservations", fates.collect()),
        ("promises", promises.collect()),
        ("goods", goods.collect()),
        ("bulk_changes", bulks.collect()),
        ("catalog", catalog.collect()),
        ("catalog_changes", json!(undone.catalog_changes)),
    ]);
    json!(undone_ops)
}
