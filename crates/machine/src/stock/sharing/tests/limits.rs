//! Tests each limit of a group at limit minus one, limit and limit plus one, and which form a group gets.

use super::super::{
    FLOW_BUCKETS_MAX, FLOW_CLASSES_MAX, FLOW_LINKS_MAX, Form, GROUP_LINKS_MAX, GROUP_MEMBERS_MAX,
    GroupTooLarge, Layout, Sharing,
};
use super::id;

fn form(links: impl IntoIterator<Item = (u32, u32)>) -> Result<Form, GroupTooLarge> {
    let layout = Layout::build([], links, Sharing::Exact)?;
    assert_eq!(layout.group_count(), 1);
    layout.check_all()?;
    Ok(layout.group(0).form())
}

/// Every stock has its own source and its neighbour's: nothing is nested.
fn ring(stocks: u32) -> impl Iterator<Item = (u32, u32)> {
    (0..stocks).flat_map(move |stock| [(stock, stock), (stock, (stock + 1) % stocks)])
}

#[test]
fn forms_by_structure() {
    // Proves the choice of the form: one class, few classes, nested, few classes again, and all others.
    assert_eq!(form([(0, 0)]), Ok(Form::Single));
    assert_eq!(form((0..9).flat_map(|stock| [(stock, 0), (stock, 1)])), Ok(Form::Single));
    assert_eq!(form(ring(4)), Ok(Form::Subsets));
    assert_eq!(form((0..4).flat_map(|source| [(0, source), (source + 1, source)])), Ok(Form::Tree));
    assert_eq!(form(ring(6)), Ok(Form::Subsets));
    assert_eq!(form(ring(7)), Ok(Form::Flow));
    let independent = Layout::build([], ring(7), Sharing::Independent).unwrap();
    assert_eq!(independent.group(0).form(), Form::Independent);
}

#[test]
fn members_of_a_group() {
    // Proves the limits of stocks, sources and links in any group, and that the refusal names the group and
    // count.
    let members = id(GROUP_MEMBERS_MAX);
    for stocks in [members - 1, members] {
        assert_eq!(form((0..stocks).map(|stock| (stock, 0))), Ok(Form::Single));
        assert_eq!(form((0..stocks).map(|source| (0, source))), Ok(Form::Single));
    }
    let count = GROUP_MEMBERS_MAX + 1;
    assert_eq!(form((0..=members).map(|stock| (stock, 0))), Err(GroupTooLarge::Stocks { stock: 0, count }));
    assert_eq!(
        form((0..=members).map(|source| (0, source))),
        Err(GroupTooLarge::Sources { stock: 0, count })
    );
    let rows = id(GROUP_LINKS_MAX) / members;
    let full = || (0..rows).flat_map(|stock| (0..members).map(move |source| (stock, source)));
    assert_eq!(form(full().skip(1)), Ok(Form::Subsets));
    assert_eq!(form(full()), Ok(Form::Single));
    let count = GROUP_LINKS_MAX + 1;
    assert_eq!(form(full().chain([(rows, 0)])), Err(GroupTooLarge::Links { stock: 0, count }));
}

#[test]
fn classes_of_a_flow_group() {
    // Proves the limit of classes that are not nested, and that the error reports this limit.
    let classes = id(FLOW_CLASSES_MAX);
    assert_eq!(form(ring(classes - 1)), Ok(Form::Flow));
    assert_eq!(form(ring(classes)), Ok(Form::Flow));
    let refused = form(ring(classes + 1)).unwrap_err();
    let (classes, buckets) = (FLOW_CLASSES_MAX + 1, FLOW_CLASSES_MAX + 1);
    assert_eq!(refused, GroupTooLarge::Flow { stock: 0, classes, buckets, links: 2 * buckets });
    assert!(refused.to_string().contains("33 different stocks"), "{refused}");
}

#[test]
fn buckets_of_a_flow_group() {
    // Proves the limit of different sources: one for every pair of stocks, in the order of the distance.
    let stocks = id(FLOW_CLASSES_MAX);
    let pairs: Vec<(u32, u32)> = (1..stocks / 2)
        .flat_map(|distance| (0..stocks).map(move |stock| (stock, (stock + distance) % stocks)))
        .collect();
    let build = |buckets: usize| {
        form(
            pairs[..buckets]
                .iter()
                .zip(0_u32..)
                .flat_map(|(&(one, other), source)| [(one, source), (other, source)]),
        )
    };
    assert_eq!(build(FLOW_BUCKETS_MAX - 1), Ok(Form::Flow));
    assert_eq!(build(FLOW_BUCKETS_MAX), Ok(Form::Flow));
    let (classes, buckets) = (FLOW_CLASSES_MAX, FLOW_BUCKETS_MAX + 1);
    assert_eq!(build(buckets), Err(GroupTooLarge::Flow { stock: 0, classes, buckets, links: 2 * buckets }));
}

#[test]
fn links_of_a_flow_group() {
    // Proves the limit of links: 256 sources with eight stocks each, and one more or less at the last of
    // them.
    let stocks = id(FLOW_CLASSES_MAX);
    let per_source = FLOW_LINKS_MAX / FLOW_BUCKETS_MAX;
    // Source s starts at stock s mod 32 and skips one of eight different gaps, so no two sources have equal
    // stocks.
    let members = |source: u32, count: usize| {
        let pattern = source / stocks;
        let skip = pattern + 1;
        (0..id(count)).map(move |step| {
            let offset = if step < skip { step } else { step + pattern * 2 + 1 };
            ((source + offset) % stocks, source)
        })
    };
    let build = |last: usize| {
        let sources = id(FLOW_BUCKETS_MAX);
        let full = (0..sources - 1).flat_map(|source| members(source, per_source));
        form(full.chain(members(sources - 1, last)))
    };
    assert_eq!(build(per_source - 1), Ok(Form::Flow));
    assert_eq!(build(per_source), Ok(Form::Flow));
    let refused = build(per_source + 1);
    let (classes, buckets, links) = (FLOW_CLASSES_MAX, FLOW_BUCKETS_MAX, FLOW_LINKS_MAX + 1);
    assert_eq!(refused, Err(GroupTooLarge::Flow { stock: 0, classes, buckets, links }));
}
