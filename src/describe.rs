//! Commands for people: names instead of numbers, quantities in units.
//!
//! The machine knows the names. A number that it does not know is shown as `#7`.

use serde_json::{Map, Value, json};
use stockhold_machine::Machine;
use stockhold_protocol::batch::{Actor, ActorKind};
use stockhold_protocol::command::{
    BackorderMode, Change, Command, Configure, PartKind, Refund, Reserve, SettingScope, SettingsChange,
    SkuKind, Target,
};
use stockhold_protocol::query::Name;
use stockhold_protocol::{ChannelId, Line, SkuId, SourceId, StockId};

/// The name of a SKU.
#[must_use]
pub fn sku(machine: &Machine, number: SkuId) -> String {
    machine.sku_name(number).unwrap_or_else(|| format!("#{}", number.0))
}

/// The code of a source.
#[must_use]
pub fn source(machine: &Machine, number: SourceId) -> String {
    machine.source_code(number).map_or_else(|| format!("#{}", number.0), str::to_owned)
}

/// The name of a stock.
#[must_use]
pub fn stock(machine: &Machine, number: StockId) -> String {
    machine.stock_name(number).map_or_else(|| format!("#{}", number.0), str::to_owned)
}

fn channel(machine: &Machine, number: ChannelId) -> String {
    let name = machine.channel_name(number);
    name.map_or_else(|| format!("#{}", number.0), |(channel_type, code)| format!("{channel_type}/{code}"))
}

/// An actor: its name, or what it is if it has none.
#[must_use]
pub fn actor(actor: Option<Actor<'_>>) -> String {
    match actor {
        Some(Actor { kind: ActorKind::Server, .. }) => "(server)".to_owned(),
        Some(Actor { name: "", .. }) => "(unnamed)".to_owned(),
        Some(Actor { name, .. }) => name.to_owned(),
        None => "(others)".to_owned(),
    }
}

/// The body of a command as a JSON object. The names are those that the machine has now.
#[must_use]
pub fn body(machine: &Machine, command: &Command<'_>) -> Value {
    match command {
        Command::Reserve(cart) => reserve(machine, cart),
        Command::Replace(replace) => {
            let mut body = reserve(machine, &replace.new);
            body["old"] = json!(replace.old.to_string());
            body
        }
        Command::Sell(sell) => json!({
            "target": target(machine, sell.target), "source": source(machine, sell.source),
            "lines": lines(machine, sell.lines.iter()), "forced": sell.forced, "owner": sell.owner,
            "reference": sell.reference,
        }),
        Command::Confirm(reservation) => json!({"reservation": reservation.to_string()}),
        Command::Extend(extend) => {
            json!({"reservation": extend.reservation.to_string(), "ttl_ms": extend.ttl_ms})
        }
        Command::Release(release) => json!({
            "reservation": release.reservation.to_string(), "lines": lines(machine, release.lines.iter()),
        }),
        Command::Ship(ship) => json!({
            "reservation": ship.reservation.to_string(), "source": source(machine, ship.source),
            "lines": lines(machine, ship.lines.iter()), "forced": ship.forced,
        }),
        Command::Unship(unship) => json!({
            "reservation": unship.reservation.to_string(), "source": source(machine, unship.source),
            "lines": lines(machine, unship.lines.iter().copied()),
        }),
        Command::Amend(amend) => json!({
            "reservation": amend.reservation.to_string(),
            "lines": lines(machine, amend.lines.iter().copied()),
        }),
        Command::Refund(refund) => parts(machine, refund),
        Command::Count(count) => json!({
            "source": source(machine, count.source), "sku": sku(machine, count.sku),
            "quantity": count.quantity.to_string(), "in_stock": count.in_stock, "reason": count.reason,
            "reference": count.reference,
        }),
        Command::Adjust(adjust) => json!({
            "source": source(machine, adjust.source), "sku": sku(machine, adjust.sku),
            "delta": adjust.delta.to_string(), "reason": adjust.reason, "reference": adjust.reference,
        }),
        Command::Transfer(transfer) => json!({
            "from": source(machine, transfer.from), "to": source(machine, transfer.to),
            "lines": lines(machine, transfer.lines.iter().copied()), "reason": transfer.reason,
        }),
        Command::Tick => json!({}),
        Command::DefineSource(_)
        | Command::DefineStock(_)
        | Command::DefineSku(_)
        | Command::Link(_)
        | Command::Unlink(_)
        | Command::Channel(_)
        | Command::Settings(_)
        | Command::Quota(_)
        | Command::Rename(_)
        | Command::Configure(_)
        | Command::Mark(_)
        | Command::Unmark(_)
        | Command::ActivateRules(_)
        | Command::WallOffset(_)
        | Command::AcceptClock(_)
        | Command::BeginEpoch(_) => definition(machine, command),
    }
}

