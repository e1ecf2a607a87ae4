//! The end of a world. Fault injection stops, every command gets its outcome, and the final state must be the same
//! everywhere: in the server, its cells, a replay, a snapshot and the files.

use stockhold::directory::DirectoryError;
use stockhold::pipeline::Stepped;
use stockhold::verify::verify;
use stockhold_model::{SKUS, STOCKS};
use stockhold_protocol::query::{LIST_MAX, LowStockFilter, LowStockItem};
use stockhold_protocol::{SkuId, StockId};

use crate::violation::{CheckResult, ensure, violation};
use crate::world::World;

/// Maximum number of turns until every command has its outcome once faults have stopped.
pub(crate) const TURNS_MAX: u32 = 400_000;
/// Maximum number of rounds until a world is idle.
const ROUNDS_MAX: u32 = 10_000;

impl World {
    /// Runs the world to its end.
    pub(crate) fn finish(&mut self) -> CheckResult {
        self.stop_faults()?;
        for _ in 0..TURNS_MAX {
            if self.commands.open().is_empty() && self.answer_checker.is_idle() && self.server.is_some() {
                break;
            }
            self.turn()?;
        }
        let open = self.commands.open();
        ensure!(open.is_empty(), "{} commands never get an outcome", open.len());
        self.settle()?;
        self.check_rest()?;
        let op = self.oracle.op();
        self.snapshot()?;
        self.stop()?;
        self.verify_files()?;
        self.start()?;
        let report = self.running()?.assembly.report.clone();
        ensure!(report.clean_stop, "a clean stop is reported as a crash");
        ensure!(
            report.snapshot_op() >= Some(op),
            "the last snapshot was not used: {:?}",
            report.snapshot_op()
        );
        self.settle()?;
        self.check_rest()
    }

    /// Whether the directory is found sound. It must be, unless a bit was flipped.
    pub(crate) fn verify_files(&mut self) -> CheckResult<bool> {
        let verification = match verify(&self.disk.share_to_read(), |_, _| ()) {
            Ok(verification) => verification,
            Err(DirectoryError::Version { .. }) if !self.flipped_bits.is_empty() => return Ok(false),
            Err(error) => return Err(violation("verifying the files")(error)),
        };
        let is_sound = verification.is_sound();
        ensure!(
            is_sound || !self.flipped_bits.is_empty(),
            "nothing is wrong with the medium, but verify finds {:?}",
            verification.findings
        );
        self.counts.count(if is_sound { "directories found sound" } else { "directories found damaged" });
        Ok(is_sound)
    }

    fn stop_faults(&mut self) -> CheckResult {
        self.is_fault_free = true;
        self.budget = 0;
        if self.disk.is_dark() {
            self.lose_power()?;
        } else if self.server.is_some() {
            let has_failed = self.running()?.assembly.sequencer.failure().is_some();
            // Armed faults may have left the preparer or the directory in a failed state.
            if has_failed || self.counts.faults_armed > 0 || !self.flipped_bits.is_empty() {
                self.end_process()?;
            }
        }
        self.repair_disk();
        Ok(())
    }

    /// Steps every stage until none has anything to do.
    pub(crate) fn settle(&mut self) -> CheckResult {
        for _ in 0..ROUNDS_MAX {
            let server = self.running()?;
            let mut worked = server.assembly.sequencer.step() == Stepped::Worked;
            worked |= self.step_applier()?;
            worked |= self.step_snapshotter();
            worked |= self.step_preparer()?;
            self.deliver()?;
            if !worked {
                return Ok(());
            }
        }
        ensure!(false, "the server does not become idle");
        Ok(())
    }

    /// Checks the idle state: readers see what the model predicts, all watermarks are equal, and no request is
    /// pending.
    fn check_rest(&mut self) -> CheckResult {
        let op = self.oracle.op();
        let context = self.running()?.assembly.context.clone();
        ensure!(
            context.published.op() == op,
            "readers are at op {}, the log is at {op}",
            context.published.op()
        );
        for sku in 0..SKUS {
            for stock in 0..STOCKS {
                let cell = context.published.cell(SkuId(sku), StockId(stock)).value;
                let exact = self.oracle.model().cell(sku, stock);
                ensure!(
                    cell == exact,
                    "when idle, the cell of SKU {sku} in stock {stock} is {cell} instead of {exact}"
                );
            }
        }
        self.check_low_stock()?;
        let marks = self.running()?.assembly.watermarks.read();
        ensure!(
            marks.iter().all(|(_, mark)| *mark == op),
            "when idle, the watermarks differ: {marks:?}, op {op}"
        );
        ensure!(self.answer_checker.is_idle(), "when idle, a connection still waits for an answer");
        Ok(())
    }

    /// Compares the low-stock report with the model's.
    fn check_low_stock(&mut self) -> CheckResult {
        let expected = self.oracle.model().low_stock();
        let machine = self.running()?.assembly.applier.machine();
        let mut scan = machine.begin_low_stock_scan(LowStockFilter::default(), None, LIST_MAX);
        let listed = loop {
            if let Some(view) = machine.low_stock_scan_step(&mut scan, 1) {
                break view.items;
            }
        };
        let row = |item: &LowStockItem| (item.on_hand.raw(), item.sku.0, item.source.0, item.threshold.raw());
        let listed: Vec<_> = listed.iter().map(row).collect();
        ensure!(listed == expected, "when idle, the low items are {listed:?} instead of {expected:?}");
        Ok(())
    }

    /// Writes a final snapshot of the last op.
    fn snapshot(&mut self) -> CheckResult {
        self.running()?.assembly.applier.snapshot_now();
        for _ in 0..ROUNDS_MAX {
            self.settle()?;
            if !self.running()?.assembly.applier.is_snapshotting() {
                return Ok(());
            }
            // If syncs are on a timer, the snapshot waits for the next one.
            self.time.advance_ms(self.plan.config.log.interval_ms);
        }
        ensure!(false, "a snapshot never ends");
        Ok(())
    }
}
