//! Prints outcomes as text and as JSON, and maps outcome codes to exit codes.

use super::answering::Answering;
use super::exit::{Exit, Failure};
use super::output::Output;
use super::server_connection::ServerConnection;
use super::times::utc;
use crate::calendar::Door;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use stockhold_protocol::command::Kind;
use stockhold_protocol::query::{Query, QueryAnswer};
use stockhold_protocol::{Code, CommandId, Detail, Offender, Outcome, SkuId, SourceId, Timestamp};

/// The value of an event of an order whose document was known. Greater values are deadlines.
const REPEATED: u32 = 1;

/// Prints the outcome of one command and returns the exit code.
pub(super) fn outcome(
    server: &mut ServerConnection,
    output: Output,
    kind: Kind,
    id: CommandId,
    outcome: &Outcome,
) -> Result<Exit, Failure> {
    let shown_offset_ms = server.shown_offset_ms();
    let (text, document) = rendered(server, shown_offset_ms, kind, id, outcome);
    output.result(&text, &document)?;
    Ok(exit_of(outcome.code))
}

/// An outcome as text and as JSON.
pub(super) fn rendered(
    asked: &mut impl Answering,
    shown_offset_ms: i64,
    kind: Kind,
    id: CommandId,
    outcome: &Outcome,
) -> (String, Value) {
    let detail = detail(asked, outcome);
    let facts = facts(kind, outcome, shown_offset_ms);
    let text = text(kind, id, outcome, &facts, &detail);
    (text, document(kind, id, outcome, facts, detail.document))
}

/// The exit code for an outcome code.
pub(super) const fn exit_of(code: Code) -> Exit {
    if code.is_success() {
        Exit::Ok
    } else if matches!(code, Code::UnknownEffect) {
        // It is neither a success nor a refusal.
        Exit::Unreachable
    } else if code.is_recordable() {
        Exit::Refused
    } else if matches!(
        code,
        Code::BadField
            | Code::UnknownName
            | Code::TtlOutOfRange
            | Code::IdReused
            | Code::IdTooOld
            | Code::IdFromFuture
            | Code::NotSupported
    ) {
        Exit::Usage
    } else {
        Exit::Unreachable
    }
}

/// A detail as text and as JSON.
#[derive(Default)]
pub(super) struct DetailText {
    pub(super) lines: Vec<String>,
    document: Option<Value>,
}

/// One line about an outcome, for lists of errors.
pub(super) fn sentence(server: &mut ServerConnection, outcome: &Outcome) -> String {
    let detail_text = detail(server, outcome);
    let mut text = format!("{}: {}", outcome.code.name(), outcome.code.sentence());
    for line in detail_text.lines {
        text.push(' ');
        text.push_str(&line);
    }
    text
}

fn detail(server: &mut impl Answering, outcome: &Outcome) -> DetailText {
    let (lines, document) = match &outcome.detail {
        Detail::None => return DetailText::default(),
        Detail::Bound { .. }
        | Detail::Range { .. }
        | Detail::Limit { .. }
        | Detail::Sku(_)
        | Detail::Offenders { .. } => {
            return reason(server, outcome);
        }
        Detail::Granted { lines, backordered } => {
            let (mut texts, mut documents) = (Vec::new(), Vec::new());
            for line in lines {
                let sku = name(server, line.sku);
                texts.push(format!("granted {sku} {}", line.quantity));
                documents.push(json!({"sku": sku, "quantity": line.quantity.to_string()}));
            }
            if backordered.raw() != 0 {
                texts.push(format!("backordered {backordered}"));
            }
            (texts, json!({"granted": documents, "backordered": backordered.to_string()}))
        }
        Detail::Backordered(units) => {
            (vec![format!("backordered {units}")], json!({"backordered": units.to_string()}))
        }
        Detail::Available { sku, available } => {
            let sku = name(server, *sku);
            let text = format!("{sku}: {available} could still be promised");
            (vec![text], json!({"sku": sku, "available": available.to_string()}))
        }
        Detail::Sources(sources) => {
            let codes = source_codes(server, sources);
            let named = if codes.is_empty() { "none by itself".to_owned() } else { codes.join(", ") };
            (vec![format!("sources with enough units: {named}")], json!({"sources": codes}))
        }
        Detail::Shortfall(units) => {
            (vec![format!("promised and missing: {units}")], json!({"shortfall": units.to_string()}))
        }
        Detail::Item { on_hand, version, shortfall } => {
            let mut texts = vec![format!("on hand {on_hand} (version {version})")];
            if shortfall.raw() != 0 {
                texts.push(format!("promised and missing: {shortfall}"));
            }
            let document = json!({
                "on_hand": on_hand.to_string(), "version": version, "shortfall": shortfall.to_string(),
            });
            (texts, document)
        }
        Detail::Field { field, rule } => {
            (vec![format!("{field}: {rule}")], json!({"field": field, "rule": rule}))
        }
    };
    DetailText { lines, document: Some(document) }
}

