//! What `stockhold top` shows besides the metrics: refusals by code, connections by the names of their clients, and the
//! SKUs that are wanted most. All of it is bounded, and nothing is decided by it. It is updated once per frame, batch or
//! connection, never per command.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use stockhold_protocol::query::NamedCount;
use stockhold_protocol::{Code, SkuId};

/// The maximum number of names of clients that are counted apart.
const CLIENTS_MAX: usize = 256;
/// The name for all clients beyond them.
const OTHERS: &str = "(others)";
/// The number of SKUs that are counted at a time.
const SKUS_COUNTED: usize = 64;
/// The number of SKUs that are told.
pub const SKUS_TOLD: usize = 10;
/// When so many samples have been counted, all counts are halved, so that old demand fades.
const SAMPLES_MAX: u64 = 4_096;

/// All tallies of a server.
#[derive(Debug)]
pub struct Tallies {
    /// By the number of the code.
    refusals: Box<[AtomicU64]>,
    /// The open connections by the names that their clients claim.
    pub clients: Arc<Clients>,
    /// SKUs whose quantities changed.
    pub wanted: SkuSample,
    /// SKUs of carts that were refused as sold out without the log.
    pub sold_out: SkuSample,
}

impl Default for Tallies {
    fn default() -> Self {
        let refusals = (0..=usize::from(u8::MAX)).map(|_| AtomicU64::new(0)).collect();
        Self {
            refusals,
            clients: Arc::default(),
            wanted: SkuSample::default(),
            sold_out: SkuSample::default(),
        }
    }
}

impl Tallies {
    /// The refusals so far, the most frequent first.
    #[must_use]
    pub fn refusals(&self) -> Vec<NamedCount> {
        let count = |code: &Code| self.refusals[usize::from(code.number())].load(Ordering::Relaxed);
        let counted =
            Code::ALL.iter().map(|code| NamedCount { name: code.name().to_owned(), count: count(code) });
        let mut all: Vec<NamedCount> = counted.filter(|entry| entry.count > 0).collect();
        all.sort_by_key(|entry| std::cmp::Reverse(entry.count));
        all
    }
}

/// The open connections by the names that their clients claim.
#[derive(Debug, Default)]
pub struct Clients(Mutex<BTreeMap<Arc<str>, u64>>);

impl Clients {
    /// The names with their connections, the most frequent first.
    #[must_use]
    pub fn by_name(&self) -> Vec<NamedCount> {
        let clients = self.0.lock();
        let mut all: Vec<NamedCount> = clients
            .iter()
            .map(|(name, count)| NamedCount { name: name.to_string(), count: *count })
            .collect();
        all.sort_by_key(|entry| std::cmp::Reverse(entry.count));
        all
    }
}

/// Counts the refusals of one batch.
#[derive(Debug, Default)]
pub struct RefusalRun {
    /// The last code and how often in a row it was seen.
    last: Option<(Code, u64)>,
}

impl RefusalRun {
    /// Counts an outcome, if it is a refusal.
    pub fn push(&mut self, code: Code, tallies: &Tallies) {
        if code.is_success() {
            return;
        }
        match &mut self.last {
            Some((last, count)) if *last == code => *count += 1,
            _ => {
                self.flush(tallies);
                self.last = Some((code, 1));
            }
        }
    }

    /// Adds what was counted.
    pub fn flush(&mut self, tallies: &Tallies) {
        if let Some((code, count)) = self.last.take() {
            tallies.refusals[usize::from(code.number())].fetch_add(count, Ordering::Relaxed);
        }
    }
}

/// A connection whose client has said its name; counted as long as this value lives.
#[derive(Debug)]
pub struct OpenClient {
    clients: Arc<Clients>,
    name: Arc<str>,
}

impl OpenClient {
    /// Counts a connection of the client with this name.
    #[must_use]
    pub fn count(all: &Arc<Clients>, name: &str) -> Self {
        let mut clients = all.0.lock();
        let is_apart = clients.len() < CLIENTS_MAX || clients.contains_key(name);
        let name: Arc<str> = if is_apart { name.into() } else { OTHERS.into() };
        *clients.entry(name.clone()).or_default() += 1;
        drop(clients);
        Self { clients: all.clone(), name }
    }
}

