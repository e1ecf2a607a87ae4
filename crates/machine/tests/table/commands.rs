//! Makes a command from the words of a scenario line.

use super::bulk::bulk_command;
use super::machines::START_S;
use super::script::{Script, lines_from};
use super::words::{Sentence, line, span_ms};
use stockhold_protocol::command::{
    Adjust, Amend, BackorderMode, Change, ChannelAssignment, Configure, Count, EpochStart, Extend, Freeze,
    FreezeScope, LinkDefinition, LinkRemoval, Mark, MarkRemoval, Notify, PartKind, Parts, QuotaChange,
    Refund, RefundPart, Release, Replace, Reserve, Sell, SettingScope, SettingsChange, Sharing, Ship,
    SkuDefinition, SkuKind, SourceDefinition, StockDefinition, Target, Transfer, Unship,
};
use stockhold_protocol::{
    ChannelId, Command, Lines, Quantity, ReservationId, SkuId, SourceId, StockId, Timestamp,
};

/// Makes the command of a line and passes it to `take`, because hot commands borrow their lines.
pub(crate) fn command_of(script: &mut Script, sentence: &Sentence, take: &mut dyn FnMut(Command<'_>)) {
    match sentence.word(0) {
        "reserve" => {
            let lines = lines_from(script, sentence, 3);
            take(Command::Reserve(reserve(script, sentence, 2, &lines)));
        }
        "replace" => {
            let lines = lines_from(script, sentence, 4);
            let old = ReservationId(script.reservation(sentence.word(2)));
            take(Command::Replace(Replace { old, new: reserve(script, sentence, 3, &lines) }));
        }
        "sell" => {
            let lines = lines_from(script, sentence, 4);
            take(Command::Sell(Sell {
                target: target(script, sentence.word(2)),
                source: SourceId(script.source(sentence.word(3))),
                lines: Lines::Slice(&lines),
                forced: sentence.has("forced"),
                owner: sentence.number("owner").unwrap_or(0),
                reference: sentence.option("ref").unwrap_or(""),
            }));
        }
        "confirm" | "release" | "extend" | "ship" | "amend" | "unship" | "refund" => {
            after_grant(script, sentence, take);
        }
        "source" | "stock" | "sku" | "link" | "unlink" | "channel" => take(definition(script, sentence)),
        "count" | "adjust" | "transfer" => take(goods(script, sentence)),
        "assign" | "unassign" | "transfer_many" | "transfer_lines" | "count_many" => {
            take(bulk_command(script, sentence));
        }
        _ => take(rule(script, sentence)),
    }
}

fn target(script: &Script, word: &str) -> Target {
    match word.strip_prefix('@') {
        Some(channel) => Target::Channel(ChannelId(script.channel(channel))),
        None => Target::Stock(StockId(script.stock(word))),
    }
}

fn reserve<'a>(
    script: &Script,
    sentence: &'a Sentence,
    at: usize,
    lines: &'a [stockhold_protocol::Line],
) -> Reserve<'a> {
    Reserve {
        target: target(script, sentence.word(at)),
        lines: Lines::Slice(lines),
        best_effort: sentence.has("best"),
        ttl_ms: sentence.option("ttl").map(|text| u32::try_from(span_ms(text)).unwrap_or(u32::MAX)),
        owner: sentence.number("owner").unwrap_or(0),
        reference: sentence.option("ref").unwrap_or(""),
    }
}

