//! Assembles the answer to a `status` query: identity, state, metrics and warnings. It is for people and their
//! monitoring, and nothing is decided by it.

use stockhold_machine::{Machine, Stats};
use stockhold_protocol::query::{Metric, NamedCount, Status};

use crate::metrics::{Metrics, metric};
use crate::pipeline::ServerState;
use crate::pipeline::links::ApplierLinks;
use crate::status_board::StatusBoard;
use crate::tallies::SkuSample;
use crate::warning::Warning;

impl StatusBoard {
    /// The answer to a `status` query.
    #[must_use]
    pub fn status(&self, machine: &Machine, links: &ApplierLinks) -> Status {
        let stats = &machine.stats();
        let mut metrics = Vec::new();
        for (name, op) in links.watermarks.read() {
            metrics.push(metric(name, "op", op));
        }
        let (commands, bytes) = links.ingress.depth();
        let size = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
        metrics.push(metric("queue_depth", "commands", size(commands)));
        metrics.push(metric("queue_bytes", "bytes", size(bytes)));
        metrics.push(metric("queue_commands_max", "commands", size(links.ingress.limits().commands)));
        metrics.push(metric("questions_depth", "questions", size(links.questions.depth())));
        let (durable_op, now_ms) = (links.watermarks.durable(), links.clock.monotonic_ms());
        metrics.push(metric("uptime_ms", "ms", now_ms.saturating_sub(self.started_ms)));
        metrics.extend(self.fixed.iter().cloned());
        links.metrics.render(&mut metrics);
        machine_metrics(stats, &mut metrics);
        clock_metrics(links, &mut metrics);
        metrics.extend(snapshot_age(links));
        if let Some(archive) = &links.archive {
            archive.render(durable_op, now_ms, &mut metrics);
        }
        let archive_from = links.archive.as_ref().and_then(|archive| archive.restorable_from());
        let lost_marks = links.restorable.render(archive_from, machine.marks(), &mut metrics);
        let mut warnings: Vec<String> = state_warning(links.feedback.state()).into_iter().collect();
        warnings.extend(self.disk_warning(stats, &links.metrics));
        warnings.extend(snapshot_warning(&links.metrics));
        warnings.extend(self.warnings.lock().iter().cloned());
        warnings.extend(links.clock.warning());
        warnings.extend(links.archive.as_ref().and_then(|archive| archive.warning(durable_op, now_ms)));
        warnings.extend(lost_marks);
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            log_uuid: self.log_uuid,
            epoch: self.epoch,
            state: links.feedback.state().name().to_owned(),
            durability: self.durability.clone(),
            metrics,
            warnings,
            data_dir: self.data_dir.clone(),
            refusals: links.metrics.tallies.refusals(),
            clients: links.metrics.tallies.clients.by_name(),
            wanted: named(machine, &links.metrics.tallies.wanted),
            sold_out: named(machine, &links.metrics.tallies.sold_out),
        }
    }

    /// The warning about a disk that lacks the space for what the server writes next.
    fn disk_warning(&self, stats: &Stats, metrics: &Metrics) -> Option<String> {
        let (free, all) = (metrics.disk_free_bytes.get(), metrics.disk_bytes.get());
        let needed = self.segment_bytes.saturating_mul(2).saturating_add(stats.snapshot_bytes);
        (all > 0 && free < needed).then(|| {
            Warning::DiskLow.about(format!(
                "Only {free} of {all} bytes are free on the disk; two segments and a snapshot take {needed}."
            ))
        })
    }
}

/// The most frequent SKUs of a sample, by their names.
fn named(machine: &Machine, sample: &SkuSample) -> Vec<NamedCount> {
    let name = |sku| machine.sku_name(sku).unwrap_or_default();
    sample.highest().into_iter().map(|(sku, count)| NamedCount { name: name(sku), count }).collect()
}

fn snapshot_warning(metrics: &Metrics) -> Option<String> {
    let is_failing = metrics.snapshot_failing.get() > 0;
    is_failing.then(|| Warning::SnapshotFailed.about("The last snapshot failed; the log is kept and grows."))
}

/// The age of the newest snapshot in the server's time, if there is one.
fn snapshot_age(links: &ApplierLinks) -> Option<Metric> {
    let written_ms = links.metrics.snapshot_time_ms.get();
    let age_ms = links.clock.propose_now().0.saturating_sub(written_ms);
    (written_ms > 0).then(|| metric("snapshot_age_ms", "ms", age_ms))
}

/// The warning about what the server refuses in this state.
fn state_warning(state: ServerState) -> Option<String> {
    match state {
        ServerState::DiskReserve => Some(
            Warning::DiskFull
                .about("The disk is full: only confirm, ship, release, refund and the like are accepted."),
        ),
        ServerState::DiskFull => Some(Warning::DiskFull.about("The disk is full: no commands are accepted.")),
        ServerState::LogFailed => {
            Some(Warning::LogFailed.about("The log cannot be written, and the server ends."))
        }
        // The archive gives its warning itself.
        ServerState::Running | ServerState::ArchiveBehind | ServerState::Stopping => None,
    }
}

fn clock_metrics(links: &ApplierLinks, out: &mut Vec<Metric>) {
    let (clock, view) = (&links.clock, links.feedback.clock());
    let wide = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let named = [
        ("clock_time_ms", wide(clock.propose_now().0)),
        ("clock_wall_offset_ms", clock.wall_offset_ms()),
        ("clock_wall_offset_logged_ms", view.wall_offset_ms),
        ("clock_hold_offset_ms", wide(view.hold_offset_ms)),
        ("clock_jump_max_ms", wide(view.jump_max_ms)),
        ("clock_accepted_until_ms", wide(view.accepted_until.0)),
    ];
    out.extend(named.map(|(name, value)| Metric { name: name.to_owned(), unit: "ms".to_owned(), value }));
}

fn machine_metrics(stats: &Stats, out: &mut Vec<Metric>) {
    let named = [
        ("machine_reservations", "reservations", stats.reservations),
        ("machine_reservations_max", "reservations", stats.reservations_max),
        ("machine_orders", "orders", stats.orders),
        ("machine_orders_unsettled", "orders", stats.orders_unsettled),
        ("machine_orders_to_check", "orders", stats.orders_to_check),
        ("machine_orders_max", "orders", stats.orders_max),
        ("machine_order_bytes", "bytes", stats.order_bytes),
        ("machine_outcomes", "outcomes", stats.outcomes),
        ("machine_outcome_bytes", "bytes", stats.outcome_bytes),
        ("machine_outcome_bytes_max", "bytes", stats.outcome_bytes_max),
        ("machine_outcome_generations", "generations", stats.generations),
        ("machine_horizon_ms", "ms", stats.horizon_ms),
        ("machine_skus", "skus", stats.skus),
        ("machine_items", "items", stats.items),
        ("machine_positions", "positions", stats.positions),
        ("machine_clusters", "clusters", stats.clusters),
        ("machine_catalog", "entries", stats.catalog),
        ("machine_old_names", "names", stats.old_names),
        ("machine_marks", "marks", stats.marks),
        ("machine_memory_bytes", "bytes", stats.memory_bytes),
        ("machine_reservation_bytes", "bytes", stats.reservation_bytes),
        ("machine_snapshot_bytes", "bytes", stats.snapshot_bytes),
    ];
    out.extend(named.map(|(name, unit, value)| metric(name, unit, value)));
}
