//! A group: connected stocks and sources, reduced to classes and buckets, and the form that is chosen for
//! it.
//!
//! It contains everything about a group that does not depend on a SKU. It does NOT contain quantities (see
//! `pool`).
//!
//! The choice of the form: up to 4 classes use subsets, because 16 sums in two cache lines are faster than
//! any other structure. Above that, nested source sets use the tree, whose size grows with the number of
//! nodes. Groups that are not nested use subsets up to 6 classes (64 sums). All others use flow, which is
//! exact for everything but computes on demand, so links keep such groups small.
#![expect(clippy::arithmetic_side_effects, reason = "counts of at most GROUP_LINKS_MAX members")]

use std::collections::BTreeMap;

use super::flow::{Buckets, Flow};
use super::subsets::Subsets;
use super::tree::Tree;
use super::{GROUP_LINKS_MAX, GROUP_MEMBERS_MAX, GroupTooLarge, SUBSET_CLASSES_MAX, Sharing, at, short};

/// Up to this many classes, subsets are cheaper than a tree.
const SUBSET_CLASSES_CHEAP: usize = 4;

/// The form in which a group is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One class of stocks: goods minus promises.
    Single,
    /// The slack of every subset of classes is kept.
    Subsets,
    /// Nested source sets: the load of every node is kept.
    Tree,
    /// Max-flow, computed on demand.
    Flow,
    /// The plain sum of every stock ([`Sharing::Independent`]).
    Independent,
}

/// The prepared structure of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    Single,
    Subsets(Subsets),
    Tree(Tree),
    Flow(Flow),
    Independent,
}

/// One group. If two groups are equal, pools of one are valid for the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    stocks: Box<[u32]>,
    sources: Box<[u32]>,
    sharing: Sharing,
    /// Classes are numbered in the order of their first stock. If no stocks are merged, this is the
    /// identity.
    class_of_stock: Box<[u16]>,
    first_stock_of_class: Box<[u16]>,
    /// Classes that sell from a source: those of source s are
    /// `source_classes[source_starts[s]..source_starts[s + 1]]`.
    source_starts: Box<[u32]>,
    source_classes: Box<[u16]>,
    plan: Plan,
}

impl Group {
    /// Builds a group of connected, sorted stocks from its sorted links.
    pub(super) fn build(
        stocks: &[u32],
        links: &[(u32, u32)],
        sharing: Sharing,
        forced: Option<Form>,
    ) -> Result<Self, GroupTooLarge> {
        let stock = stocks[0];
        let mut sources: Vec<u32> = links.iter().map(|&(_, source)| source).collect();
        sources.sort_unstable();
        sources.dedup();
        if stocks.len() > GROUP_MEMBERS_MAX {
            return Err(GroupTooLarge::Stocks { stock, count: stocks.len() });
        }
        if sources.len() > GROUP_MEMBERS_MAX {
            return Err(GroupTooLarge::Sources { stock, count: sources.len() });
        }
        if links.len() > GROUP_LINKS_MAX {
            return Err(GroupTooLarge::Links { stock, count: links.len() });
        }
        let classes = Classes::of(stocks, &sources, links);
        let (source_starts, source_classes) = classes.by_source(sources.len());
        let mut group = Self {
            stocks: stocks.into(),
            sources: sources.into(),
            sharing,
            class_of_stock: classes.class_of_stock.into(),
            first_stock_of_class: classes.first_stock.into(),
            source_starts: source_starts.into(),
            source_classes: source_classes.into(),
            plan: Plan::Single,
        };
        group.plan = match sharing {
            Sharing::Independent => Plan::Independent,
            Sharing::Exact => group.choose(&classes.sets, forced),
        };
        Ok(group)
    }

    /// Chooses the cheapest exact form, or the forced one if the structure of the group allows it.
    fn choose(&self, sets: &[Vec<u16>], forced: Option<Form>) -> Plan {
        let classes = sets.len();
        let is_allowed = |form: Form| forced.is_none_or(|forced| forced == form);
        if classes == 1 && is_allowed(Form::Single) {
            return Plan::Single;
        }
        let subset_classes_max =
            if forced == Some(Form::Subsets) { SUBSET_CLASSES_MAX } else { SUBSET_CLASSES_CHEAP };
        if classes <= subset_classes_max && is_allowed(Form::Subsets) {
            return Plan::Subsets(Subsets::build(
                classes,
                (0..self.sources.len()).map(|source| self.classes_of_source(source)),
            ));
        }
        if is_allowed(Form::Tree)
            && let Some(tree) = Tree::build(sets, self.sources.len())
        {
            return Plan::Tree(tree);
        }
        if classes <= SUBSET_CLASSES_MAX && forced != Some(Form::Flow) {
            return Plan::Subsets(Subsets::build(
                classes,
                (0..self.sources.len()).map(|source| self.classes_of_source(source)),
            ));
        }
        Plan::Flow(Flow::build(classes, &Buckets::of(self)))
    }

