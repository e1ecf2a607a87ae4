//! Runs scenarios: one command per line, with its expected answer.
//!
//! ```text
//! reserve r1 WEB 3xBIKE ttl=60s -> ok until=60
//! reserve r2 @site:eu 9xBIKE    -> sold_out line=0 available=2
//! time +61s
//! salable WEB BIKE              -> 7
//! ```
//! `ticks 60s` lets time pass with a tick each second. A line without `->` expects `ok`. After `->` comes
//! the code, then the other parts of the answer that matter. `replayed` must be present exactly if the
//! answer is replayed. A name that was never defined is written as a number, such as `#7`. The id of a
//! command is derived from the name of the reservation that it makes, or from `id=` for other commands. Its
//! client time is now, or differs by `age=` or `ahead=`. The same name gives the same id.

use super::bulk::{item_text, notify_text, offender_text};
use super::commands::command_of;
use super::machines::{Machines, START_S};
use super::order_records::order_text;
use super::words::{Sentence, joined, line, span_ms};
use std::collections::BTreeMap;
use stockhold_machine::ClockView;
use stockhold_protocol::query::{CELL_NOT_ASSIGNED, CELL_UNLIMITED, Name, Query, QueryAnswer};
use stockhold_protocol::{Code, Command, CommandId, Detail, Envelope, Outcome, Quantity, SkuId, StockId};

/// A scenario in progress: the machines, and the names that its lines use.
pub(crate) struct Script {
    pub(crate) machines: Machines,
    /// Ids by the name that a line gave them.
    pub(crate) ids: BTreeMap<String, CommandId>,
    made: u128,
    at: usize,
}

/// Runs a whole scenario.
pub(crate) fn run(text: &str) -> Script {
    let mut script = Script::new();
    script.go(text);
    script
}

impl Script {
    pub(crate) fn new() -> Self {
        Self { machines: Machines::new(), ids: BTreeMap::new(), made: 0, at: 0 }
    }

    /// The offsets between op time, hold time and wall clock.
    pub(crate) fn clock(&self) -> ClockView {
        self.machines.plain.clock()
    }

    /// Runs further lines.
    pub(crate) fn go(&mut self, text: &str) {
        for text in text.lines() {
            self.at += 1;
            if let Some(sentence) = Sentence::parse(text) {
                self.run_line(&sentence, text);
            }
        }
    }

    fn run_line(&mut self, sentence: &Sentence, text: &str) {
        let context = format!("line {}: {}", self.at, text.trim());
        match sentence.word(0) {
            "time" => self.machines.now.0 += span_ms(sentence.word(1).trim_start_matches('+')),
            "ticks" => {
                for _ in 0..span_ms(sentence.word(1)) / 1_000 {
                    self.machines.now.0 += 1_000;
                    let tick = Sentence::parse("tick").expect("is a command");
                    assert_eq!(self.send(&tick).code, Code::Ok, "{context}");
                }
            }
            "skip" => self.machines.skip(),
            "salable" => {
                let sku = SkuId(self.sku(sentence.word(2)));
                let stock = StockId(self.stock(sentence.word(1)));
                let got = cell_text(self.machines.plain.cell(sku, stock));
                assert_eq!(got, sentence.expected.join(" "), "{context}");
            }
            "state" => {
                let got = self.state(sentence.word(1));
                assert_eq!(got, sentence.expected.join(" "), "{context}");
            }
            "quota_taken" => {
                let got = self.quota_taken(sentence.word(1), sentence.word(2));
                assert_eq!(got, sentence.expected.join(" "), "{context}");
            }
            "item" => {
                let got = item_text(self, sentence.word(1), sentence.word(2));
                assert_eq!(got, sentence.expected.join(" "), "{context}");
            }
            "notify_of" => {
                let got = notify_text(self, sentence.word(1), sentence.word(2));
                assert_eq!(got, sentence.expected.join(" "), "{context}");
            }
            "order" => {
                let got = order_text(self, sentence.word(1));
                assert_eq!(got, sentence.expected.join(" "), "{context}");
            }
            "orders" => {
                let stats = self.machines.plain.stats();
                let got = format!("{} unsettled={}", stats.orders, stats.orders_unsettled);
                assert_eq!(got, sentence.expected.join(" "), "{context}");
            }
            _ => {
                let outcome = self.send(sentence);
                self.expect(sentence, &outcome, &context);
            }
        }
    }

