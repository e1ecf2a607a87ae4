//! Marks: set, listed and dropped by real processes, and set by imports.

use super::harness::{Server, run};
use serde_json::{Value, json};
use stockhold_client::blocking::Client;
use stockhold_protocol::Timestamp;

fn names(server: &Server) -> Vec<String> {
    let listed = server.ok(&["mark", "list"]);
    let marks = listed["marks"].as_array().unwrap();
    marks.iter().map(|mark| mark["name"].as_str().unwrap().to_owned()).collect()
}

/// Whether a text is a time such as 2026-11-22T03:04:05Z.
fn is_time(text: &str) -> bool {
    let form: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    form == "0000-00-00T00:00:00Z"
}

#[test]
fn marks_are_set_listed_and_dropped() {
    // Proves the life of a mark through the command line and the client crate, across a crash: a taken name is refused with op
    // and time, an unknown one is a wrong request, a dropped one is free again, and a repeated id does nothing twice.
    let server = Server::start();
    assert_eq!(server.ok(&["mark", "list"]), json!({"marks": []}));
    let set = server.ok(&["mark", "set", "before the sale"]);
    assert_eq!((&set["command"], &set["code"]), (&json!("mark"), &json!("ok")), "{set}");
    server.ok(&["mark", "set", "auto/test"]);
    let listed = server.ok(&["mark", "list"]);
    let first = &listed["marks"][0];
    let time = first["time"].as_str().unwrap();
    assert!(is_time(time), "{listed}");
    assert_eq!((&first["op"], &first["automatic"]), (&set["op"], &json!(false)), "{listed}");
    assert_eq!(listed["marks"][1]["automatic"], true, "{listed}");
    let taken = server.call(&["mark", "set", "before the sale"]);
    assert_eq!((taken.code, &taken.document["code"]), (1, &json!("name_taken")));
    let rule = format!("belongs to the mark of op {}, set at {time}", set["op"]);
    assert_eq!(taken.document["detail"], json!({"field": "name", "rule": rule}));
    let server = server.crash_and_restart();
    let again = server.ok(&["mark", "set", "before the sale", "--id", set["id"].as_str().unwrap()]);
    assert_eq!((&again["replayed"], &again["op"]), (&json!(true), &set["op"]));
    assert_eq!(names(&server), ["before the sale", "auto/test"]);
    let unknown = server.call(&["mark", "drop", "after the sale"]);
    assert_eq!((unknown.code, &unknown.document["code"]), (2, &json!("unknown_name")));
    server.ok(&["mark", "drop", "before the sale"]);
    server.ok(&["mark", "set", "before the sale"]);
    let client = Client::connect(server.address()).unwrap();
    let marks = client.marks(None, 1_000).unwrap();
    let of_client: Vec<&str> = marks.iter().map(|mark| mark.name.as_str()).collect();
    assert_eq!(of_client, ["auto/test", "before the sale"]);
    client.unmark("auto/test").unwrap().into_result().unwrap();
    assert!(client.unmark("auto/test").unwrap().into_result().is_err());
    let rest = client.marks(Some(marks[0].op), 1_000).unwrap();
    assert_eq!((rest.len(), rest[0].op), (1, marks[1].op), "the cursor outlives its mark");
    assert_eq!(names(&server), ["before the sale"]);
    assert_eq!(server.ok(&["validate"])["sound"], true);
}

#[test]
fn a_list_of_marks_lines_up_and_an_unknown_word_is_explained() {
    // Proves the text for people, and that a mark by the form of earlier builds is not set but says how it is set now.
    let server = Server::start();
    let text = |arguments: &[&str]| {
        let output = run(&[&["--server", server.address()], arguments].concat());
        let (out, err) =
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        (output.status.code().unwrap(), out, err)
    };
    assert_eq!(text(&["mark", "list"]), (0, "there are no marks\n".to_owned(), String::new()));
    let (code, _, told) = text(&["mark", "before-black-friday"]);
    assert_eq!(code, 2);
    assert!(told.contains("stockhold mark set before-black-friday"), "{told}");
    assert!(names(&server).is_empty());
    server.ok(&["mark", "set", "before-black-friday"]);
    let (_, listed, _) = text(&["mark", "list"]);
    let lines: Vec<Vec<&str>> = listed.lines().map(|line| line.split("  ").collect()).collect();
    assert_eq!((lines.len(), lines[1][0]), (2, "before-black-friday"), "{listed}");
    assert!(listed.starts_with("name                 set at                op  restore from\n"), "{listed}");
    assert!(listed.ends_with("data directory\n"), "{listed}");
    assert!(is_time(lines[1][1]), "{listed}");
}