fn after_grant(script: &mut Script, sentence: &Sentence, take: &mut dyn FnMut(Command<'_>)) {
    let reservation = ReservationId(script.reservation(sentence.word(1)));
    let lines = lines_from(script, sentence, 2);
    match sentence.word(0) {
        "confirm" => take(Command::Confirm(reservation)),
        "release" => take(Command::Release(Release { reservation, lines: Lines::Slice(&lines) })),
        "extend" => {
            let ttl_ms = u32::try_from(span_ms(sentence.option("ttl").unwrap_or("0s"))).unwrap_or(u32::MAX);
            take(Command::Extend(Extend { reservation, ttl_ms }));
        }
        "ship" => take(Command::Ship(Ship {
            reservation,
            source: SourceId(script.source(sentence.word(2))),
            lines: Lines::Slice(&lines),
            forced: sentence.has("forced"),
        })),
        "amend" => take(Command::Amend(Amend { reservation, lines })),
        "unship" => {
            let source = SourceId(script.source(sentence.word(2)));
            take(Command::Unship(Unship { reservation, source, lines }));
        }
        _ => {
            let parts: Vec<_> = sentence.words.iter().skip(2).map(|word| part(script, word)).collect();
            take(Command::Refund(Refund { reservation, parts: Parts::Slice(&parts) }));
        }
    }
}

/// `unshipped:2xBIKE`, `returned@A1:1xBIKE` or `lost@A1:1xBIKE`.
fn part(script: &Script, word: &str) -> RefundPart {
    let (kind, rest) = word.split_once(':').unwrap_or_else(|| panic!("{word} is no part"));
    let (quantity, name) = line(rest).unwrap_or_else(|| panic!("{rest} is no line"));
    let kind = match kind.split_once('@') {
        None => PartKind::Unshipped,
        Some(("returned", source)) => PartKind::Returned(SourceId(script.source(source))),
        Some((_, source)) => PartKind::WrittenOff(SourceId(script.source(source))),
    };
    RefundPart { sku: SkuId(script.sku(name)), quantity, kind }
}

fn definition(script: &Script, sentence: &Sentence) -> Command<'static> {
    let name = sentence.word(1).to_owned();
    match sentence.word(0) {
        "source" => Command::DefineSource(Box::new(SourceDefinition {
            name: sentence.option("name").unwrap_or(&name).to_owned(),
            code: name,
            enabled: !sentence.has("off"),
            country: "DE".into(),
            postcode: "10115".into(),
            ..SourceDefinition::default()
        })),
        "stock" => Command::DefineStock(StockDefinition { name }),
        "sku" => {
            let kind = if sentence.has("composite") { SkuKind::Composite } else { SkuKind::Simple };
            Command::DefineSku(SkuDefinition { sku: name, kind, decimals: sentence.has("decimals") })
        }
        "channel" => {
            let (kind, code) = name.split_once(':').unwrap_or((&name, ""));
            Command::Channel(ChannelAssignment {
                channel_type: kind.to_owned(),
                code: code.to_owned(),
                stock: StockId(script.stock(sentence.word(2))),
            })
        }
        kind => {
            let stock = StockId(script.stock(sentence.word(1)));
            let source = SourceId(script.source(sentence.word(2)));
            let priority = sentence.number("priority").unwrap_or(1);
            if kind == "link" {
                Command::Link(LinkDefinition { stock, source, priority })
            } else {
                Command::Unlink(LinkRemoval { stock, source })
            }
        }
    }
}

fn quantity(text: &str) -> Quantity {
    text.parse().unwrap_or_else(|_| panic!("{text} is no quantity"))
}

/// A time of a sale: seconds after the start of the scenario, or `0` for none.
fn moment(text: &str) -> Timestamp {
    match span_ms(text) {
        0 => Timestamp(0),
        ms => Timestamp(START_S * 1_000 + ms),
    }
}

fn goods(script: &Script, sentence: &Sentence) -> Command<'static> {
    let source = SourceId(script.source(sentence.word(1)));
    if sentence.word(0) == "transfer" {
        let to = SourceId(script.source(sentence.word(2)));
        let lines = lines_from(script, sentence, 3);
        return Command::Transfer(Transfer { from: source, to, lines, reason: String::new() });
    }
    let sku = SkuId(script.sku(sentence.word(2)));
    let quantity = quantity(sentence.word(3));
    let (reason, reference) = (String::new(), String::new());
    if sentence.word(0) == "adjust" {
        return Command::Adjust(Adjust { source, sku, delta: quantity, reason, reference });
    }
    let in_stock = if sentence.has("out") { Some(false) } else { sentence.has("in").then_some(true) };
    Command::Count(Count { source, sku, quantity, in_stock, reason, reference })
}

