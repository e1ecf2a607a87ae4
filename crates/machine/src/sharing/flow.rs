//! Groups whose source sets overlap in part: goods are sent from buckets to classes by max-flow.
//!
//! It is for the groups that no other form takes, up to the `FLOW_*_MAX` limits; a larger one is refused when the
//! link is made. It is NOT incremental: nothing but the buckets' goods is kept, an answer costs a flow.
//!
//! What flows without t's promises, F0, and what flows with t asking for everything, F1, give
//! left(t) = F1 − F0 − promised(t); and a further push for t on top of the flow of the others is F1 − F0.
//!
//! Cells: the goods of every bucket. A flow is built on the call stack, so that an answer allocates nothing; the
//! functions that do so are kept out of line, or the small forms would pay for probing that large a frame.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "links, buckets and classes are bounded by FLOW_*_MAX; sums by the assertions of the parent module"
)]

use super::group::Buckets;
use super::{FLOW_BUCKETS_MAX, FLOW_CLASSES_MAX, FLOW_LINKS_MAX, short};

/// More than shortest augmenting paths can ever need: links times nodes.
const ROUNDS_MAX: usize =
    (FLOW_LINKS_MAX + FLOW_CLASSES_MAX + FLOW_BUCKETS_MAX) * (FLOW_CLASSES_MAX + FLOW_BUCKETS_MAX + 2);
/// No link yet.
const NONE: u16 = u16::MAX;
/// What a class asks for when it asks for everything: more than all goods of a group.
const EVERYTHING: i64 = i64::MAX / 2;

/// The links between classes and buckets, numbered by bucket and then by class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flow {
    bucket_of_source: Box<[u16]>,
    /// The links of bucket b are `bucket_starts[b]..bucket_starts[b + 1]`.
    bucket_starts: Box<[u16]>,
    link_class: Box<[u16]>,
    link_bucket: Box<[u16]>,
    /// The links of every class.
    class_links: Box<[Box<[u16]>]>,
}

impl Flow {
    pub(super) fn build(classes: usize, buckets: &Buckets) -> Self {
        assert!(classes <= FLOW_CLASSES_MAX, "more classes than a flow group may have");
        assert!(buckets.classes.len() <= FLOW_BUCKETS_MAX, "more buckets than a flow group may have");
        let mut bucket_starts = vec![0];
        let mut link_class = Vec::new();
        let mut link_bucket = Vec::new();
        let mut class_links = vec![Vec::new(); classes];
        for (bucket, classes) in buckets.classes.iter().enumerate() {
            for &class in classes {
                class_links[usize::from(class)].push(short(link_class.len()));
                link_class.push(class);
                link_bucket.push(short(bucket));
            }
            bucket_starts.push(short(link_class.len()));
        }
        assert!(link_class.len() <= FLOW_LINKS_MAX, "more links than a flow group may have");
        Self {
            bucket_of_source: buckets.bucket_of_source.clone().into(),
            bucket_starts: bucket_starts.into(),
            link_class: link_class.into(),
            link_bucket: link_bucket.into(),
            class_links: class_links.into_iter().map(Into::into).collect(),
        }
    }

    pub(super) fn cell_count(&self) -> usize {
        self.bucket_starts.len() - 1
    }

    /// Adds goods at a source to its bucket.
    pub(super) fn add_capacity(&self, goods: &mut [i64], source: usize, delta: i64) {
        goods[usize::from(self.bucket_of_source[source])] += delta;
    }

    /// The formula for one class.
    #[inline(never)]
    pub(super) fn left(&self, goods: &[i64], promised: &[i64], class: usize) -> i64 {
        let mut sent = Sent::none(goods);
        for (other, &promised) in promised.iter().enumerate() {
            if other != class {
                self.push(&mut sent, other, promised);
            }
        }
        self.push(&mut sent, class, EVERYTHING) - promised[class]
    }

    /// The formula for every class, told to `set`. Without shortfall the flow of all promises stands, and what a
    /// class can push on top of it is what it has left.
    #[inline(never)]
    pub(super) fn left_all(&self, goods: &[i64], promised: &[i64], mut set: impl FnMut(usize, i64)) {
        let mut all = Sent::none(goods);
        let is_short = self.push_all(&mut all, promised) > 0;
        let mut trial = Sent::none(goods);
        for class in 0..self.class_links.len() {
            if is_short {
                set(class, self.left(goods, promised, class));
            } else {
                trial.copy_from(&all, self.link_class.len(), goods.len());
                set(class, self.push(&mut trial, class, EVERYTHING));
            }
        }
    }

