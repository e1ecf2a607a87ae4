//! `stockhold restore` as an operator uses it: a bad import, a dry run, a restore beside the running server.

use super::harness::{Server, code, run};
use serde_json::Value;

fn json(arguments: &[&str]) -> (i32, Value) {
    let output = run(arguments);
    let bytes = if output.stdout.is_empty() { &output.stderr } else { &output.stdout };
    (code(&output), serde_json::from_slice(bytes).expect("a JSON document"))
}

/// A shop with 40 SKUs of 100 units each.
fn shop() -> Server {
    open(Server::start())
}

fn open(server: Server) -> Server {
    server.ok(&["define", "source", "east", "--name", "East", "--country", "US", "--postcode", "1"]);
    server.ok(&["define", "stock", "web"]);
    server.ok(&["link", "--stock", "web", "--source", "east"]);
    import(&server, 100);
    server
}

/// Counts every SKU.
fn import(server: &Server, quantity: u32) {
    let rows: Vec<String> = (0..40).map(|sku| format!("east,S{sku},1,{quantity}")).collect();
    let path = server.path("rows.csv");
    std::fs::write(&path, format!("source_code,sku,status,quantity\n{}\n", rows.join("\n")))
        .expect("a file can be written");
    server.ok(&["import", &path]);
}

fn salable(server: &Server, sku: &str) -> String {
    let document = server.ok(&["salable", sku, "--stock", "web"]);
    document["salable"][0]["salable"].as_str().expect("a quantity").to_owned()
}

#[test]
fn a_bad_import_is_found_by_a_dry_run_and_undone_by_a_restore() {
    // Proves that the dry run names the first and last op of the import and counts what it changed, and that the restored
    // directory has the state before it and serves the clients that held units.
    let server = shop();
    let held = server.ok(&["reserve", "--stock", "web", "--line", "S1=3", "--ttl", "20m"]);
    let before = held["op"].as_u64().expect("an op");
    import(&server, 0);
    server.ok(&["confirm", held["id"].as_str().expect("an id")]);
    let from = server.path("data");
    let op = before.to_string();
    let (status, undone) = json(&["restore", "--from", &from, "--to-op", &op, "--dry-run", "--json"]);
    assert_eq!(status, 0, "{undone}");
    let bulk = &undone["bulk_changes"][0];
    assert_eq!(bulk["kinds"], serde_json::json!({"count": 40, "mark": 1}));
    let (first, last) = (bulk["first_op"].as_u64().expect("an op"), bulk["last_op"].as_u64().expect("an op"));
    // Ticks may be in between, because there is a hold.
    assert!(first > before && last >= first + 39, "{bulk}");
    let goods = undone["goods"].as_array().expect("a list");
    assert_eq!(goods.len(), 40);
    assert!(goods.iter().all(|one| one["on_hand_then"] == "100" && one["on_hand_now"] == "0"), "{goods:?}");
    let promise = &undone["promises"][0];
    assert_eq!((&promise["held_then"], &promise["confirmed_now"]), (&"3".into(), &"3".into()));
    assert_eq!(undone["reservations"][0]["now"], "confirmed");
    assert_eq!(undone["reservations"][0]["then"], "held");

    let to = server.path("restored");
    let import_begins = (first - 1).to_string();
    let restore = ["restore", "--from", &from, "--to-dir", &to, "--to-op", &import_begins, "--json"];
    let (status, restored) = json(&restore);
    assert_eq!(status, 0, "{restored}");
    assert_eq!(restored["op"].as_u64(), Some(first - 1));
    assert_eq!(restored["epoch"], 2);
    let (status, verified) = json(&["verify", &to, "--json"]);
    assert_eq!((status, &verified["digest"]), (0, &restored["digest"]));
    let (status, refused) = json(&restore);
    assert_eq!(status, 2, "{refused}");
    assert!(refused["error"].as_str().expect("a sentence").contains("is not empty"), "{refused}");

    let server = server.serve_instead("restored");
    assert_eq!((salable(&server, "S1").as_str(), salable(&server, "S2").as_str()), ("97", "100"));
    server.ok(&["confirm", held["id"].as_str().expect("an id")]);
    assert_eq!(server.ok(&["validate"])["violations"], serde_json::json!([]));
}

#[test]
fn a_restore_to_the_mark_of_an_import_undoes_the_import() {
    // Proves that the mark which an import names is a target, and that an unknown one is refused with the newest there is.
    let server = shop();
    import(&server, 0);
    let marks = server.ok(&["mark", "list"]);
    let newest =
        marks["marks"].as_array().expect("a list").last().expect("two imports set two marks").clone();
    let name = newest["name"].as_str().expect("a name");
    let (from, to) = (server.path("data"), server.path("restored"));
    let (status, refused) = json(&["restore", "--from", &from, "--to-mark", "none", "--dry-run", "--json"]);
    assert_eq!(status, 2, "{refused}");
    assert!(refused["error"].as_str().is_some_and(|error| error.contains(name)), "{refused}");
    let (status, restored) =
        json(&["restore", "--from", &from, "--to-mark", name, "--to-dir", &to, "--json"]);
    assert_eq!((status, &restored["op"]), (0, &newest["op"]), "{restored}");
    let server = server.serve_instead("restored");
    assert_eq!((salable(&server, "S1").as_str(), salable(&server, "S39").as_str()), ("100", "100"));
}

