//! The commands that change many source items: their words in a scenario, and their rules.

use super::reserving::SHARED;
use super::script::{Script, lines_from, run};
use super::words::Sentence;
use stockhold_protocol::command::{Assign, CountLine, CountMany, TransferLines, TransferMany, Unassign};
use stockhold_protocol::limits::{BULK_PAIRS_MAX, OFFENDERS_MAX};
use stockhold_protocol::query::{Query, QueryAnswer};
use stockhold_protocol::{Command, Offender, Quantity, SkuId, SourceId};

fn skus(script: &Script, words: &str) -> Vec<SkuId> {
    words.split(',').map(|name| SkuId(script.sku(name))).collect()
}

fn sources(script: &Script, words: &str) -> Vec<SourceId> {
    words.split(',').map(|name| SourceId(script.source(name))).collect()
}

/// `assign SOURCES SKUS`, `unassign SOURCES SKUS`, `transfer_many FROM TO SKUS [unassign]`, `transfer_lines FROM TO LINE…`
/// and `count_many QUANTITYxSKU@SOURCE[:in|:out]…`. Names of a list are separated by commas.
pub(super) fn bulk_command(script: &Script, sentence: &Sentence) -> Command<'static> {
    let (forced, reason) = (sentence.has("forced"), String::new());
    match sentence.word(0) {
        "assign" => Command::Assign(Box::new(Assign {
            sources: sources(script, sentence.word(1)),
            skus: skus(script, sentence.word(2)),
            reason,
        })),
        "unassign" => Command::Unassign(Box::new(Unassign {
            sources: sources(script, sentence.word(1)),
            skus: skus(script, sentence.word(2)),
            forced,
            reason,
        })),
        "transfer_many" => Command::TransferMany(Box::new(TransferMany {
            from: SourceId(script.source(sentence.word(1))),
            to: SourceId(script.source(sentence.word(2))),
            skus: skus(script, sentence.word(3)),
            unassign: sentence.has("unassign"),
            forced,
            reason,
        })),
        "transfer_lines" => Command::TransferLines(Box::new(TransferLines {
            from: SourceId(script.source(sentence.word(1))),
            to: SourceId(script.source(sentence.word(2))),
            lines: lines_from(script, sentence, 3),
            forced,
            reason,
        })),
        _ => {
            let lines = sentence.words.iter().skip(1).map(|word| counted(script, word)).collect();
            Command::CountMany(Box::new(CountMany { lines, reason, reference: String::new() }))
        }
    }
}

fn counted(script: &Script, word: &str) -> CountLine {
    let (quantity, item) = word.split_once('x').unwrap_or_else(|| panic!("{word} is no count"));
    let (sku, place) = item.split_once('@').unwrap_or_else(|| panic!("{item} is no source item"));
    let (source, status) = place.split_once(':').unwrap_or((place, ""));
    CountLine {
        sku: SkuId(script.sku(sku)),
        source: SourceId(script.source(source)),
        quantity: quantity.parse().unwrap_or_else(|_| panic!("{quantity} is no quantity")),
        in_stock: (!status.is_empty()).then_some(status == "in"),
    }
}

/// An offender as `SKU@SOURCE=CODE`, with bound and value if there are any.
pub(super) fn offender_text(script: &Script, offender: &Offender) -> String {
    let Offender { sku, source, bound, value, .. } = *offender;
    let (sku, source) = (script.sku_name(sku), script.source_name(source.0));
    let quantities = if (bound, value) == (Quantity::ZERO, Quantity::ZERO) {
        String::new()
    } else {
        format!(":{bound}:{value}")
    };
    format!("{sku}@{source}={}{quantities}", offender.code().name())
}

/// A source item as `QUANTITY in|out vVERSION`, or `none`.
pub(super) fn item_text(script: &Script, source: &str, sku: &str) -> String {
    let (source, sku) = (SourceId(script.source(source)), SkuId(script.sku(sku)));
    let Some(QueryAnswer::Sku(Some(view))) = script.machines.plain.query(&Query::Sku(sku)) else {
        panic!("{sku:?} is no SKU")
    };
    view.items.iter().find(|item| item.source == source).map_or("none".to_owned(), |item| {
        format!("{} {} v{}", item.on_hand, if item.in_stock { "in" } else { "out" }, item.version)
    })
}

