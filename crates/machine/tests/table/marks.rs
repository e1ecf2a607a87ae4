//! Marks: whose name one is, what makes room when there are too many, how they are listed, and what a snapshot may bring.

use super::machines::START_S;
use super::script::{Script, run};
use stockhold_machine::config::MARKS_MAX;
use stockhold_machine::table::record_hash;
use stockhold_machine::{Genesis, LoadError, Machine, Progress, Section, SnapshotMark};
use stockhold_protocol::command::{Mark, MarkRemoval};
use stockhold_protocol::query::{LIST_MAX, MarkView, Query, QueryAnswer};
use stockhold_protocol::{Code, Command, CommandId, Detail, Envelope, Outcome, Timestamp};

const START_MS: u64 = START_S * 1_000;

fn page(machine: &Machine, after: Option<u64>, limit: u32) -> Vec<MarkView> {
    match machine.query(&Query::Marks { after, limit }) {
        Some(QueryAnswer::Marks(views)) => views,
        other => panic!("{other:?}"),
    }
}

fn names(script: &Script) -> Vec<String> {
    page(&script.machines.plain, None, LIST_MAX).into_iter().map(|view| view.name).collect()
}

/// The rule that a refusal of a name states.
fn rule(script: &mut Script, number: u128, name: &str) -> String {
    let id = CommandId::from_parts(script.machines.now.0, number);
    let outcome = script.machines.apply(&record(id, Command::Mark(Mark::new(name))));
    let Detail::Field { field, rule } = outcome.detail else { panic!("{outcome:?}") };
    assert_eq!((outcome.code, field.as_str()), (Code::NameTaken, "name"));
    rule
}

fn record(id: CommandId, command: Command<'_>) -> Vec<u8> {
    let mut record = Vec::new();
    Envelope::new(id, command).encode(&mut record).unwrap();
    record
}

