//! Marks: set, listed and dropped by real processes, and set by imports.

use super::harness::{Server, run};
use serde_json::json;
use stockhold_client::blocking::Client;

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
    assert!(listed.starts_with("name                 set at                op\n"), "{listed}");
    assert!(is_time(lines[1][1]), "{listed}");
}
