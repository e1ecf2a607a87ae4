//! Tree form: nested source sets of any depth, such as one web shop over hundreds of shops that each have
//! their own point of sale.
//!
//! It is for groups in which the source sets of any two classes are disjoint, or one contains the other. It
//! is NOT for sets that overlap partly: [`Tree::build`] returns `None` for those.
//!
//! A node is a class. Its children are the largest classes within it. The goods that a subtree can use are
//! load(v) = min(cap(v), promised(v) + Σ load(child)). The promises that this minimum cuts off are short.
//! left(t) is computed by removing the promises of t, finding the tightest cap on the path to the root, and
//! subtracting the promises again.
//!
//! Cells: `[0]` the promises that are cut off in the whole tree; then for each node cap and inflow =
//! promised(v) + Σ load(child).
#![expect(
    clippy::arithmetic_side_effects,
    reason = "nodes number at most GROUP_MEMBERS_MAX; sums are bounded by the assertions of the parent module"
)]

use super::class_sets::ClassSets;
use super::short;

/// No class: the parent of the root, and the home of a source that no class has.
const NONE: u16 = u16::MAX;

/// The nodes of the tree. A node has the number of its class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tree {
    parents: Box<[u16]>,
    /// All nodes, parents before children.
    top_down: Box<[u16]>,
    /// The smallest class that sells from a source.
    home_of_source: Box<[u16]>,
}

/// Cells of one node.
struct Node {
    cap: usize,
    inflow: usize,
}

const fn node(class: usize) -> Node {
    Node { cap: 1 + 2 * class, inflow: 2 + 2 * class }
}

impl Tree {
    /// The tree of these source sets, or `None` if they are not nested.
    pub(super) fn build(sets: &[Vec<u16>], sources: usize) -> Option<Self> {
        let mut top_down: Vec<u16> = (0..sets.len()).map(short).collect();
        top_down.sort_by_key(|&class| std::cmp::Reverse(sets[usize::from(class)].len()));
        let mut parents = vec![NONE; sets.len()];
        let mut homes = vec![NONE; sources];
        // Larger sets come first. So if the sets are nested, all sources of a set have the same home when
        // it is inserted.
        for &class in &top_down {
            let set = &sets[usize::from(class)];
            let parent = set.first().map_or(NONE, |&source| homes[usize::from(source)]);
            for &source in set {
                let home = std::mem::replace(&mut homes[usize::from(source)], class);
                if home != parent {
                    return None;
                }
            }
            parents[usize::from(class)] = parent;
        }
        let roots = parents.iter().filter(|&&parent| parent == NONE).count();
        assert!(roots == 1, "connected nested sets have one largest");
        Some(Self { parents: parents.into(), top_down: top_down.into(), home_of_source: homes.into() })
    }

    pub(super) fn cell_count(&self) -> usize {
        1 + 2 * self.parents.len()
    }

    fn parent(&self, class: usize) -> Option<usize> {
        let parent = self.parents[class];
        (parent != NONE).then(|| usize::from(parent))
    }

    /// Adds goods at a source to every node above it.
    pub(super) fn add_capacity(&self, cells: &mut [i64], source: usize, delta: i64) {
        let mut rise = 0;
        let mut next = Some(usize::from(self.home_of_source[source]));
        while let Some(class) = next {
            rise = raise(cells, class, delta, rise);
            next = self.parent(class);
        }
    }

    /// Adds promises at a node. It stops at the node whose cap absorbs them.
    pub(super) fn add_promise(&self, cells: &mut [i64], class: usize, delta: i64) {
        let mut rise = delta;
        let mut next = Some(class);
        while let Some(class) = next
            && rise != 0
        {
            rise = raise(cells, class, 0, rise);
            next = self.parent(class);
        }
    }

    /// left(t) for one class.
    pub(super) fn left(&self, cells: &[i64], promised: i64, class: usize) -> i64 {
        let mut least = i64::MAX;
        let mut removed = promised;
        let mut next = Some(class);
        while let Some(class) = next {
            let cap = cells[node(class).cap];
            let inflow = cells[node(class).inflow];
            let load = cap.min(inflow - removed);
            removed = cap.min(inflow) - load;
            least = least.min(cap - load);
            next = self.parent(class);
        }
        least - promised
    }

    /// The smallest sets of classes with the least slack, with this class and without it. A set consists of whole
    /// subtrees whose cap cuts promises off, and, if it contains the class, of the subtree with the tightest cap above it.
    pub(super) fn binding(&self, cells: &[i64], promised: &[i64], class: usize) -> ClassSets {
        let is_cut =
            |class: usize, removed: i64| cells[node(class).inflow] - removed > cells[node(class).cap];
        let mut cut: Vec<bool> = (0..self.parents.len()).map(|class| is_cut(class, 0)).collect();
        let (mut top, mut least, mut removed) = (class, i64::MAX, promised[class]);
        let mut next = Some(class);
        while let Some(class) = next {
            let (cap, inflow) = (cells[node(class).cap], cells[node(class).inflow]);
            cut[class] = is_cut(class, removed);
            let load = cap.min(inflow - removed);
            if cut[class] || cap - load < least {
                (top, least) = (class, cap - load);
            }
            removed = cap.min(inflow) - load;
            next = self.parent(class);
        }
        let mut sets = ClassSets { with: vec![false; cut.len()], without: vec![false; cut.len()] };
        for &class in &self.top_down {
            let class = usize::from(class);
            let above = |set: &[bool]| self.parent(class).is_some_and(|parent| set[parent]);
            sets.with[class] = class == top || cut[class] || above(&sets.with);
            sets.without[class] = cut[class] || above(&sets.without);
        }
        sets.without[class] = false;
        sets
    }

    /// Writes left(t) of every class into `out[first_stock[class]]`. Without shortfall no cap cuts anything
    /// off, so what a node has left is the minimum of its own and its parent's: one pass from the root.
    pub(super) fn left_all(&self, cells: &[i64], promised: &[i64], first_stock: &[u16], out: &mut [i64]) {
        for &class in &self.top_down {
            let class = usize::from(class);
            let left = if cells[0] == 0 {
                let own = cells[node(class).cap] - cells[node(class).inflow];
                self.parent(class).map_or(own, |parent| own.min(out[usize::from(first_stock[parent])]))
            } else {
                self.left(cells, promised[class], class)
            };
            out[usize::from(first_stock[class])] = left;
        }
    }

    /// The quantity by which the promises exceed the goods: short(0).
    pub(super) fn short(cells: &[i64]) -> i64 {
        cells[0]
    }

    /// Like `short`, with `asked[class]` instead of the promises.
    pub(super) fn short_of(&self, cells: &[i64], asked: &[i64]) -> i64 {
        let mut inflows = asked.to_vec();
        let mut short = 0;
        for &class in self.top_down.iter().rev() {
            let class = usize::from(class);
            let load = inflows[class].min(cells[node(class).cap]);
            short += inflows[class] - load;
            if let Some(parent) = self.parent(class) {
                inflows[parent] += load;
            }
        }
        short
    }
}

/// Increases cap and inflow of one node, updates the sum of what is cut off, and returns the increase of
/// its load.
fn raise(cells: &mut [i64], class: usize, cap_delta: i64, inflow_delta: i64) -> i64 {
    let Node { cap, inflow } = node(class);
    let load_before = cells[cap].min(cells[inflow]);
    let cut_before = cells[inflow] - load_before;
    cells[cap] += cap_delta;
    cells[inflow] += inflow_delta;
    let load_after = cells[cap].min(cells[inflow]);
    cells[0] += cells[inflow] - load_after - cut_before;
    load_after - load_before
}