const ROWS: &str = "source_code,sku,status,quantity\neast,A,1,5\n";
const CATALOG: &str = "[[source]]\ncode = \"east\"\nname = \"East\"\ncountry = \"US\"\npostcode = \"1\"\n";

/// Writes a catalog and a file of source items that belong together.
fn files(server: &Server) -> [String; 2] {
    let (catalog, rows) = (server.path("catalog.toml"), server.path("rows.csv"));
    std::fs::write(&catalog, CATALOG).unwrap();
    std::fs::write(&rows, ROWS).unwrap();
    [catalog, rows]
}

/// Writes another count into the file of rows.
fn recount(rows: &str, quantity: u32) {
    let (kept, _) = ROWS.trim_end().rsplit_once(',').unwrap();
    std::fs::write(rows, format!("{kept},{quantity}\n")).unwrap();
}

/// The kinds of the commands in the log of a server, which ends. Imports in one second try several names for a mark, so
/// repeated kinds count once.
fn kinds(server: Server) -> Vec<String> {
    let directory = server.crash();
    let dumped = run(&["--json", "log", "dump", &directory.path().join("data").display().to_string()]);
    let lines = String::from_utf8(dumped.stdout).unwrap();
    let kind = |line: &str| serde_json::from_str::<Value>(line).unwrap()["kind"].as_str().unwrap().to_owned();
    let of_server = ["tick", "wall_offset", "begin_epoch"];
    let mut kinds: Vec<String> =
        lines.lines().map(kind).filter(|kind| !of_server.contains(&kind.as_str())).collect();
    kinds.dedup();
    kinds
}

#[test]
fn an_import_sets_one_mark_before_its_first_change_and_names_it() {
    // Proves that the mark comes before the commands of all files, that the report names it, also when a later file fails,
    // and that an import that sends nothing, a dry run and --no-mark set none.
    let server = Server::start();
    let [catalog, rows] = files(&server);
    let dry = server.ok(&["import", &catalog, &rows, "--dry-run"]);
    assert_eq!(dry["mark"], Value::Null, "{dry}");
    let unknown = server.call(&["import", &rows]);
    assert_eq!((unknown.code, &unknown.document["mark"]), (4, &Value::Null), "its only row has no source");
    let unmarked = server.ok(&["import", &catalog, "--no-mark"]);
    assert_eq!(unmarked["mark"], Value::Null, "{unmarked}");
    assert_eq!(names(&server), Vec::<String>::new());
    let imported = server.ok(&["import", &catalog, &rows]);
    let mark = imported["mark"].as_str().unwrap();
    assert!(is_time(mark.strip_prefix("auto/import/").unwrap()), "{imported}");
    assert_eq!(names(&server), [mark]);
    assert_eq!(server.ok(&["mark", "list"])["marks"][0]["op"], imported["mark_op"]);
    assert_eq!(server.ok(&["import", &rows])["mark"], Value::Null, "it has nothing to change");
    recount(&rows, 6);
    let stopped = server.call(&["import", &rows, &server.path("missing.csv")]);
    let second = names(&server).pop().unwrap();
    assert_eq!((stopped.code, names(&server).len()), (2, 2));
    assert!(stopped.stderr.contains(&format!("to undo it, restore to mark {second}")), "{}", stopped.stderr);
    recount(&rows, 7);
    let told = run(&["--server", server.address(), "import", &rows]);
    let third = names(&server).pop().unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains(&format!("\nto undo: restore to mark {third} (op ")), "{told}");
    let expected =
        ["define_source", "mark", "define_source", "define_sku", "count", "mark", "count", "mark", "count"];
    assert_eq!(kinds(server), expected);
}