    /// Encodes and applies the command of a line.
    fn send(&mut self, sentence: &Sentence) -> Outcome {
        let mut bytes = Vec::new();
        let id = self.id_of(sentence);
        command_of(self, sentence, &mut |command: Command<'_>| {
            let fresh = sentence.has("fresh");
            let envelope = Envelope { fresh, ..Envelope::new(id, command) };
            envelope.encode(&mut bytes).unwrap_or_else(|error| panic!("{sentence:?}: {error}"));
        });
        self.machines.apply(&bytes)
    }

    fn id_of(&mut self, sentence: &Sentence) -> CommandId {
        let makes = ["reserve", "replace", "sell"].contains(&sentence.word(0));
        let name = sentence.option("id").or_else(|| makes.then(|| sentence.word(1))).map(str::to_owned);
        if let Some(id) = name.as_ref().and_then(|name| self.ids.get(name)) {
            return *id;
        }
        let ahead = sentence.option("ahead").map_or(0, span_ms);
        let age = sentence.option("age").map_or(0, span_ms);
        self.made += 1;
        let id = CommandId::from_parts(self.machines.now.0 + ahead - age, self.made << 8);
        if let Some(name) = name {
            self.ids.insert(name, id);
        }
        id
    }

    /// The id of a reservation. A name that was never used gets an id that no reservation has.
    pub(crate) fn reservation(&mut self, name: &str) -> CommandId {
        let unknown = CommandId::from_parts(self.machines.now.0, 7);
        self.ids.get(name).copied().unwrap_or(unknown)
    }

    pub(crate) fn sku(&self, name: &str) -> u32 {
        self.number(name, |name| Name::Sku(name.to_owned()))
    }

    pub(crate) fn stock(&self, name: &str) -> u32 {
        self.number(name, |name| Name::Stock(name.to_owned()))
    }

    pub(crate) fn source(&self, name: &str) -> u32 {
        self.number(name, |name| Name::Source(name.to_owned()))
    }

    pub(crate) fn channel(&self, name: &str) -> u32 {
        self.number(name, |name| {
            let (kind, code) = name.split_once(':').unwrap_or((name, ""));
            Name::Channel(kind.to_owned(), code.to_owned())
        })
    }

    fn number(&self, name: &str, make: impl Fn(&str) -> Name) -> u32 {
        match name.strip_prefix('#') {
            Some(number) => number.parse().unwrap_or_else(|_| panic!("{name} is no number")),
            None => self.machines.plain.resolve(&make(name)).unwrap_or_else(|| panic!("{name} is unknown")),
        }
    }

    fn expect(&self, sentence: &Sentence, outcome: &Outcome, context: &str) {
        let got = self.words_of(outcome);
        let code = sentence.expected.first().map_or("ok", String::as_str);
        assert_eq!(outcome.code.name(), code, "{context}\n  got {got:?}");
        for word in sentence.expected.iter().skip(1) {
            assert!(got.contains(word), "{context}\n  got {got:?}");
        }
        let is_expected = sentence.expected.iter().any(|word| word == "replayed");
        assert_eq!(outcome.replayed, is_expected, "{context}\n  got {got:?}");
    }

    /// All parts of an answer, as words that a line may expect.
    fn words_of(&self, outcome: &Outcome) -> Vec<String> {
        let mut words = vec![format!("value={}", outcome.value), format!("line={}", outcome.value)];
        words.push(format!("until={}", i64::from(outcome.value) - i64::try_from(START_S).unwrap()));
        words.push(format!("number={}", outcome.value));
        if outcome.replayed {
            words.push("replayed".into());
        }
        words.push(if outcome.recorded { "recorded" } else { "unrecorded" }.into());
        match &outcome.detail {
            Detail::None => words.push("bare".into()),
            Detail::Granted { lines, backordered } => {
                let lines = lines.iter().map(|line| format!("{}x{}", line.quantity, self.sku_name(line.sku)));
                words.push(format!("granted={}", lines.collect::<Vec<_>>().join(",")));
                words.push(format!("backordered={backordered}"));
            }
            Detail::Backordered(quantity) => words.push(format!("backordered={quantity}")),
            Detail::Available { sku, available } => {
                words.push(format!("available={available}"));
                words.push(format!("sku={}", self.sku_name(*sku)));
            }
            Detail::Sources(sources) => {
                words.push(format!("sources={}", joined(sources, |source| self.source_name(source))));
            }
            Detail::Shortfall(quantity) => words.push(format!("short={quantity}")),
            Detail::Item { on_hand, version, shortfall } => {
                words.extend([format!("on={on_hand}"), format!("v={version}"), format!("short={shortfall}")]);
            }
            Detail::Field { field, rule } => words.extend([format!("field={field}"), rule.clone()]),
            Detail::Bound { sku, bound, value } => {
                words.push(format!("sku={}", self.sku_name(*sku)));
                words.extend([format!("bound={bound}"), format!("asked={value}")]);
            }
            Detail::Range { min, max, value } => {
                words.extend([format!("min={min}"), format!("max={max}"), format!("asked={value}")]);
            }
            Detail::Limit { name, value } => words.push(format!("limit={name}={value}")),
            Detail::Sku(sku) => words.push(format!("sku={}", self.sku_name(*sku))),
            Detail::Offenders { count, first } => {
                words.extend([format!("offenders={count}"), format!("listed={}", first.len())]);
                words.extend(first.iter().map(|offender| offender_text(self, offender)));
            }
        }
        words
    }

    pub(crate) fn sku_name(&self, sku: SkuId) -> String {
        match self.machines.plain.query(&Query::Sku(sku)) {
            Some(QueryAnswer::Sku(Some(view))) => view.sku,
            other => panic!("expected a SKU, got {other:?}"),
        }
    }

    pub(crate) fn source_name(&self, source: u32) -> String {
        match self.machines.plain.query(&Query::Sources {
            after: source.checked_sub(1).map(stockhold_protocol::SourceId),
            limit: 1,
        }) {
            Some(QueryAnswer::Sources(views)) => views[0].definition.code.clone(),
            other => panic!("expected sources, got {other:?}"),
        }
    }

    /// The state and the lines of a reservation, such as `held 3xBIKE+1`; `unknown` if it is not kept.
    fn state(&mut self, name: &str) -> String {
        let id = self.reservation(name).to_bytes();
        let Some(QueryAnswer::Reservation(Some(view))) = self.machines.plain.query(&Query::Reservation(id))
        else {
            return "unknown".into();
        };
        let mut words = vec![view.state.name().to_owned()];
        for line in &view.lines {
            let mut text = format!("{}x{}", line.open, self.sku_name(line.sku));
            for (mark, quantity) in [("+", line.shipped), ("~", line.returned)] {
                if quantity != Quantity::ZERO {
                    text = format!("{text}{mark}{quantity}");
                }
            }
            if !line.counts {
                text.push('!');
            }
            words.push(text);
        }
        words.join(" ")
    }

    fn quota_taken(&self, stock: &str, sku: &str) -> String {
        let stock = StockId(self.stock(stock));
        match self.machines.plain.query(&Query::Sku(SkuId(self.sku(sku)))) {
            Some(QueryAnswer::Sku(Some(view))) => {
                let position = view.positions.iter().find(|position| position.stock == stock);
                let position = position.unwrap_or_else(|| panic!("there is no position of {sku} in {stock}"));
                position
                    .quota_limit
                    .map_or("none".into(), |limit| format!("{}/{limit}", position.quota_taken))
            }
            other => panic!("expected a SKU, got {other:?}"),
        }
    }
}

fn cell_text(cell: i64) -> String {
    match cell {
        CELL_NOT_ASSIGNED => "not_assigned".into(),
        CELL_UNLIMITED => "unlimited".into(),
        raw => Quantity::from_raw(raw).map_or_else(|_| raw.to_string(), |quantity| quantity.to_string()),
    }
}

/// The lines of a cart in a sentence, from this word on.
pub(crate) fn lines_from(script: &Script, sentence: &Sentence, from: usize) -> Vec<stockhold_protocol::Line> {
    let words = sentence.words.iter().skip(from).filter_map(|word| line(word));
    words.map(|(quantity, name)| stockhold_protocol::Line::new(SkuId(script.sku(name)), quantity)).collect()
}
