//! Lists of reservations: which ones match, in which order, and what commands between the steps of a scan change.

use super::reserving::SHARED;
use super::script::{Script, run};
use stockhold_machine::Machine;
use stockhold_protocol::query::{ReservationFilter, ReservationState, ReservationsView};
use stockhold_protocol::{SkuId, StockId};

const ALL: ReservationFilter = ReservationFilter {
    sku: None,
    stock: None,
    states: 0,
    is_promised: false,
    owner: None,
    older_than_ms: 0,
};

fn scan(
    machine: &Machine,
    filter: ReservationFilter,
    after: u64,
    limit: u32,
    budget: u32,
) -> ReservationsView {
    let mut scan = machine.begin_reservation_scan(filter, after, limit);
    loop {
        if let Some(view) = machine.reservation_scan_step(&mut scan, budget) {
            return view;
        }
    }
}

/// The names of the reservations that match, in the order of the list, with the number and the promised units of all.
fn found(script: &Script, filter: ReservationFilter) -> String {
    let view = scan(&script.machines.plain, filter, 0, 1_000, 3);
    format!("{} {}/{}", names(script, &view), view.matched, view.promised)
}

fn names(script: &Script, view: &ReservationsView) -> String {
    let name_of = |id: [u8; 16]| {
        let known = script.ids.iter().find(|(_, known)| known.to_bytes() == id);
        known.map_or_else(|| "?".to_owned(), |(name, _)| name.clone())
    };
    view.reservations.iter().map(|view| name_of(view.id)).collect::<Vec<_>>().join(" ")
}

fn shop() -> Script {
    let mut script = run(SHARED);
    script.go("
        sku HELM
        count A2 HELM 50
        reserve a WEB 1xBIKE owner=7
        reserve b POS 2xBIKE 3xHELM ttl=60s
        reserve c WEB 4xHELM
        reserve d POS 5xBIKE ttl=10m
        confirm d
        release a
        time +61s
        reserve e WEB 1xBIKE ttl=60s
        ship d A1 2xBIKE
    ");
    script
}

#[test]
fn each_filter_leaves_what_matches() {
    // Proves every filter, alone and with others, against the states that the lines above lead to.
    let script = shop();
    assert_eq!(found(&script, ALL), "a b c d e 5/8");
    let (bike, helm) = (Some(SkuId(script.sku("BIKE"))), Some(SkuId(script.sku("HELM"))));
    assert_eq!(found(&script, ReservationFilter { sku: bike, ..ALL }), "a b d e 4/4");
    assert_eq!(found(&script, ReservationFilter { sku: helm, ..ALL }), "b c 2/4");
    let web = Some(StockId(script.stock("WEB")));
    assert_eq!(found(&script, ReservationFilter { stock: web, ..ALL }), "a c e 3/5");
    assert_eq!(found(&script, ReservationFilter { owner: Some(7), ..ALL }), "a 1/0");
    assert_eq!(found(&script, ReservationFilter { owner: Some(0), ..ALL }), "b c d e 4/8");
    assert_eq!(found(&script, ReservationFilter { older_than_ms: 60_000, ..ALL }), "a b c d 4/7");
    assert_eq!(found(&script, ReservationFilter { older_than_ms: 62_000, ..ALL }), " 0/0");
    for (state, expected) in [
        (ReservationState::Held, "e 1/1"),
        (ReservationState::Confirmed, "c d 2/7"),
        (ReservationState::Expired, "b 1/0"),
        (ReservationState::Released, "a 1/0"),
        (ReservationState::Shipped, " 0/0"),
        (ReservationState::Replaced, " 0/0"),
    ] {
        let states = ReservationFilter::bit(state);
        assert_eq!(found(&script, ReservationFilter { states, ..ALL }), expected, "{state:?}");
    }
    assert_eq!(found(&script, ReservationFilter { is_promised: true, ..ALL }), "c d e 3/8");
    assert_eq!(found(&script, ReservationFilter { is_promised: true, sku: bike, ..ALL }), "d e 2/4");
}

#[test]
fn pages_follow_each_other_from_the_oldest() {
    // Proves the cursor and the limits: every reservation is in exactly one page, whatever the budget of a step.
    let mut script = shop();
    for number in 0..40 {
        script.go(&format!("reserve r{number} WEB 1xHELM"));
    }
    for (limit, budget) in [(1, 1), (7, 2), (1_000, 1_000), (u32::MAX, 7), (0, 3)] {
        let (mut after, mut all) = (0, Vec::new());
        loop {
            let view = scan(&script.machines.plain, ALL, after, limit, budget);
            assert_eq!(usize::try_from(view.matched).unwrap(), 45 - all.len());
            let Some(last) = view.reservations.last() else { break };
            after = last.op;
            assert!(view.reservations.len() <= limit.clamp(1, 1_000) as usize);
            all.extend(view.reservations.iter().map(|view| view.op));
        }
        assert!(all.is_sorted());
        assert_eq!(all.len(), 45);
    }
}

#[test]
fn reservations_of_many_lines_make_short_pages() {
    // Proves that the bytes of an answer are bounded by the lines of its reservations.
    let mut script = run(SHARED);
    let mut lines = String::new();
    for sku in 0..100 {
        script.go(&format!("sku S{sku}\ncount A2 S{sku} 100"));
        lines.extend([" 1xS", &sku.to_string()]);
    }
    for number in 0..50 {
        script.go(&format!("reserve r{number} WEB{lines}"));
    }
    let view = scan(&script.machines.plain, ALL, 0, 1_000, 64);
    assert_eq!((view.matched, view.reservations.len()), (50, 41), "4,096 lines and the rest of the last one");
}

#[test]
fn what_changes_during_a_scan_is_seen_as_it_is_then() {
    // Proves that a reservation made meanwhile is not listed, that one that ceases to match is not shown although it was
    // counted, and that the slot of an erased one is not taken for it.
    let mut script = shop();
    let filter = ReservationFilter { is_promised: true, ..ALL };
    let mut steps = script.machines.plain.begin_reservation_scan(filter, 0, 1_000);
    assert_eq!(script.machines.plain.reservation_scan_step(&mut steps, 6), None);
    script.go("reserve f WEB 1xHELM\nrelease c");
    let view = loop {
        if let Some(view) = script.machines.plain.reservation_scan_step(&mut steps, 1) {
            break view;
        }
    };
    assert_eq!(names(&script, &view), "d e");
    assert_eq!(view.matched, 3, "c was counted when it was visited");
}