/// The low-stock configuration of an item: its own threshold, `inherited` or `none`.
pub(super) fn notify_text(script: &Script, source: &str, sku: &str) -> String {
    let (source, sku) = (SourceId(script.source(source)), SkuId(script.sku(sku)));
    match script.machines.plain.query(&Query::Notify { sku, source }) {
        Some(QueryAnswer::Notify(Some(view))) if view.is_set => {
            view.own.map_or_else(|| "inherited".to_owned(), |own| own.to_string())
        }
        Some(QueryAnswer::Notify(Some(_))) => "none".to_owned(),
        other => panic!("expected a configuration, got {other:?}"),
    }
}

#[test]
fn an_assignment_makes_what_is_missing() {
    // Proves that new items are empty and out of stock and begin no backorders, that others stay as they are, that
    // composite SKUs are passed over, that repetitions count once, and what is refused.
    run(SHARED).go("
        sku BELL
        sku SET composite
        count A1 BELL 3
        assign A1,A2 BELL,SET,BIKE,BELL -> ok value=1 bare
        item A1 BELL -> 3 in v1
        item A2 BELL -> 0 out v1
        item A1 SET -> none
        salable POS BELL -> 3
        salable WEB BELL -> 0
        set BELL backorders=on min_qty=-5
        salable WEB BELL -> 0
        assign A1,A2 BELL,SET,BIKE -> ok value=0
        item A2 BELL -> 0 out v1
        assign A1,#9 BELL -> unknown_name field=sources line=1 unrecorded
        assign A1 BELL,#9 -> unknown_name field=skus line=1
    ");
}

#[test]
fn a_removed_item_is_no_longer_assigned() {
    // Proves that nothing of a removed item is left, and that an item that is made again, by whatever command, never has
    // a version that it had before.
    run(SHARED).go("
        count A2 BIKE 10
        count A2 BIKE 10
        item A2 BIKE -> 10 in v3
        unassign A2 BIKE -> ok value=1 bare
        item A2 BIKE -> none
        salable WEB BIKE -> not_assigned
        salable POS BIKE -> 20
        reserve w WEB 1xBIKE -> not_assigned
        unassign A2 BIKE -> ok value=0
        count A2 BIKE 7 -> ok v=4
        unassign A2 BIKE -> ok value=1
        assign A2 BIKE -> ok value=1
        item A2 BIKE -> 0 out v5
        unassign A2 BIKE
        transfer A1 A2 1xBIKE
        item A2 BIKE -> 1 in v6
        sku BELL
        count A1 BELL 1 -> ok v=6
        unassign A1,A2 BELL,BIKE -> ok value=3
        sku BIKE composite
        sku BELL composite
    ");
}

#[test]
fn goods_that_promises_need_are_not_removed() {
    // Proves that the guard judges each SKU as a whole and names every item, that holds count until they end, and what a
    // forced removal reports.
    run(SHARED).go("
        sku BELL
        count_many 5xBELL@A1 5xBELL@A2 -> ok short=0 value=0
        reserve w WEB 4xBIKE ttl=60s
        reserve p POS 8xBELL
        unassign A2 BIKE -> needed_elsewhere offenders=1 BIKE@A2=needed_elsewhere:10:10 value=0 recorded
        unassign A1 BIKE -> ok value=1
        unassign A1,A2 BIKE,BELL -> needed_elsewhere offenders=3 BELL@A1=needed_elsewhere:5:5 BIKE@A2=needed_elsewhere:10:10
        item A1 BELL -> 5 in v1
        time +2s
        ticks 60s
        unassign A2 BIKE -> ok value=1 bare
        unassign A1,A2 BELL forced -> ok value=2 short=8
        salable POS BELL -> not_assigned
        state p -> confirmed 8xBELL
        release p
        unassign A1 BELL forced -> ok value=0 short=0
    ");
}

#[test]
fn what_supplies_nothing_can_always_be_removed() {
    // Proves that items out of stock, below zero, at a disabled source or without a stock are not guarded.
    run(SHARED).go("
        source A3
        count_many 7xBIKE@A3 0xBIKE@A1 -> ok short=0
        reserve p POS 10xBIKE
        count A2 BIKE 20
        link WEB A3
        count A3 BIKE -5
        unassign A1,A3 BIKE -> ok value=2
        count A3 BIKE 4 out
        unassign A3 BIKE -> ok value=1
        count A3 BIKE 4
        source A3 off
        unassign A3 BIKE -> ok value=1
        unassign A2 BIKE -> needed_elsewhere
    ");
}

#[test]
fn a_transfer_of_all_units_takes_the_status_along() {
    // Proves MSI's rule in each of its cases: origin present and kept, present and removed, missing, both missing.
    run("
        source A1
        source A2
        stock POS
        link POS A1
        link POS A2
        sku BIKE
        sku SET composite
        count_many 10xBIKE@A1:out 5.5xBIKE@A2
        transfer_many A1 A2 BIKE,SET,BIKE -> ok value=1 bare
        item A1 BIKE -> 0 out v2
        item A2 BIKE -> 15.5 out v2
        count A2 BIKE 3 in
        transfer_many A2 A1 BIKE unassign -> ok value=1
        item A1 BIKE -> 3 in v3
        item A2 BIKE -> none
        transfer_many A2 A1 BIKE -> ok value=0
        item A1 BIKE -> 3 in v3
        unassign A1 BIKE
        transfer_many A2 A1 BIKE -> ok value=0
        item A1 BIKE -> 0 out v4
        item A2 BIKE -> none
        transfer_many A1 #9 BIKE -> unknown_name field=to
        transfer_many #9 A1 BIKE -> unknown_name field=from
        transfer_many A1 A2 BIKE,#9 -> unknown_name field=skus line=1
        count A1 BIKE 100000000000
        count A2 BIKE 1
        transfer_many A1 A2 BIKE forced -> quantity_overflow offenders=1
    ");
}

#[test]
fn low_stock_configurations_follow_their_items() {
    // Proves that an unassign removes the configurations of its pairs, with or without an item, that a transfer of all
    // units copies one to a target that has none, or moves it with the item, and that nothing else changes them.
    run(SHARED).go("
        notify A1 BIKE 5
        unassign A2 BIKE -> ok value=1
        notify A2 BIKE 7
        unassign A2 BIKE -> ok value=0 bare
        notify_of A2 BIKE -> none
        transfer_many A2 A1 BIKE -> ok value=0
        notify_of A1 BIKE -> 5
        transfer_many A1 A2 BIKE -> ok value=1
        notify_of A1 BIKE -> 5
        notify_of A2 BIKE -> 5
        notify A2 BIKE
        transfer_many A2 A1 BIKE -> ok value=1
        notify_of A1 BIKE -> 5
        notify_of A2 BIKE -> inherited
        notify A1 BIKE none
        transfer_many A1 A2 BIKE -> ok value=1
        notify_of A2 BIKE -> inherited
        transfer_many A2 A1 BIKE unassign -> ok value=1
        notify_of A1 BIKE -> inherited
        notify_of A2 BIKE -> none
        assign A2 BIKE
        transfer_lines A1 A2 3xBIKE
        notify_of A2 BIKE -> none
        reserve p POS 20xBIKE
        unassign A1 BIKE -> needed_elsewhere
        notify_of A1 BIKE -> inherited
    ");
}

#[test]
fn a_transfer_of_all_units_is_guarded() {
    // Proves that goods do not leave the sources of a promise, that a status that hides goods counts as their loss, that
    // a target below zero is named as the reason, and that a forced transfer reports the shortfall.
    run(SHARED).go("
        reserve w WEB 4xBIKE
        transfer_many A2 A1 BIKE -> needed_elsewhere BIKE@A2=needed_elsewhere:10:10
        transfer_many A1 A2 BIKE -> ok value=1
        count_many 6xBIKE@A1:out 10xBIKE@A2:in -> ok
        transfer_many A1 A2 BIKE unassign -> needed_elsewhere offenders=1 BIKE@A2=needed_elsewhere:10:10
        release w
        reserve p POS 10xBIKE
        count_many -5xBIKE@A1:in 10xBIKE@A2:in -> ok short=0
        transfer_many A2 A1 BIKE -> source_below_zero offenders=1 BIKE@A2=source_below_zero:10:10
        transfer_many A1 A2 BIKE -> needed_elsewhere offenders=1 BIKE@A2=needed_elsewhere:10:5
        transfer_many A2 A1 BIKE forced -> ok value=1 short=5
        item A1 BIKE -> 5 in v5
    ");
}

#[test]
fn lines_are_transferred_between_items_that_exist() {
    // Proves that every line is checked before any is executed, that all offenders are named, that the target is in stock
    // afterwards and the origin keeps its status, and that force passes over promises alone.
    run(SHARED).go("
        sku BELL
        sku LOCK
        sku SET composite
        count_many 3xBELL@A1:out 1xBELL@A2:out 2xLOCK@A2
        transfer_lines A1 A2 2xBIKE 4xBELL 1xLOCK 1xSET -> not_enough_at_source offenders=3 BELL@A1=not_enough_at_source:3:4 LOCK@A1=no_source_item SET@A1=composite value=0
        item A1 BIKE -> 20 in v1
        transfer_lines A1 A2 2xBELL 1xBIKE 1xBELL -> ok value=0 bare
        item A1 BELL -> 0 out v2
        item A2 BELL -> 4 in v2
        item A2 BIKE -> 11 in v2
        reserve w WEB 10xBIKE
        transfer_lines A2 A1 2xBIKE 1xBELL -> needed_elsewhere offenders=1 BIKE@A2=needed_elsewhere:11:2
        transfer_lines A2 A1 2xBIKE 1xBELL forced -> ok short=1
        transfer_lines A2 A1 20xBIKE forced -> not_enough_at_source
        transfer_lines A1 A2 1xLOCK forced -> no_source_item
        transfer_lines A2 A1 1x#9 -> unknown_name line=0 field=sku
    ");
}

#[test]
fn many_counts_are_one_fact() {
    // Proves that all lines count or none, that each keeps or sets its status as a single count does, and what is refused.
    run(SHARED).go("
        sku BELL
        sku SET composite
        reserve w WEB 8xBIKE
        count_many 0xBIKE@A1 3xBIKE@A2 -1xBELL@A1 2xBELL@A2:out -> ok short=5
        item A2 BIKE -> 3 in v2
        item A1 BELL -> -1 out v1
        item A2 BELL -> 2 out v1
        count_many 9xBIKE@A1 1xSET@A1 1xSET@A2 -> composite offenders=2 SET@A1=composite SET@A2=composite
        count_many 9xBIKE@A1 1xBELL@#9 -> unknown_name field=source line=1
        count_many 9xBIKE@A1 1x#9@A1 -> unknown_name field=sku line=1
        item A1 BIKE -> 0 in v2
    ");
}

#[test]
fn independent_stocks_do_not_guard_bulk_changes() {
    // Proves that only what is on hand counts in the mode of MSI, and that the identity of an id holds for each command.
    run(SHARED).go("
        configure sharing=independent
        reserve p POS 20xBIKE
        transfer_lines A1 A2 21xBIKE -> not_enough_at_source
        transfer_many A1 A2 BIKE unassign id=t
        transfer_many A1 A2 BIKE unassign id=t -> ok replayed value=1
        transfer_many A1 A2 BIKE id=t -> id_reused
        unassign A1,A2 BIKE id=u -> ok value=1 bare
        unassign A1,A2 BIKE id=u -> ok replayed value=1
        unassign A1,A2 BIKE forced id=u -> id_reused
        salable POS BIKE -> not_assigned
    ");
}

#[test]
fn the_largest_bulk_commands_are_decided_whole() {
    // Proves the limits: a refusal counts every offender and lists the first 100, and one SKU at 10,000 sources as well
    // as 10,000 SKUs at one source are assigned and removed.
    let mut script = run("source S0\nsource S1\nstock WEB\nlink WEB S0");
    let mut make = |text: String| script.go(&text);
    for number in 2..2_000 {
        make(format!("source S{number}"));
    }
    for number in 0..5 {
        make(format!("sku B{number}"));
    }
    let list = |letter: &str, count: usize| {
        let names: Vec<String> = (0..count).map(|number| format!("{letter}{number}")).collect();
        names.join(",")
    };
    let (sources, skus) = (list("S", BULK_PAIRS_MAX / 5), list("B", 5));
    make(format!("assign {sources} {skus} -> ok value={BULK_PAIRS_MAX}"));
    make(format!("assign {sources} {skus} -> ok value=0"));
    make(format!("unassign {sources} {skus} -> ok value={BULK_PAIRS_MAX}"));
    make("item S0 B0 -> none".to_owned());
    for number in 5..=OFFENDERS_MAX {
        make(format!("sku B{number}"));
    }
    let wanted: Vec<String> = (0..=OFFENDERS_MAX).map(|number| format!("1xB{number}")).collect();
    let counts: Vec<String> = wanted.iter().map(|line| format!("{line}@S0")).collect();
    make(format!("count_many {}", counts.join(" ")));
    make(format!(
        "transfer_lines S0 S1 {} -> no_source_item offenders={} listed={OFFENDERS_MAX}",
        wanted.join(" "),
        OFFENDERS_MAX + 1
    ));
}