#[test]
fn wrong_targets_are_refused_with_the_range_that_exists() {
    // Proves exit code 2 and the range, for an op and for times, and that nothing is created.
    let server = shop();
    let (from, to) = (server.path("data"), server.path("restored"));
    for (flags, part) in [
        (["--to-op", "9999999"], "is after the end of the log: the last op is "),
        (
            ["--to-time", "2001-01-01T00:00:00Z"],
            "is before the oldest state that can be reached: the state after op 0, ",
        ),
        (["--to-time", "2199-01-01T00:00:00Z"], "is after the end of the log: the last op is "),
        (["--to-time", "noon"], "is no time of RFC 3339"),
    ] {
        let output = run(&[&["restore", "--from", &from, "--to-dir", &to][..], &flags].concat());
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(code(&output), 2, "{message}");
        assert!(message.contains(part), "{message}");
    }
    let none = run(&["restore", "--from", &from]);
    assert_eq!(code(&none), 2);
    assert!(String::from_utf8_lossy(&none.stderr).contains("--to-dir"));
    let both = run(&["restore", "--from", &from, "--to-dir", &to, "--to-op", "1", "--latest"]);
    assert_eq!(code(&both), 2);
    let left = std::fs::read_dir(&to).map_or(0, Iterator::count);
    assert!(left <= 1, "at most the lock was made");
}

#[test]
fn a_backup_of_a_running_server_is_listed_verified_and_restored() {
    // Proves that backups are incremental, that the archive alone leads to the same digest, and that a restore of a restore
    // keeps both histories and asks which one is meant.
    let server = shop();
    let (data, archive) = (server.path("data"), server.path("archive"));
    let backup = ["backup", "--data-dir", &data, "--to", &archive, "--json"];
    let (status, first) = json(&backup);
    assert_eq!(status, 0, "{first}");
    server.ok(&["snapshot"]);
    let op = server.ok(&["reserve", "--stock", "web", "--line", "S1=3"])["op"].as_u64().expect("an op");
    let (_, second) = json(&backup);
    assert_eq!((&second["snapshots"], &second["last_position"]), (&1.into(), &op.into()));
    let (_, third) = json(&backup);
    assert_eq!((&third["bytes"], &third["last_position"]), (&0.into(), &op.into()));
    let (status, verified) = json(&["backup", "verify", &archive, "--json"]);
    assert_eq!((status, &verified["op"]), (0, &op.into()));
    assert_eq!(verified["digest"], server.ok(&["validate"])["digest"]);

    let to = server.path("restored");
    let earlier = (op - 1).to_string();
    let (status, restored) =
        json(&["restore", "--from", &archive, "--to-dir", &to, "--to-op", &earlier, "--json"]);
    assert_eq!(status, 0, "{restored}");
    let server = server.serve_instead("restored");
    for _ in 0..3 {
        server.ok(&["reserve", "--stock", "web", "--line", "S2=1"]);
    }
    let (status, branch) = json(&["backup", "--data-dir", &server.path("data"), "--to", &archive, "--json"]);
    assert_eq!(status, 0, "{branch}");
    let (_, list) = json(&["backup", "list", &archive, "--json"]);
    let reasons: Vec<&Value> = list.as_array().expect("a list").iter().map(|one| &one["because"]).collect();
    assert_eq!(reasons, ["format", "restore"]);
    let dry =
        |flags: &[&str]| json(&[&["restore", "--from", &archive, "--dry-run", "--json"], flags].concat());
    let both = op.to_string();
    let (status, refused) = dry(&["--to-op", &both]);
    assert_eq!(status, 2, "{refused}");
    assert!(refused["error"].as_str().expect("a sentence").contains("is in two histories"), "{refused}");
    assert_eq!(dry(&["--to-op", &both, "--epoch", "1"]).1["ops"], 0);
    assert_eq!(dry(&["--to-op", &both, "--epoch", "2"]).1["target"]["op"], op);
    // What came before the restore is in the first history.
    assert_eq!(dry(&["--to-op", "20"]).1["target"]["op"], 20);
}