fn reserve(machine: &Machine, cart: &Reserve<'_>) -> Value {
    json!({
        "target": target(machine, cart.target), "lines": lines(machine, cart.lines.iter()),
        "best_effort": cart.best_effort, "ttl_ms": cart.ttl_ms, "owner": cart.owner,
        "reference": cart.reference,
    })
}

fn target(machine: &Machine, target: Target) -> Value {
    match target {
        Target::Stock(number) => json!({"stock": stock(machine, number)}),
        Target::Channel(number) => json!({"channel": channel(machine, number)}),
    }
}

fn lines(machine: &Machine, lines: impl Iterator<Item = Line>) -> Value {
    let line = |line: Line| json!({"sku": sku(machine, line.sku), "quantity": line.quantity.to_string()});
    lines.map(line).collect()
}

fn parts(machine: &Machine, refund: &Refund<'_>) -> Value {
    let parts = refund.parts.iter().map(|part| {
        let (kind, place) = match part.kind {
            PartKind::Unshipped => ("unshipped", None),
            PartKind::Returned(place) => ("returned", Some(place)),
            PartKind::WrittenOff(place) => ("written_off", Some(place)),
        };
        json!({
            "sku": sku(machine, part.sku), "quantity": part.quantity.to_string(), "kind": kind,
            "source": place.map(|place| source(machine, place)),
        })
    });
    json!({"reservation": refund.reservation.to_string(), "parts": parts.collect::<Value>()})
}

#[expect(clippy::wildcard_enum_match_arm, reason = "`body` passes definitions only")]
fn definition(machine: &Machine, command: &Command<'_>) -> Value {
    match command {
        Command::DefineSource(one) => json!({
            "code": one.code, "name": one.name, "enabled": one.enabled, "country": one.country,
            "postcode": one.postcode, "pickup": one.pickup,
        }),
        Command::DefineStock(one) => json!({"name": one.name}),
        Command::DefineSku(one) => json!({
            "sku": one.sku, "composite": one.kind == SkuKind::Composite, "decimals": one.decimals,
        }),
        Command::Link(link) => json!({
            "stock": stock(machine, link.stock), "source": source(machine, link.source),
            "priority": link.priority,
        }),
        Command::Unlink(link) => {
            json!({"stock": stock(machine, link.stock), "source": source(machine, link.source)})
        }
        Command::Channel(one) => json!({
            "channel": format!("{}/{}", one.channel_type, one.code), "stock": stock(machine, one.stock),
        }),
        Command::Settings(change) => settings(machine, change),
        Command::Quota(quota) => json!({
            "sku": sku(machine, quota.sku), "stock": stock(machine, quota.stock),
            "limit": quota.limit.map(|limit| limit.to_string()),
        }),
        Command::Rename(rename) => {
            let (kind, to) = name(&rename.to);
            let from = machine.name_of(&rename.to, rename.number).map(|from| name(&from).1);
            json!({"kind": kind, "number": rename.number, "name": from, "to": to})
        }
        Command::Configure(change) => configuration(change),
        Command::Mark(mark) => json!({"name": mark.name}),
        Command::Unmark(mark) => json!({"name": mark.name}),
        Command::ActivateRules(version) => json!({"version": version}),
        Command::AcceptClock(until) => json!({"until": crate::calendar::rfc3339(until.0)}),
        Command::WallOffset(offset_ms) => json!({"offset_ms": offset_ms}),
        Command::BeginEpoch(epoch) => json!({"epoch": epoch}),
        _ => json!({}),
    }
}

fn name(name: &Name) -> (&'static str, String) {
    match name {
        Name::Sku(sku) => ("sku", sku.clone()),
        Name::Stock(stock) => ("stock", stock.clone()),
        Name::Source(code) => ("source", code.clone()),
        Name::Channel(channel_type, code) => ("channel", format!("{channel_type}/{code}")),
    }
}