/// The name of a SKU. If the server does not tell it, the outcome is printed with the number.
fn name(server: &mut impl Answering, sku: SkuId) -> String {
    server.sku_name(sku).unwrap_or_else(|_| format!("#{sku}"))
}

/// The detail of a refusal with a bound, a range, a limit or a SKU.
fn reason(server: &mut impl Answering, outcome: &Outcome) -> DetailText {
    let (line, document) = match &outcome.detail {
        Detail::Bound { sku, bound, value } => {
            let sku = name(server, *sku);
            let text = format!("{sku}: the bound is {bound}, requested was {value}");
            (text, json!({"sku": sku, "bound": bound.to_string(), "asked": value.to_string()}))
        }
        Detail::Range { min, max, value } if outcome.code == Code::NotOpen => {
            let at = |ms: u64| Door(Timestamp(ms)).to_string();
            let closes_at = if *max == Timestamp::MAX.0 { 0 } else { max.saturating_add(1) };
            let text = if value < min {
                format!("it opens at {}, and now it is {}", at(*min), at(*value))
            } else {
                format!("it closed at {}, and now it is {}", at(closes_at), at(*value))
            };
            (text, json!({"opens_at": at(*min), "closes_at": at(closes_at), "now": at(*value)}))
        }
        Detail::Range { min, max, value } => {
            let unit = if outcome.code == Code::NotSupported { "" } else { " ms" };
            let text = if max < min {
                format!("no value is accepted any more, requested was {value}{unit}")
            } else {
                format!("accepted is {min} to {max}{unit}, requested was {value}{unit}")
            };
            (text, json!({"min": min, "max": max, "asked": value}))
        }
        Detail::Limit { name, value } => {
            (format!("{name}: the limit is {value}"), json!({"limit": name, "value": value}))
        }
        Detail::Sku(sku) => {
            let sku = name(server, *sku);
            (sku.clone(), json!({"sku": sku}))
        }
        Detail::Offenders { count, first } => return offenders(server, *count, first),
        Detail::None
        | Detail::Granted { .. }
        | Detail::Backordered(_)
        | Detail::Available { .. }
        | Detail::Sources(_)
        | Detail::Shortfall(_)
        | Detail::Item { .. }
        | Detail::Field { .. } => return DetailText::default(),
    };
    DetailText { lines: vec![line], document: Some(document) }
}

/// The source items that let a bulk command be refused.
fn offenders(server: &mut impl Answering, count: u32, first: &[Offender]) -> DetailText {
    let (mut lines, mut documents) = (Vec::new(), Vec::new());
    let mut codes: BTreeMap<SourceId, String> = BTreeMap::new();
    for offender in first {
        let sku = name(server, offender.sku);
        let source = codes.entry(offender.source).or_insert_with(|| {
            source_codes(server, &[offender.source]).pop().unwrap_or_else(|| format!("#{}", offender.source))
        });
        let (code, bound, value) = (offender.code().name(), offender.bound, offender.value);
        let mut text = format!("{sku} at {source}: {code}");
        let mut document = json!({"sku": sku, "source": source.clone(), "code": code});
        if (bound.raw(), value.raw()) != (0, 0) {
            text = format!("{text} (the bound is {bound}, requested was {value})");
            document["bound"] = json!(bound.to_string());
            document["asked"] = json!(value.to_string());
        }
        lines.push(text);
        documents.push(document);
    }
    let more = usize::try_from(count).unwrap_or(usize::MAX).saturating_sub(first.len());
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    DetailText { lines, document: Some(json!({"count": count, "offenders": documents})) }
}

/// The codes of sources. One that the server does not tell is printed as its number.
fn source_codes(server: &mut impl Answering, sources: &[SourceId]) -> Vec<String> {
    let mut code = |source: &SourceId| {
        let after = source.0.checked_sub(1).map(SourceId);
        let Ok(QueryAnswer::Sources(views)) = server.query(&Query::Sources { after, limit: 1 }) else {
            return None;
        };
        views.into_iter().find(|view| view.id == *source).map(|view| view.definition.code)
    };
    sources.iter().map(|source| code(source).unwrap_or_else(|| format!("#{source}"))).collect()
}

fn text(
    kind: Kind,
    id: CommandId,
    outcome: &Outcome,
    facts: &[(&str, String)],
    detail_text: &DetailText,
) -> String {
    let mut text = format!("{} {}", kind.name(), outcome.code.name());
    if outcome.code != Code::Ok {
        text.push_str(": ");
        text.push_str(outcome.code.sentence());
    }
    for (name, value) in facts {
        push(&mut text, name, value);
    }
    for line in &detail_text.lines {
        push(&mut text, "", line);
    }
    push(&mut text, "id", &id.to_string());
    push(&mut text, "op", &outcome.op.to_string());
    if is_repeated(kind, outcome) {
        let known = if kind == Kind::OrderPlaced { "placed like this" } else { "given this document" };
        push(&mut text, "", &format!("the order was {known} before, so nothing happened now"));
    }
    if outcome.replayed {
        push(&mut text, "", "this is the recorded outcome of an earlier command with this id");
    }
    text
}