    /// Checks that a link may result in this group. An unlink always may.
    pub(super) fn check(&self) -> Result<(), GroupTooLarge> {
        match &self.plan {
            Plan::Flow(flow) => flow.check(self.stocks[0]),
            Plan::Single | Plan::Subsets(_) | Plan::Tree(_) | Plan::Independent => Ok(()),
        }
    }

    /// The stocks' ids, sorted.
    pub fn stocks(&self) -> &[u32] {
        &self.stocks
    }

    /// The sources' ids, sorted.
    pub fn sources(&self) -> &[u32] {
        &self.sources
    }

    /// The form in which this group is computed.
    pub fn form(&self) -> Form {
        match self.plan {
            Plan::Single => Form::Single,
            Plan::Subsets(_) => Form::Subsets,
            Plan::Tree(_) => Form::Tree,
            Plan::Flow(_) => Form::Flow,
            Plan::Independent => Form::Independent,
        }
    }

    /// Whether promises of the stocks of this group limit each other.
    pub fn sharing(&self) -> Sharing {
        self.sharing
    }

    pub(super) fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(super) fn class_count(&self) -> usize {
        self.first_stock_of_class.len()
    }

    pub(super) fn class_of(&self, stock_index: u32) -> usize {
        usize::from(self.class_of_stock[at(stock_index)])
    }

    pub(super) fn class_of_stock(&self) -> &[u16] {
        &self.class_of_stock
    }

    pub(super) fn first_stock_of_class(&self) -> &[u16] {
        &self.first_stock_of_class
    }

    /// Whether there are stocks with equal source sets.
    pub(super) fn is_merged(&self) -> bool {
        self.first_stock_of_class.len() < self.stocks.len()
    }

    /// Whether the group has one stock only, whose pool needs no heap memory.
    pub(super) fn is_inline(&self) -> bool {
        match self.plan {
            Plan::Single | Plan::Independent => self.stocks.len() == 1,
            Plan::Subsets(_) | Plan::Tree(_) | Plan::Flow(_) => false,
        }
    }

    /// The classes that sell from a source, sorted.
    pub(super) fn classes_of_source(&self, source: usize) -> &[u16] {
        &self.source_classes[at(self.source_starts[source])..at(self.source_starts[source + 1])]
    }
}

/// Stocks with equal source sets, merged.
struct Classes {
    class_of_stock: Vec<u16>,
    first_stock: Vec<u16>,
    /// The sorted source indexes of every class.
    sets: Vec<Vec<u16>>,
}

impl Classes {
    fn of(stocks: &[u32], sources: &[u32], links: &[(u32, u32)]) -> Self {
        let mut class_of_set: BTreeMap<Vec<u16>, u16> = BTreeMap::new();
        let mut classes = Self { class_of_stock: Vec::new(), first_stock: Vec::new(), sets: Vec::new() };
        let mut links = links.iter().peekable();
        for (index, &stock) in stocks.iter().enumerate() {
            let mut set = Vec::new();
            while let Some(&(_, source)) = links.next_if(|link| link.0 == stock) {
                set.push(short(sources.partition_point(|&other| other < source)));
            }
            let next = short(classes.sets.len());
            let class = *class_of_set.entry(set.clone()).or_insert(next);
            if class == next {
                classes.first_stock.push(short(index));
                classes.sets.push(set);
            }
            classes.class_of_stock.push(class);
        }
        classes
    }

    /// The classes of every source, as starts and one flat list.
    fn by_source(&self, sources: usize) -> (Vec<u32>, Vec<u16>) {
        let mut lists: Vec<Vec<u16>> = vec![Vec::new(); sources];
        for (class, set) in self.sets.iter().enumerate() {
            for &source in set {
                lists[usize::from(source)].push(short(class));
            }
        }
        let mut starts = vec![0_u32];
        let mut flat = Vec::new();
        for list in lists {
            flat.extend(list);
            let Ok(end) = u32::try_from(flat.len()) else {
                unreachable!("a group has at most GROUP_LINKS_MAX links")
            };
            starts.push(end);
        }
        (starts, flat)
    }
}

impl Buckets {
    fn of(group: &Group) -> Self {
        let mut bucket_of_set: BTreeMap<&[u16], u16> = BTreeMap::new();
        let mut buckets = Self { bucket_of_source: Vec::new(), classes: Vec::new() };
        for source in 0..group.sources.len() {
            let set = group.classes_of_source(source);
            let next = short(buckets.classes.len());
            let bucket = *bucket_of_set.entry(set).or_insert(next);
            if bucket == next {
                buckets.classes.push(set.to_vec());
            }
            buckets.bucket_of_source.push(bucket);
        }
        buckets
    }
}