fn settings(machine: &Machine, change: &SettingsChange) -> Value {
    let mut body = Map::new();
    match change.scope {
        SettingScope::Global => {}
        SettingScope::Sku(one) => drop(body.insert("sku".to_owned(), json!(sku(machine, one)))),
        SettingScope::SkuStock(one, place) => {
            body.insert("sku".to_owned(), json!(sku(machine, one)));
            body.insert("stock".to_owned(), json!(stock(machine, place)));
        }
    }
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(name.to_owned(), value);
        }
    };
    let mode = |mode: BackorderMode| match mode {
        BackorderMode::Off => json!("off"),
        BackorderMode::Allow => json!("allow"),
        BackorderMode::AllowAndNotify => json!("allow_and_notify"),
    };
    put("manage_stock", changed(change.manage_stock, |value| json!(value)));
    put("backorders", changed(change.backorders, mode));
    put("enable_qty_increments", changed(change.enable_qty_increments, |value| json!(value)));
    for (name, value) in [
        ("min_qty", change.min_qty),
        ("min_sale_qty", change.min_sale_qty),
        ("max_sale_qty", change.max_sale_qty),
        ("qty_increments", change.qty_increments),
        ("notify_stock_qty", change.notify_stock_qty),
    ] {
        put(name, changed(value, |value| json!(value.to_string())));
    }
    Value::Object(body)
}

/// A change of a setting: `None` keeps it, null inherits it.
fn changed<T>(change: Change<T>, value: impl FnOnce(T) -> Value) -> Option<Value> {
    match change {
        Change::Keep => None,
        Change::Unset => Some(Value::Null),
        Change::Set(one) => Some(value(one)),
    }
}

fn configuration(change: &Configure) -> Value {
    let mut body = Map::new();
    if let Some(sharing) = change.sharing {
        body.insert("sharing".to_owned(), json!(format!("{sharing:?}").to_lowercase()));
    }
    for (name, value) in [
        ("ttl_min_ms", change.ttl_min_ms),
        ("ttl_max_ms", change.ttl_max_ms),
        ("ttl_total_max_ms", change.ttl_total_max_ms),
        ("lines_max", change.lines_max.map(u64::from)),
        ("late_confirm_window_ms", change.late_confirm_window_ms),
        ("id_retention_ms", change.id_retention_ms),
        ("id_retention_min_ms", change.id_retention_min_ms),
        ("outcome_bytes_max", change.outcome_bytes_max),
        ("reservations_max", change.reservations_max),
        ("gap_max_ms", change.gap_max_ms),
        ("clock_jump_max_ms", change.clock_jump_max_ms),
        ("name_grace_ms", change.name_grace_ms),
    ] {
        if let Some(value) = value {
            body.insert(name.to_owned(), json!(value));
        }
    }
    Value::Object(body)
}

/// A body on one line: `source west, sku BIKE, quantity 0`. Empty values are left out.
#[must_use]
pub fn line(body: &Value) -> String {
    let Value::Object(fields) = body else { return plain(body) };
    let shown = fields.iter().filter(|(_, value)| !is_empty(value));
    shown.map(|(name, value)| format!("{name} {}", plain(value))).collect::<Vec<_>>().join(", ")
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Number(number) => number.as_u64() == Some(0),
        Value::Bool(true) | Value::Object(_) => false,
    }
}

fn plain(value: &Value) -> String {
    match value {
        // Clients choose the text, so what could steer a terminal is escaped.
        Value::String(text) if text.contains(|one: char| one.is_control() || one == '"') => {
            format!("{text:?}")
        }
        Value::String(text) => text.clone(),
        Value::Array(list) => {
            let items = list.iter().map(|item| match item {
                Value::Object(fields) => match (fields.get("sku"), fields.get("quantity")) {
                    (Some(sku), Some(quantity)) => {
                        let kind =
                            fields.get("kind").map_or(String::new(), |kind| format!(" {}", plain(kind)));
                        let place = fields.get("source").filter(|place| !place.is_null());
                        let place = place.map_or(String::new(), |place| format!("@{}", plain(place)));
                        format!("{}={}{place}{kind}", plain(sku), plain(quantity))
                    }
                    _ => line(item),
                },
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                    plain(item)
                }
            });
            items.collect::<Vec<_>>().join(" ")
        }
        Value::Object(_) => line(value),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}