#[test]
fn a_mark_whose_time_is_taken_gets_a_suffix() {
    // Proves that imports in one second, or beside others, each get a mark of their own.
    let server = Server::start();
    let [catalog, _] = files(&server);
    let client = Client::connect(server.address()).unwrap();
    let now_ms = stockhold_client::wall_clock_ms();
    for second in 0..60 {
        let time = Timestamp(now_ms + second * 1_000).to_rfc3339();
        client.mark(&format!("auto/import/{time}")).unwrap().into_result().unwrap();
    }
    let imported = server.ok(&["import", &catalog]);
    let mark = imported["mark"].as_str().unwrap();
    assert!(is_time(mark.strip_prefix("auto/import/").unwrap().strip_suffix("-2").unwrap()), "{imported}");
    assert_eq!(names(&server).pop().unwrap(), mark);
}

#[test]
fn an_import_without_room_for_a_mark_changes_nothing_unless_it_is_told_to() {
    // Proves the answer when all marks have names of their own, and that one automatic mark among them makes room.
    let server = Server::start();
    let [catalog, rows] = files(&server);
    let client = Client::connect(server.address()).unwrap();
    for number in 0..1_024 {
        client.mark(&format!("mark {number}")).unwrap().into_result().unwrap();
    }
    let refused = server.call(&["import", &catalog, &rows]);
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    for words in ["so nothing was changed", "1024 marks", "--no-mark"] {
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
    }
    assert_eq!(server.ok(&["show", "sources"])["sources"], json!([]));
    server.ok(&["import", &catalog, &rows, "--no-mark"]);
    server.ok(&["mark", "drop", "mark 7"]);
    server.ok(&["mark", "set", "auto/older"]);
    recount(&rows, 6);
    let imported = server.ok(&["import", &rows]);
    assert_eq!(names(&server).pop().as_deref(), imported["mark"].as_str());
    assert!(!names(&server).contains(&"auto/older".to_owned()));
    assert_eq!(names(&server).len(), 1_024);
}

#[test]
fn a_mark_that_is_no_longer_kept_is_told_by_the_list_and_by_status() {
    // Proves over whole processes that a mark keeps its log, that it is lost beyond the bound, and that both are told.
    let mut told = Vec::new();
    for keep_bytes in ["marks.keep-bytes=1000000000", "marks.keep-bytes=0"] {
        let server = Server::start_with(&["--set", keep_bytes]);
        let [catalog, _] = files(&server);
        let rows = server.path("many.csv");
        server.ok(&["import", &catalog, "--no-mark"]);
        server.ok(&["mark", "set", "before"]);
        for quantity in 5..9 {
            let lines: Vec<String> =
                (0..20_000).map(|number| format!("east,S{number},1,{quantity}")).collect();
            std::fs::write(&rows, format!("source_code,sku,status,quantity\n{}\n", lines.join("\n")))
                .unwrap();
            server.ok(&["import", &rows, "--no-mark"]);
            server.ok(&["snapshot"]);
        }
        let listed = server.ok(&["mark", "list"]);
        let status = server.ok(&["status"]);
        let metric = |name: &str| status["metrics"][name].as_u64().unwrap();
        let warnings = status["warnings"].to_string();
        let op = listed["marks"][0]["op"].as_u64().unwrap();
        let from = listed["marks"][0]["restore_from"].clone();
        told.push((
            from,
            metric("restorable_from_op") <= op,
            metric("marks_kept_bytes") > 0,
            metric("marks_lost"),
            warnings.contains("before"),
        ));
    }
    let (kept, lost) = (told.remove(0), told.remove(0));
    assert_eq!(kept, (json!("data directory"), true, true, 0, false));
    assert_eq!(lost, (Value::Null, false, false, 1, true));
}