#[test]
fn a_time_never_means_a_state_that_a_restore_has_undone() {
    // Proves that a time between the point of a restore and the restore itself is refused with the choices that there are,
    // that the dry run of a target before the restore counts nothing that was undone already, and that a second restore
    // to before the first begins an epoch that no history has.
    let server = shop();
    let (data, archive) = (server.path("data"), server.path("archive"));
    let kept = server.ok(&["reserve", "--stock", "web", "--line", "S1=1"])["op"].as_u64().expect("an op");
    std::thread::sleep(std::time::Duration::from_millis(20));
    let second = server.ok(&["reserve", "--stock", "web", "--line", "S1=2"]);
    std::thread::sleep(std::time::Duration::from_millis(20));
    let undone_at = stockhold::calendar::rfc3339(stockhold_client::wall_clock_ms());
    server.ok(&["reserve", "--stock", "web", "--line", "S1=4"]);
    assert_eq!(json(&["backup", "--data-dir", &data, "--to", &archive, "--json"]).0, 0);
    let to = server.path("restored");
    let restore = |to: &str, op: u64| {
        let op = op.to_string();
        json(&["restore", "--from", &archive, "--to-dir", to, "--to-op", &op, "--json"])
    };
    assert_eq!(restore(&to, kept).1["epoch"], 2);
    let server = server.serve_instead("restored");
    server.ok(&["reserve", "--stock", "web", "--line", "S2=1"]);
    assert_eq!(json(&["backup", "--data-dir", &server.path("data"), "--to", &archive, "--json"]).0, 0);

    let dry =
        |flags: &[&str]| json(&[&["restore", "--from", &archive, "--dry-run", "--json"], flags].concat());
    let (status, refused) = dry(&["--to-time", &undone_at]);
    assert_eq!(status, 2, "{refused}");
    let error = refused["error"].as_str().expect("a sentence");
    let op = second["op"].as_u64().expect("an op");
    for part in [
        format!("the log was at op {op}, which a restore to op {kept} has undone"),
        format!("--to-op {kept}, or --epoch 1"),
    ] {
        assert!(error.contains(&part), "{part}: {error}");
    }
    assert_eq!(dry(&["--to-time", &undone_at, "--epoch", "1"]).1["target"]["op"], op);

    let (status, undone) = dry(&["--to-op", &(kept - 1).to_string()]);
    assert_eq!(status, 0, "{undone}");
    let commands = undone["commands"].as_array().expect("a list");
    let reserves = commands.iter().find(|one| one["kind"] == "reserve").expect("reserves are undone");
    assert_eq!(reserves["accepted"], 2, "the kept one and the one after the restore: {undone}");
    let (again, restored) = restore(&server.path("again"), kept - 1);
    assert_eq!((again, &restored["epoch"]), (0, &3.into()), "{restored}");
    assert_eq!(restored["undone"]["commands"], 2, "{restored}");
}

fn lag_ops(server: &Server) -> i64 {
    server.ok(&["status"])["metrics"]["archive_lag_ops"].as_i64().expect("an archive is configured")
}

#[test]
fn a_server_that_lost_its_directory_is_restored_from_its_archive_alone() {
    // Proves that what was archived survives the loss of the machine: every order that was answered before the archive had
    // caught up is there, and the restore says up to where.
    let options = ["--set", "archive.url={}/archive", "--set", "archive.interval-ms=50"];
    let server = open(Server::start_with(&options));
    let mut orders = Vec::new();
    for order in 0..20 {
        let sku = format!("S{}=1", order % 7);
        orders.push(server.ok(&["reserve", "--stock", "web", "--line", &sku]));
        if order == 10 {
            server.ok(&["snapshot"]);
        }
    }
    let began = std::time::Instant::now();
    while lag_ops(&server) > 0 {
        assert!(began.elapsed().as_secs() < 20, "the archive does not catch up");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let lost = server.lose_directory();
    let (archive, data) = (lost.path("archive"), lost.path("data"));
    let (status, restored) = json(&["restore", "--from", &archive, "--to-dir", &data, "--json"]);
    assert_eq!(status, 0, "{restored}");
    let last = orders.last().expect("there are orders");
    assert!(restored["op"].as_u64() >= last["op"].as_u64(), "{restored} {last}");
    assert!(restored["time"].as_str().is_some_and(|time| time.ends_with('Z')), "{restored}");
    let server = lost.serve();
    for order in &orders {
        let shown = server.ok(&["show", "reservation", order["id"].as_str().expect("an id")]);
        assert_eq!(shown["state"], "confirmed", "{shown}");
    }
    assert_eq!(server.ok(&["validate"])["violations"], serde_json::json!([]));
}

#[test]
fn a_place_that_cannot_be_an_archive_ends_the_start_with_the_reason() {
    // Proves exit code 2 and the reason, for a scheme that does not exist and for one that this program was built without.
    let folder = tempfile::tempdir().expect("a directory can be made");
    let data = folder.path().join("data").display().to_string();
    assert_eq!(code(&run(&["format", &data])), 0);
    for (url, part) in [
        ("ftp://host/place", "the scheme ftp is unknown"),
        ("/dev/null/archive", "is no place for an archive"),
    ] {
        let option = format!("archive.url={url}");
        let output = run(&["serve", "--data-dir", &data, "--listen", "127.0.0.1:0", "--set", &option]);
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(code(&output), 2, "{message}");
        assert!(message.contains(part), "{message}");
        let backup = run(&["backup", "--data-dir", &data, "--to", url]);
        assert_eq!(code(&backup), 2, "{}", String::from_utf8_lossy(&backup.stderr));
    }
}
