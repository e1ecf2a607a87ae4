//! `log verify` on directories and archives of real servers.

use super::harness::{Server, code, run};
use serde_json::{Value, json};
use std::path::Path;

fn log_verify(place: &str) -> (i32, Value) {
    let output = run(&["--json", "log", "verify", place]);
    let document = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (code(&output), document)
}

#[test]
fn the_first_damage_is_named_by_segment_and_offset() {
    // Proves a sound directory, beside its server too, a sound archive, the place of the first of two flipped bits, and the
    // advice of what to run next.
    let server = Server::start();
    server.import_sample();
    let data = server.path("data");
    let (code, beside) = log_verify(&data);
    assert_eq!((code, &beside["sound"], &beside["first_damage"]), (0, &json!(true), &Value::Null));
    assert!(beside["next"].as_str().unwrap().starts_with("`stockhold verify "), "{beside}");
    assert!(beside["digests"]["recorded"].as_u64() > Some(0), "{beside}");
    let directory = server.crash();
    let archive = directory.path().join("archive").display().to_string();
    Server::local(&["backup", "--data-dir", &data, "--to", &archive]);
    let (code, archived) = log_verify(&archive);
    assert_eq!((code, &archived["log"]["records"]), (0, &beside["log"]["records"]), "{archived}");
    let from = run(&["--json", "log", "dump", &data, "--raw", "--from", "300", "--limit", "1"]);
    let place: Value = serde_json::from_slice(&from.stdout).unwrap();
    let (segment, offset) = (place["segment"].as_u64().unwrap(), place["offset"].as_u64().unwrap());
    let file = format!("{segment:016}.segment");
    let path = Path::new(&data).join(&file);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[usize::try_from(offset).unwrap() + 200] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let (code, damaged) = log_verify(&data);
    assert_eq!((code, &damaged["sound"]), (4, &json!(false)), "{damaged}");
    assert_eq!(damaged["first_damage"], json!({"file": file, "offset": offset}), "{damaged}");
    assert!(damaged["next"].as_str().unwrap().contains("log truncate"), "{damaged}");
    let text = String::from_utf8(run(&["log", "verify", &data]).stdout).unwrap();
    assert!(text.contains(&format!("first damage: {file}, byte {offset}: a frame is damaged")), "{text}");
    assert_eq!(log_verify(&directory.path().join("none").display().to_string()).0, 2);
}