impl Drop for OpenClient {
    fn drop(&mut self) {
        let mut clients = self.clients.0.lock();
        if let Some(count) = clients.get_mut(&self.name) {
            *count -= 1;
            if *count == 0 {
                clients.remove(&self.name);
            }
        }
    }
}

/// The most frequent of the SKUs that were sampled, of which it counts at most `SKUS_COUNTED` at a time.
#[derive(Debug, Default)]
pub struct SkuSample {
    counts: Mutex<Vec<(SkuId, u64)>>,
}

impl SkuSample {
    /// Counts one SKU. If another thread is counting, this one is left out, as those that are not sampled are.
    pub fn count(&self, sku: SkuId) {
        let Some(mut counts) = self.counts.try_lock() else { return };
        if let Some((_, count)) = counts.iter_mut().find(|(known, _)| *known == sku) {
            *count += 1;
        } else if counts.len() < SKUS_COUNTED {
            counts.push((sku, 1));
        } else if let Some(least) = counts.iter_mut().min_by_key(|(_, count)| *count) {
            // The newcomer inherits the count, so that a frequent one cannot be kept out (Space-Saving).
            *least = (sku, least.1 + 1);
        }
        if counts.iter().map(|(_, count)| count).sum::<u64>() > SAMPLES_MAX {
            counts.iter_mut().for_each(|(_, count)| *count /= 2);
            counts.retain(|(_, count)| *count > 0);
        }
    }

    /// The most frequent ones with their counts.
    #[must_use]
    pub fn highest(&self) -> Vec<(SkuId, u64)> {
        let mut counts = self.counts.lock().clone();
        counts.sort_by_key(|(sku, count)| (std::cmp::Reverse(*count), *sku));
        counts.truncate(SKUS_TOLD);
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_counted_by_code() {
        // Proves that runs of different codes are kept apart, and that successes are not counted.
        let tallies = Tallies::default();
        let mut run = RefusalRun::default();
        for code in [Code::SoldOut, Code::SoldOut, Code::Ok, Code::NotAssigned, Code::SoldOut] {
            run.push(code, &tallies);
        }
        run.flush(&tallies);
        run.flush(&tallies);
        let told: Vec<(String, u64)> = tallies.refusals().into_iter().map(|it| (it.name, it.count)).collect();
        assert_eq!(told, [("sold_out".to_owned(), 3), ("not_assigned".to_owned(), 1)]);
    }

    #[test]
    fn clients_are_counted_while_they_are_connected() {
        // Proves that names are counted up and down, and that there are not more of them than the limit and one.
        let clients = Arc::new(Clients::default());
        let two = [OpenClient::count(&clients, "checkout"), OpenClient::count(&clients, "checkout")];
        let told = clients.by_name();
        assert_eq!((told[0].name.as_str(), told[0].count), ("checkout", 2));
        let many: Vec<OpenClient> =
            (0..300).map(|number| OpenClient::count(&clients, &format!("shop-{number}"))).collect();
        let told = clients.by_name();
        assert_eq!(told.len(), CLIENTS_MAX + 1);
        assert_eq!((told[0].name.as_str(), told[0].count), (OTHERS, 45));
        drop((two, many));
        assert!(clients.by_name().is_empty());
    }

    #[test]
    fn a_frequent_sku_is_found_among_many() {
        // Proves that a SKU that is wanted in each fourth sample stays first among a stream of others, that old demand
        // fades, and that the memory is bounded.
        let sample = SkuSample::default();
        for number in 0..20_000_u32 {
            sample.count(if number % 4 == 0 { SkuId(7) } else { SkuId(100 + number) });
        }
        let highest = sample.highest();
        assert_eq!((highest[0].0, highest.len()), (SkuId(7), SKUS_TOLD));
        assert!(highest[0].1 > 2 * highest[1].1, "{highest:?}");
        assert!(sample.counts.lock().len() <= SKUS_COUNTED);
        for _ in 0..10_000 {
            sample.count(SkuId(8));
        }
        assert_eq!(sample.highest()[0].0, SkuId(8));
    }
}
