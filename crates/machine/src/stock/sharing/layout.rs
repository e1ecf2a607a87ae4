//! The layout: the structure of all links. It says which stocks are connected through shared sources, and
//! the group and index of each stock and source.
//!
//! It also determines which groups did not change when links changed. It does NOT contain quantities: those
//! are in the pools, one per SKU and group.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "indexes into slices of at most GROUP_MEMBERS_MAX or IDS_MAX entries"
)]

use super::{Form, Group, GroupTooLarge, IDS_MAX, InGroup, Sharing, at};

/// Groups of connected stocks, ordered by their lowest stock id, and the group and index of every stock and
/// source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    groups: Vec<Group>,
    stock_in_group: Vec<Option<InGroup>>,
    source_in_group: Vec<Option<InGroup>>,
}

impl Layout {
    /// Builds the layout. A stock without links is a group of its own. A source without links is in no
    /// group. The order of `stocks` and `links` does not matter, and duplicates are ignored.
    ///
    /// # Errors
    /// [`GroupTooLarge`] if a group has too many members or links. In this case the newest link must be
    /// refused. [`Layout::check`] checks the limits of the flow form, because an unlink may exceed them.
    pub fn build(
        stocks: impl IntoIterator<Item = u32>,
        links: impl IntoIterator<Item = (u32, u32)>,
        sharing: Sharing,
    ) -> Result<Self, GroupTooLarge> {
        Self::build_as(stocks, links, sharing, None)
    }

    /// Like [`Layout::build`], but with a forced form for every group where possible. Tests use it to
    /// compare forms.
    pub(super) fn build_as(
        stocks: impl IntoIterator<Item = u32>,
        links: impl IntoIterator<Item = (u32, u32)>,
        sharing: Sharing,
        forced: Option<Form>,
    ) -> Result<Self, GroupTooLarge> {
        let mut links: Vec<(u32, u32)> = links.into_iter().collect();
        links.sort_unstable();
        links.dedup();
        let mut stocks: Vec<u32> = stocks.into_iter().chain(links.iter().map(|&(stock, _)| stock)).collect();
        stocks.sort_unstable();
        stocks.dedup();

        let mut layout = Self { groups: Vec::new(), stock_in_group: Vec::new(), source_in_group: Vec::new() };
        for members in connect(&stocks, &links) {
            let group = Group::build(&members.stocks, &members.links, sharing, forced)?;
            let Ok(number) = u32::try_from(layout.groups.len()) else {
                unreachable!("there are at most as many groups as stock ids")
            };
            set_members(&mut layout.stock_in_group, group.stocks(), number);
            set_members(&mut layout.source_in_group, group.sources(), number);
            layout.groups.push(group);
        }
        Ok(layout)
    }

    /// Checks that a new link may result in the present group of this stock.
    ///
    /// # Errors
    /// [`GroupTooLarge`] if the group is computed as a flow and exceeds the limits of that form.
    pub fn check(&self, stock: u32) -> Result<(), GroupTooLarge> {
        self.stock_in_group(stock).map_or(Ok(()), |place| self.group(place.group).check())
    }

    /// Checks that links may result in the present groups.
    ///
    /// # Errors
    /// As [`Layout::check`].
    pub fn check_all(&self) -> Result<(), GroupTooLarge> {
        self.groups.iter().try_for_each(Group::check)
    }

    /// The group and index of this stock; `None` for a stock that the layout does not contain.
    pub fn stock_in_group(&self, stock: u32) -> Option<InGroup> {
        self.stock_in_group.get(at(stock)).copied().flatten()
    }

    /// The group and index of this source; `None` if no stock is linked to it.
    pub fn source_in_group(&self, source: u32) -> Option<InGroup> {
        self.source_in_group.get(at(source)).copied().flatten()
    }

    /// The group with this number.
    pub fn group(&self, group: u32) -> &Group {
        &self.groups[at(group)]
    }

    /// How many groups there are.
    pub fn group_count(&self) -> usize {
        self.groups.len()
    }

    /// All groups in the order of their numbers.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// For every group of this layout, the number of the identical group in `old`, whose pools stay valid.
    /// `None` means that the group is new or changed, and its pools must be filled again.
    pub fn unchanged_since(&self, old: &Self) -> Vec<Option<u32>> {
        let same = |group: &Group| {
            let number = old.stock_in_group(*group.stocks().first()?)?.group;
            (old.group(number) == group).then_some(number)
        };
        self.groups.iter().map(same).collect()
    }
}

/// The stocks of one group and its links, both sorted.
struct Members {
    stocks: Vec<u32>,
    links: Vec<(u32, u32)>,
}

/// Splits sorted stocks and links into connected groups, in the order of their lowest stock.
fn connect(stocks: &[u32], links: &[(u32, u32)]) -> Vec<Members> {
    let position = |stock: u32| {
        let Ok(position) = stocks.binary_search(&stock) else {
            unreachable!("every linked stock is in the list of stocks")
        };
        position
    };
    let mut parents: Vec<usize> = (0..stocks.len()).collect();
    let mut by_source: Vec<(u32, u32)> = links.iter().map(|&(stock, source)| (source, stock)).collect();
    by_source.sort_unstable();
    for pair in by_source.windows(2) {
        if pair[0].0 == pair[1].0 {
            let first = root(&mut parents, position(pair[0].1));
            let second = root(&mut parents, position(pair[1].1));
            // The lowest position is the root, so the order of the groups is fixed.
            parents[first.max(second)] = first.min(second);
        }
    }
    let mut groups: Vec<Members> = Vec::new();
    let mut group_of: Vec<usize> = Vec::with_capacity(stocks.len());
    for (index, &stock) in stocks.iter().enumerate() {
        let lowest = root(&mut parents, index);
        if lowest == index {
            group_of.push(groups.len());
            groups.push(Members { stocks: vec![stock], links: Vec::new() });
        } else {
            let group = group_of[lowest];
            group_of.push(group);
            groups[group].stocks.push(stock);
        }
    }
    for &(stock, source) in links {
        groups[group_of[position(stock)]].links.push((stock, source));
    }
    groups
}

/// The root of a position. It halves the path on the way.
fn root(parents: &mut [usize], mut position: usize) -> usize {
    while parents[position] != position {
        parents[position] = parents[parents[position]];
        position = parents[position];
    }
    position
}

fn set_members(in_group: &mut Vec<Option<InGroup>>, ids: &[u32], group: u32) {
    for (&id, index) in ids.iter().zip(0_u32..) {
        assert!(id < IDS_MAX, "stock and source ids are dense");
        if in_group.len() <= at(id) {
            in_group.resize(at(id) + 1, None);
        }
        in_group[at(id)] = Some(InGroup { group, index });
    }
}