#[test]
fn a_name_belongs_to_one_mark_until_it_is_dropped() {
    // Proves that a taken name is refused with the op and the shown time of its mark, that a repeated command gets its
    // recorded answer whatever has become of the mark, and that a dropped name may be given again.
    let mut script = run("
        mark before id=m1   -> ok value=0 recorded bare
        mark before         -> name_taken recorded field=name
        mark Before         -> ok
        mark before id=m1   -> ok replayed
        time +10m
    ");
    // Marks of ops 1 and 3.
    assert_eq!(rule(&mut script, 1, "before"), "belongs to the mark of op 1, set at 2025-11-22T08:26:40Z");
    script.go("wall_offset -400001 -> ok unrecorded");
    assert_eq!(rule(&mut script, 2, "Before"), "belongs to the mark of op 3, set at 2025-11-22T08:19:59Z");
    script.go("
        unmark before id=d1 -> ok value=0 recorded bare
        unmark before       -> unknown_name unrecorded field=name
        unmark after        -> unknown_name
        mark before id=m1   -> ok replayed
        mark before         -> ok
        unmark before id=d1 -> ok replayed
        unmark after id=m1  -> id_reused
        mark before id=d1   -> id_reused
    ");
    assert_eq!(names(&script), ["Before", "before"]);
    assert_eq!(script.machines.plain.stats().marks, 2);
}

/// A machine by itself.
struct Plain {
    machine: Machine,
    ids: u128,
}

impl Plain {
    fn new() -> Self {
        let formatted_at = Timestamp(START_MS);
        Self { machine: Machine::new(&Genesis { formatted_at, ..Genesis::default() }), ids: 0 }
    }

    fn send(&mut self, command: Command<'_>) -> Outcome {
        self.ids += 1;
        let now = Timestamp(START_MS + u64::try_from(self.ids).unwrap());
        self.machine.apply(now, &record(CommandId::from_parts(now.0, self.ids), command))
    }

    fn mark(&mut self, name: &str) -> Outcome {
        self.send(Command::Mark(Mark::new(name)))
    }

    fn unmark(&mut self, name: &str) -> Code {
        self.send(Command::Unmark(MarkRemoval { name: name.to_owned() })).code
    }

    fn has(&self, name: &str) -> bool {
        let mut after = None;
        loop {
            let page = page(&self.machine, after, LIST_MAX);
            let Some(last) = page.last() else { return false };
            after = Some(last.op);
            if page.iter().any(|view| view.name == name) {
                return true;
            }
        }
    }
}

#[test]
fn automatic_marks_make_room_and_named_ones_stay() {
    // Proves the answer one below, at and above the limit: the oldest automatic mark goes, whatever the new one is; a taken
    // name is refused first and removes nothing; and when all are named, the new one is refused.
    let mut plain = Plain::new();
    let named: Vec<String> = (3..=MARKS_MAX).map(|number| format!("mark {number}")).collect();
    for name in ["auto/1", &named[0], "auto/2"].into_iter().chain(named[1..].iter().map(String::as_str)) {
        assert_eq!(plain.mark(name).code, Code::Ok, "{name}");
    }
    assert_eq!(plain.machine.stats().marks, u64::try_from(MARKS_MAX).unwrap());
    assert_eq!(plain.mark("auto/2").code, Code::NameTaken);
    assert!(plain.has("auto/1") && plain.has("auto/2"), "a refusal removes nothing");
    assert_eq!(plain.mark("one more").code, Code::Ok);
    assert!(!plain.has("auto/1") && plain.has("auto/2"));
    assert_eq!(plain.mark("auto/3").code, Code::Ok);
    assert!(!plain.has("auto/2") && plain.has("auto/3"));
    assert_eq!(plain.mark("auto").code, Code::Ok, "only the whole beginning makes a mark automatic");
    assert!(!plain.has("auto/3"));
    for name in ["two more", "auto/4"] {
        let full = plain.mark(name);
        let limit = Detail::Limit { name: "marks".into(), value: MARKS_MAX.try_into().unwrap() };
        assert_eq!((full.code, full.recorded, full.detail), (Code::LimitReached, true, limit), "{name}");
    }
    assert_eq!(plain.unmark(&named[5]), Code::Ok);
    assert_eq!((plain.mark("auto/4").code, plain.mark(&named[5]).code), (Code::Ok, Code::Ok));
    assert!(!plain.has("auto/4"));
    assert!(named.iter().all(|name| plain.has(name)), "no named mark was removed");
    assert_eq!(plain.machine.validate(), Vec::<String>::new());
}

#[test]
fn pages_of_marks_are_complete_whatever_is_dropped_meanwhile() {
    // Proves the order, the limit and the bound on cost of a page, what an entry tells, and that the cursor outlives its mark.
    let mut plain = Plain::new();
    for number in 1..=600 {
        let text = if number <= 300 { "x".repeat(240) } else { String::new() };
        assert_eq!(plain.mark(&format!("{number}{text}")).code, Code::Ok);
    }
    assert_eq!(
        plain.machine.apply(Timestamp(0), &record(CommandId::NONE, Command::WallOffset(-7))).code,
        Code::Ok
    );
    let first = page(&plain.machine, None, 2);
    let of = |op: u64, name: String| MarkView { op, name, time_ms: START_MS + op, shown_offset_ms: -7 };
    assert_eq!(first, [of(1, format!("1{}", "x".repeat(240))), of(2, format!("2{}", "x".repeat(240)))]);
    assert_eq!(page(&plain.machine, None, 0).len(), 1, "a limit out of range is replaced by the nearer one");
    assert_eq!(plain.unmark(&first[1].name), Code::Ok);
    let (mut ops, mut pages, mut after) = (Vec::new(), Vec::new(), Some(2));
    loop {
        let page = page(&plain.machine, after, u32::MAX);
        let Some(last) = page.last() else { break };
        after = Some(last.op);
        pages.push(page.len());
        ops.extend(page.iter().map(|view| view.op));
    }
    // A long name costs four records.
    assert_eq!((pages[0], pages.len()), (250, 2));
    assert_eq!(ops, (3..=600).collect::<Vec<_>>());
    assert_eq!(page(&plain.machine, Some(u64::MAX), 1), []);
}

/// Section, number of records and bytes of each frame.
type Frames = Vec<(u16, u32, Vec<u8>)>;

/// Loads a snapshot whose frame of marks is changed.
fn load(
    (frames, mark): (&Frames, &SnapshotMark),
    change: &dyn Fn(&mut Vec<u8>),
) -> Result<Vec<MarkView>, LoadError> {
    let (mut loader, mut mark) = (Machine::loader(), *mark);
    for (section, records, bytes) in frames {
        let mut bytes = bytes.clone();
        if *section == Section::Mark.number() {
            let hash = |bytes: &[u8]| {
                let records =
                    bytes.chunks(bytes.len() / 2).map(|bytes| record_hash(Section::Mark as u8, bytes));
                records.fold(0, u64::wrapping_add)
            };
            mark.digest = mark.digest.wrapping_sub(hash(&bytes));
            change(&mut bytes);
            mark.digest = mark.digest.wrapping_add(hash(&bytes));
        }
        loader.section(*section, *records, &bytes)?;
    }
    Ok(page(&loader.finish(&mark)?, None, LIST_MAX))
}

#[test]
fn a_snapshot_brings_marks_back_and_none_that_no_machine_has() {
    // Proves that marks load with their ops, names and times, and that two of one name, one of an op to come, and marks out
    // of order are refused.
    let mut plain = Plain::new();
    for name in ["dropped", "first", "other"] {
        assert_eq!(plain.mark(name).code, Code::Ok);
    }
    assert_eq!(plain.unmark("dropped"), Code::Ok);
    let mut frames = Frames::new();
    let mark = plain.machine.begin_snapshot();
    let mut sink = |section, records, bytes: &[u8]| frames.push((section, records, bytes.to_vec()));
    while plain.machine.snapshot_step(1_000, &mut sink) == Progress::More {}
    let taken = (&frames, &mark);
    assert_eq!(load(taken, &|_| ()), Ok(page(&plain.machine, None, LIST_MAX)));
    // Length, then each field with a head of six bytes: op, time, name (length, text). Both names have five letters.
    let (op_at, name_at, record_bytes) = (4 + 6, 4 + 6 + 8 + 6 + 8 + 6 + 8, 4 + 6 + 8 + 6 + 8 + 6 + 8 + 5);
    let refused = load(taken, &|bytes| bytes[record_bytes + name_at..].copy_from_slice(b"first"));
    assert!(matches!(refused, Err(LoadError::Record(Section::Mark, "mark.name", _))), "{refused:?}");
    let refused = load(taken, &|bytes| bytes[op_at] = 3);
    assert!(matches!(refused, Err(LoadError::Record(Section::Mark, "number", _))), "{refused:?}");
    let refused = load(taken, &|bytes| bytes[record_bytes + op_at] = 5);
    assert_eq!(refused, Err(LoadError::Dangling(Section::Mark)));
    assert!(load(taken, &|bytes| bytes[record_bytes + op_at] = 4).is_ok(), "it is the last op");
}
