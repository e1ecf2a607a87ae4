//! Flow form: groups whose source sets overlap partly. A max-flow sends goods from buckets to classes.
//!
//! It is used for groups that no other form can compute. A link that would make such a group larger than
//! the `FLOW_*_MAX` limits is refused. An unlink is a fact, so it can leave a larger group, which is still
//! exact, but slow. The form is NOT incremental: it stores only the goods of the buckets, so each answer
//! computes a flow.
//!
//! Let F0 be the flow without the promises of t, and F1 the flow in which t asks for everything. Then
//! left(t) = F1 − F0 − promised(t). F1 − F0 is what can be pushed for t on top of the flow of the others.
//!
//! Cells: the goods of every bucket.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "links, buckets and classes are bounded by GROUP_*_MAX; sums by the assertions of the parent module"
)]

use super::class_sets::ClassSets;
use super::{FLOW_BUCKETS_MAX, FLOW_CLASSES_MAX, FLOW_LINKS_MAX, GroupTooLarge, at, short};

/// No link yet.
const NONE: u32 = u32::MAX;
/// The class where a search began.
const START: u32 = u32::MAX - 1;
/// The quantity that a class asks for when it asks for everything: more than all goods of a group.
const EVERYTHING: i64 = i64::MAX / 2;

/// Sources that serve the same classes, merged.
pub(super) struct Buckets {
    pub(super) bucket_of_source: Vec<u16>,
    /// The sorted classes of every bucket.
    pub(super) classes: Vec<Vec<u16>>,
}

/// The links between classes and buckets, numbered by bucket and then by class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flow {
    bucket_of_source: Box<[u16]>,
    /// The links of bucket b are `bucket_starts[b]..bucket_starts[b + 1]`.
    bucket_starts: Box<[u32]>,
    link_class: Box<[u16]>,
    link_bucket: Box<[u16]>,
    /// The links of every class.
    class_links: Box<[Box<[u32]>]>,
}

impl Flow {
    pub(super) fn build(classes: usize, buckets: &Buckets) -> Self {
        let mut bucket_starts = vec![0];
        let mut link_class = Vec::new();
        let mut link_bucket = Vec::new();
        let mut class_links = vec![Vec::new(); classes];
        for (bucket, classes) in buckets.classes.iter().enumerate() {
            for &class in classes {
                class_links[usize::from(class)].push(number(link_class.len()));
                link_class.push(class);
                link_bucket.push(short(bucket));
            }
            bucket_starts.push(number(link_class.len()));
        }
        Self {
            bucket_of_source: buckets.bucket_of_source.clone().into(),
            bucket_starts: bucket_starts.into(),
            link_class: link_class.into(),
            link_bucket: link_bucket.into(),
            class_links: class_links.into_iter().map(Into::into).collect(),
        }
    }

    /// Checks that a link may make a group as large as this. `stock` identifies the group.
    pub(super) fn check(&self, stock: u32) -> Result<(), GroupTooLarge> {
        let (classes, buckets, links) = (self.class_links.len(), self.cell_count(), self.link_class.len());
        if classes > FLOW_CLASSES_MAX || buckets > FLOW_BUCKETS_MAX || links > FLOW_LINKS_MAX {
            return Err(GroupTooLarge::Flow { stock, classes, buckets, links });
        }
        Ok(())
    }

    pub(super) fn cell_count(&self) -> usize {
        self.bucket_starts.len() - 1
    }

    /// Adds goods at a source to its bucket.
    pub(super) fn add_capacity(&self, goods: &mut [i64], source: usize, delta: i64) {
        goods[usize::from(self.bucket_of_source[source])] += delta;
    }

    /// left(t) for one class.
    pub(super) fn left(&self, goods: &[i64], promised: &[i64], class: usize) -> i64 {
        let mut sent = self.empty_flow(goods);
        for (other, &promised) in promised.iter().enumerate() {
            if other != class {
                self.push(&mut sent, other, promised);
            }
        }
        self.push(&mut sent, class, EVERYTHING) - promised[class]
    }

    /// The smallest sets of classes with the least slack, with this class and without it: those that compete for goods
    /// with a class that gets too little.
    pub(super) fn binding(&self, goods: &[i64], promised: &[i64], class: usize) -> ClassSets {
        let mut sent = self.empty_flow(goods);
        let mut short = vec![false; promised.len()];
        for (other, &promised) in promised.iter().enumerate() {
            if other != class {
                short[other] = self.push(&mut sent, other, promised) < promised;
            }
        }
        let without = self.competing(&sent, short.clone());
        self.push(&mut sent, class, EVERYTHING);
        short[class] = true;
        ClassSets { with: self.competing(&sent, short), without }
    }

    /// These classes and all whose goods could be rerouted to them.
    fn competing(&self, sent: &Sent, mut reached: Vec<bool>) -> Vec<bool> {
        let mut queue: Vec<usize> = (0..reached.len()).filter(|class| reached[*class]).collect();
        while let Some(from) = queue.pop() {
            for &link in &self.class_links[from] {
                let bucket = usize::from(self.link_bucket[at(link)]);
                for back in self.bucket_starts[bucket]..self.bucket_starts[bucket + 1] {
                    let other = usize::from(self.link_class[at(back)]);
                    if sent.carried[at(back)] > 0 && !std::mem::replace(&mut reached[other], true) {
                        queue.push(other);
                    }
                }
            }
        }
        reached
    }