    /// By how much what the classes ask for exceeds the goods.
    #[inline(never)]
    pub(super) fn short_of(&self, goods: &[i64], asked: &[i64]) -> i64 {
        self.push_all(&mut Sent::none(goods), asked)
    }

    /// Sends every class what it asks for, as far as it goes, and gives what is missing.
    fn push_all(&self, sent: &mut Sent, asked: &[i64]) -> i64 {
        asked.iter().enumerate().map(|(class, &asked)| asked - self.push(sent, class, asked)).sum()
    }

    /// Sends up to `asked` more to a class, rerouting what others get without taking from it; gives what it got.
    fn push(&self, sent: &mut Sent, class: usize, asked: i64) -> i64 {
        let mut missing = asked;
        for _ in 0..ROUNDS_MAX {
            if missing == 0 {
                return asked;
            }
            let Some(path) = self.find_path(sent, class) else { return asked - missing };
            missing -= self.augment(sent, class, &path, missing);
        }
        unreachable!("shortest augmenting paths end within ROUNDS_MAX")
    }

    /// A shortest way from the class over links, and back over links that carry, to a bucket that has goods to spare.
    fn find_path(&self, sent: &Sent, class: usize) -> Option<Path> {
        let mut path =
            Path { bucket: 0, class_via: [NONE; FLOW_CLASSES_MAX], bucket_via: [NONE; FLOW_BUCKETS_MAX] };
        let mut reached: u32 = 1 << class;
        let mut queue = [0_usize; FLOW_CLASSES_MAX];
        queue[0] = class;
        let mut queued = 1;
        let mut taken = 0;
        while taken < queued {
            let links = &self.class_links[queue[taken]];
            taken += 1;
            for &link in links {
                let bucket = usize::from(self.link_bucket[usize::from(link)]);
                if path.bucket_via[bucket] != NONE {
                    continue;
                }
                path.bucket_via[bucket] = link;
                if sent.spare[bucket] > 0 {
                    path.bucket = bucket;
                    return Some(path);
                }
                for back in self.bucket_starts[bucket]..self.bucket_starts[bucket + 1] {
                    let other = usize::from(self.link_class[usize::from(back)]);
                    if reached >> other & 1 == 0 && sent.carried[usize::from(back)] > 0 {
                        reached |= 1 << other;
                        path.class_via[other] = back;
                        queue[queued] = other;
                        queued += 1;
                    }
                }
            }
        }
        None
    }

    /// Sends up to `missing` along the path and gives what went.
    fn augment(&self, sent: &mut Sent, class: usize, path: &Path, missing: i64) -> i64 {
        let mut amount = missing.min(sent.spare[path.bucket]);
        self.walk(class, path, |_, back| {
            if let Some(back) = back {
                amount = amount.min(sent.carried[back]);
            }
        });
        assert!(amount > 0, "an augmenting path carries something");
        sent.spare[path.bucket] -= amount;
        let carried = &mut sent.carried;
        self.walk(class, path, |link, back| {
            carried[link] += amount;
            if let Some(back) = back {
                carried[back] -= amount;
            }
        });
        amount
    }

    /// Visits the links of a path from its bucket back to its class: each takes more, and the one behind it less.
    fn walk(&self, class: usize, path: &Path, mut visit: impl FnMut(usize, Option<usize>)) {
        let mut bucket = path.bucket;
        for _ in 0..FLOW_CLASSES_MAX {
            let link = usize::from(path.bucket_via[bucket]);
            let taker = usize::from(self.link_class[link]);
            if taker == class {
                visit(link, None);
                return;
            }
            let back = usize::from(path.class_via[taker]);
            visit(link, Some(back));
            bucket = usize::from(self.link_bucket[back]);
        }
        unreachable!("a path visits no class twice")
    }
}

/// How a search reached every class and bucket, and the bucket where it ended.
struct Path {
    bucket: usize,
    class_via: [u16; FLOW_CLASSES_MAX],
    bucket_via: [u16; FLOW_BUCKETS_MAX],
}

/// A flow under construction, on the call stack: an answer allocates nothing.
struct Sent {
    carried: [i64; FLOW_LINKS_MAX],
    spare: [i64; FLOW_BUCKETS_MAX],
}

impl Sent {
    fn none(goods: &[i64]) -> Self {
        let mut sent = Self { carried: [0; FLOW_LINKS_MAX], spare: [0; FLOW_BUCKETS_MAX] };
        sent.spare[..goods.len()].copy_from_slice(goods);
        sent
    }

    fn copy_from(&mut self, other: &Self, links: usize, buckets: usize) {
        self.carried[..links].copy_from_slice(&other.carried[..links]);
        self.spare[..buckets].copy_from_slice(&other.spare[..buckets]);
    }
}