fn rule(script: &Script, sentence: &Sentence) -> Command<'static> {
    match sentence.word(0) {
        "set" => Command::Settings(Box::new(settings(script, sentence))),
        "quota" => Command::Quota(QuotaChange {
            stock: StockId(script.stock(sentence.word(1))),
            sku: SkuId(script.sku(sentence.word(2))),
            limit: (sentence.word(3) != "none").then(|| quantity(sentence.word(3))),
        }),
        "freeze" | "lift" => {
            let scope = match target(script, sentence.word(1)) {
                Target::Stock(stock) => FreezeScope::Stock(stock),
                Target::Channel(channel) => FreezeScope::Channel(channel),
            };
            Command::Freeze(Freeze { scope, frozen: sentence.word(0) == "freeze" })
        }
        "notify" => Command::Notify(Notify {
            source: SourceId(script.source(sentence.word(1))),
            sku: SkuId(script.sku(sentence.word(2))),
            is_set: !sentence.has("none"),
            threshold: sentence.words.get(3).filter(|_| !sentence.has("none")).map(|word| quantity(word)),
        }),
        "configure" => Command::Configure(Box::new(Configure {
            sharing: sentence.option("sharing").map(|mode| match mode {
                "exact" => Sharing::Exact,
                _ => Sharing::Independent,
            }),
            ttl_min_ms: sentence.option("ttl_min").map(span_ms),
            ttl_max_ms: sentence.option("ttl_max").map(span_ms),
            ttl_total_max_ms: sentence.option("ttl_total").map(span_ms),
            lines_max: sentence.number("lines"),
            late_confirm_window_ms: sentence.option("window").map(span_ms),
            id_retention_ms: sentence.option("retention").map(span_ms),
            id_retention_min_ms: sentence.option("retention_min").map(span_ms),
            outcome_bytes_max: sentence.number("outcome_bytes"),
            reservations_max: sentence.number("reservations"),
            gap_max_ms: sentence.option("gap").map(span_ms),
            clock_jump_max_ms: sentence.option("jump").map(span_ms),
            name_grace_ms: sentence.option("name_grace").map(span_ms),
            order_retention_ms: sentence.option("order_retention").map(span_ms),
            order_retention_min_ms: sentence.option("order_retention_min").map(span_ms),
            orders_max: sentence.number("orders"),
        })),
        "tick" => Command::Tick,
        "mark" => Command::Mark(Mark::new(sentence.word(1))),
        "unmark" => Command::Unmark(MarkRemoval { name: sentence.word(1).to_owned() }),
        "begin_epoch" => Command::BeginEpoch(EpochStart {
            epoch: sentence.word(1).parse().unwrap(),
            restored: sentence.has("restored"),
        }),
        "wall_offset" => Command::WallOffset(sentence.word(1).parse().unwrap()),
        "accept_clock" => Command::AcceptClock(Timestamp(sentence.word(1).parse().unwrap())),
        "rules" => Command::ActivateRules(sentence.word(1).parse().unwrap_or(0)),
        other => panic!("{other} is no command"),
    }
}

fn change<T>(sentence: &Sentence, key: &str, read: impl Fn(&str) -> T) -> Change<T> {
    match sentence.option(key) {
        None => Change::Keep,
        Some("unset") => Change::Unset,
        Some(text) => Change::Set(read(text)),
    }
}

fn settings(script: &Script, sentence: &Sentence) -> SettingsChange {
    let scope = match sentence.word(1).split_once('/') {
        Some((sku, stock)) => SettingScope::SkuStock(SkuId(script.sku(sku)), StockId(script.stock(stock))),
        None if sentence.word(1) == "global" => SettingScope::Global,
        None => SettingScope::Sku(SkuId(script.sku(sentence.word(1)))),
    };
    SettingsChange {
        scope,
        manage_stock: change(sentence, "manage_stock", |text| text == "on"),
        backorders: change(sentence, "backorders", |text| match text {
            "off" => BackorderMode::Off,
            "on" => BackorderMode::Allow,
            _ => BackorderMode::AllowAndNotify,
        }),
        min_qty: change(sentence, "min_qty", quantity),
        min_sale_qty: change(sentence, "min_sale", quantity),
        max_sale_qty: change(sentence, "max_sale", quantity),
        enable_qty_increments: change(sentence, "increments", |text| text == "on"),
        qty_increments: change(sentence, "increment", quantity),
        notify_stock_qty: change(sentence, "notify", quantity),
        frozen: change(sentence, "frozen", |text| text == "on"),
        opens_at: change(sentence, "opens", moment),
        closes_at: change(sentence, "closes", moment),
        #[cfg(feature = "next-release")]
        lead_days: Change::Keep,
    }
}