    /// Passes left(t) of every class to `set`. Without shortfall, the flow of all promises satisfies them,
    /// and what a class can push on top of it is what it has left.
    pub(super) fn left_all(&self, goods: &[i64], promised: &[i64], mut set: impl FnMut(usize, i64)) {
        let mut all = self.empty_flow(goods);
        let is_short = self.push_all(&mut all, promised) > 0;
        let mut trial = self.empty_flow(goods);
        for class in 0..self.class_links.len() {
            if is_short {
                set(class, self.left(goods, promised, class));
            } else {
                trial.copy_from(&all);
                set(class, self.push(&mut trial, class, EVERYTHING));
            }
        }
    }

    /// The quantity by which the demands of the classes exceed the goods.
    pub(super) fn short_of(&self, goods: &[i64], asked: &[i64]) -> i64 {
        self.push_all(&mut self.empty_flow(goods), asked)
    }

    /// Sends every class as much as possible of what it asks for. Returns what is missing.
    fn push_all(&self, sent: &mut Sent, asked: &[i64]) -> i64 {
        asked.iter().enumerate().map(|(class, &asked)| asked - self.push(sent, class, asked)).sum()
    }

    /// Sends up to `asked` more to a class. It may reroute the flow to other classes without reducing it.
    /// Returns the quantity sent.
    fn push(&self, sent: &mut Sent, class: usize, asked: i64) -> i64 {
        // An upper bound on the number of shortest augmenting paths: links times nodes.
        let nodes = self.class_links.len() + self.cell_count() + 2;
        let rounds_max = (self.link_class.len() + nodes) * nodes;
        let mut missing = asked;
        for _ in 0..rounds_max {
            if missing == 0 {
                return asked;
            }
            let Some(bucket) = self.find_path(sent, class) else { return asked - missing };
            missing -= self.augment(sent, class, bucket, missing);
        }
        unreachable!("shortest augmenting paths end within links times nodes")
    }

    /// Finds a shortest path from the class to a bucket with spare goods: forward over links, and back over
    /// links that carry flow. Returns that bucket, and stores in `sent` how every node was reached.
    fn find_path(&self, sent: &mut Sent, class: usize) -> Option<usize> {
        sent.class_via.fill(NONE);
        sent.bucket_via.fill(NONE);
        sent.queue.clear();
        sent.class_via[class] = START;
        sent.queue.push(class);
        let mut visited = 0;
        while let Some(&from) = sent.queue.get(visited) {
            visited += 1;
            for &link in &self.class_links[from] {
                let bucket = usize::from(self.link_bucket[at(link)]);
                if sent.bucket_via[bucket] != NONE {
                    continue;
                }
                sent.bucket_via[bucket] = link;
                if sent.spare[bucket] > 0 {
                    return Some(bucket);
                }
                for back in self.bucket_starts[bucket]..self.bucket_starts[bucket + 1] {
                    let other = usize::from(self.link_class[at(back)]);
                    if sent.class_via[other] == NONE && sent.carried[at(back)] > 0 {
                        sent.class_via[other] = back;
                        sent.queue.push(other);
                    }
                }
            }
        }
        None
    }

    /// Sends up to `missing` along the path that was found. Returns the quantity sent.
    fn augment(&self, sent: &mut Sent, class: usize, bucket: usize, missing: i64) -> i64 {
        let mut amount = missing.min(sent.spare[bucket]);
        self.walk(sent, class, bucket, |carried, _, back| {
            if let Some(back) = back {
                amount = amount.min(carried[back]);
            }
        });
        assert!(amount > 0, "an augmenting path has spare capacity");
        sent.spare[bucket] -= amount;
        self.walk(sent, class, bucket, |carried, link, back| {
            carried[link] += amount;
            if let Some(back) = back {
                carried[back] -= amount;
            }
        });
        amount
    }

    /// Visits the links of a path from its bucket back to its class. Each visited link carries more, and
    /// the link back from it less.
    fn walk(
        &self,
        sent: &mut Sent,
        class: usize,
        mut bucket: usize,
        mut visit: impl FnMut(&mut [i64], usize, Option<usize>),
    ) {
        for _ in 0..self.class_links.len() {
            let link = at(sent.bucket_via[bucket]);
            let receiver = usize::from(self.link_class[link]);
            if receiver == class {
                visit(&mut sent.carried, link, None);
                return;
            }
            let back = at(sent.class_via[receiver]);
            visit(&mut sent.carried, link, Some(back));
            bucket = usize::from(self.link_bucket[back]);
        }
        unreachable!("a path visits no class twice")
    }

    /// An empty flow.
    fn empty_flow(&self, goods: &[i64]) -> Sent {
        Sent {
            carried: vec![0; self.link_class.len()],
            spare: goods.to_vec(),
            class_via: vec![NONE; self.class_links.len()],
            bucket_via: vec![NONE; goods.len()],
            queue: Vec::with_capacity(self.class_links.len()),
        }
    }
}

/// A flow under construction.
struct Sent {
    /// The flow on every link.
    carried: Vec<i64>,
    /// The unused goods of every bucket.
    spare: Vec<i64>,
    /// The link over which the last search reached a class.
    class_via: Vec<u32>,
    /// The link over which the last search reached a bucket.
    bucket_via: Vec<u32>,
    /// Classes in the order in which the last search reached them.
    queue: Vec<usize>,
}

impl Sent {
    fn copy_from(&mut self, other: &Self) {
        self.carried.copy_from_slice(&other.carried);
        self.spare.copy_from_slice(&other.spare);
    }
}

/// A position among the links of a group.
fn number(position: usize) -> u32 {
    let Ok(position) = u32::try_from(position) else {
        unreachable!("a group has at most GROUP_LINKS_MAX links")
    };
    position
}