/// Whether an event of an order repeats one that took effect before.
fn is_repeated(kind: Kind, outcome: &Outcome) -> bool {
    let is_of_order = matches!(kind, Kind::OrderEvent | Kind::OrderPlaced);
    is_of_order && outcome.code.is_success() && outcome.value == REPEATED
}

fn push(text: &mut String, name: &str, value: &str) {
    // Writing to a string cannot fail.
    let written = write!(text, "\n  {name:<9}{value}");
    assert!(written.is_ok(), "a string takes any text");
}

/// The values that an outcome of this kind and code contains.
fn facts(kind: Kind, outcome: &Outcome, shown_offset_ms: i64) -> Vec<(&'static str, String)> {
    let value = outcome.value;
    let deadline = matches!(kind, Kind::Reserve | Kind::Extend | Kind::Replace)
        || matches!(kind, Kind::OrderEvent | Kind::OrderPlaced) && value > REPEATED;
    let number = matches!(kind, Kind::DefineSource | Kind::DefineStock | Kind::DefineSku | Kind::Channel);
    if outcome.code == Code::Busy {
        vec![("again in", format!("{value} ms"))]
    } else if !outcome.code.is_success() {
        Vec::new()
    } else if deadline && value != 0 {
        let deadline_ms = u64::from(value) * 1_000;
        vec![("deadline", utc(deadline_ms.saturating_add_signed(shown_offset_ms) / 1_000))]
    } else if number {
        vec![("number", value.to_string())]
    } else if kind == Kind::Assign {
        vec![("made", value.to_string())]
    } else if kind == Kind::AppendReservations {
        vec![("appended", value.to_string())]
    } else if kind == Kind::Unassign {
        vec![("removed", value.to_string())]
    } else if kind == Kind::TransferMany {
        vec![("moved", value.to_string())]
    } else {
        Vec::new()
    }
}

fn document(
    kind: Kind,
    id: CommandId,
    outcome: &Outcome,
    facts: Vec<(&'static str, String)>,
    detail: Option<Value>,
) -> Value {
    let mut document = Map::new();
    let mut set = |name: &str, value: Value| {
        document.insert(name.to_owned(), value);
    };
    set("command", json!(kind.name()));
    set("id", json!(id.to_string()));
    set("code", json!(outcome.code.name()));
    set("success", json!(outcome.code.is_success()));
    set("recorded", json!(outcome.recorded));
    set("replayed", json!(outcome.replayed));
    set("op", json!(outcome.op));
    set("value", json!(outcome.value));
    if kind == Kind::OrderEvent {
        set("repeated", json!(is_repeated(kind, outcome)));
    }
    if !outcome.code.is_success() {
        set("sentence", json!(outcome.code.sentence()));
    }
    for (name, value) in facts {
        set(&name.replace(' ', "_"), json!(value));
    }
    if let Some(detail) = detail {
        set("detail", detail);
    }
    Value::Object(document)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_exit_code() {
        // Proves that success is 0, that a refusal by a business rule is 1, and that no unrecorded outcome is 1.
        for code in Code::ALL {
            let exit = exit_of(*code);
            assert_eq!(exit == Exit::Ok, code.is_success(), "{}", code.name());
            if !code.is_success() {
                assert_eq!(exit == Exit::Refused, code.is_recordable(), "{}", code.name());
            }
        }
    }

    #[test]
    fn a_code_of_a_later_release_is_no_success() {
        // Proves that a script never continues after an answer that this program does not know.
        assert_eq!(exit_of(Code::UnknownEffect), Exit::Unreachable);
        assert_eq!(exit_of(Code::UnknownRefusal), Exit::Refused);
        assert_eq!(exit_of(Code::UnknownAnswer), Exit::Unreachable);
        for code in Code::STAND_INS {
            let outcome = Outcome::new(code, 60, 9);
            let facts = facts(Kind::Reserve, &outcome, 0);
            assert!(facts.is_empty(), "{}", code.name());
            assert_eq!(
                document(Kind::Reserve, CommandId::from_parts(1, 1), &outcome, facts, None)["success"],
                false
            );
        }
    }

    #[test]
    fn an_outcome_tells_its_deadline_and_its_id() {
        // Proves that everything that a retry needs is printed as text and as JSON.
        let id = CommandId::from_parts(1_000, 7);
        let outcome = Outcome::new(Code::Ok, 60, 9);
        let facts = facts(Kind::Reserve, &outcome, -1_000);
        let text = text(Kind::Reserve, id, &outcome, &facts, &DetailText::default());
        assert!(text.contains("1970-01-01T00:00:59Z"), "{text}");
        assert!(text.contains(&id.to_string()), "{text}");
        let document = document(Kind::Reserve, id, &outcome, facts, None);
        assert_eq!(document["deadline"], "1970-01-01T00:00:59Z");
        assert_eq!(document["success"], true);
    }
}
