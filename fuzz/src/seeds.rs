//! Initial inputs, made by the real encoders. Without them a fuzzer would spend its time on finding the first valid
//! frame.

use super::history;
use std::fs;
use std::path::Path;

/// A target, a name, and the bytes.
pub type Seed = (&'static str, String, Vec<u8>);

/// All seeds. `root` is the root of the repository, which contains golden files and samples.
///
/// # Panics
/// When the golden files are missing.
#[must_use]
pub fn seeds(root: &Path) -> Vec<Seed> {
    let mut seeds = Vec::new();
    golden(&root.join("crates/protocol/golden"), &mut seeds);
    lives(&mut seeds);
    files(root, &mut seeds);
    drawn(&mut seeds);
    seeds
}

/// Golden bytes of the protocol: frames as they are, everything else as the body of a frame or as a record.
fn golden(folder: &Path, seeds: &mut Vec<Seed>) {
    let mut paths: Vec<_> =
        fs::read_dir(folder).expect("golden files").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let bytes = fs::read(&path).expect("a golden file");
        match name.split('_').next() {
            Some("frame") => {
                seeds.push(("frame", name.clone(), [&[0, 7], bytes.as_slice()].concat()));
                seeds.push(("session", name, [&[1, 4], bytes.as_slice()].concat()));
            }
            Some(kind @ ("query" | "answer")) => {
                let kind = if kind == "query" { 9 } else { 10 };
                let length = u16::try_from(bytes.len()).expect("small").to_le_bytes();
                let head = [1, 200, kind, 3, 0, 0, 1, length[0], length[1]];
                seeds.push(("frame", name, [&head[..], &bytes].concat()));
            }
            Some(_) => seeds.push(("command", name, [&[0], bytes.as_slice()].concat())),
            None => {}
        }
    }
}

/// The history of the shop as batches, and as what a connection sends.
fn lives(seeds: &mut Vec<Seed>) {
    let mut lived = history::History::new();
    for (name, records) in [("shop", history::shop()), ("sale", history::sale())] {
        let batch = lived.apply_batch(&records, 1);
        seeds.push(("command", format!("batch_{name}"), [&[0], batch.as_slice()].concat()));
        let mut stream = vec![0, 31];
        for some in records.chunks(5) {
            stream.extend([3, u8::try_from(some.len()).expect("few"), 5]);
            for record in some {
                stream.push(u8::try_from(record.len()).unwrap_or(255));
                stream.extend_from_slice(&record[..record.len().min(255)]);
            }
        }
        seeds.push(("session", format!("commands_{name}"), stream));
    }
}

/// Lists and catalogs.
fn files(root: &Path, seeds: &mut Vec<Seed>) {
    let rows = fs::read_to_string(root.join("examples/bicycles/stock.csv")).expect("the sample list");
    let some: Vec<&str> = rows.lines().take(6).collect();
    seeds.push(("csv", "bicycles".to_owned(), some.join("\n").into_bytes()));
    let odd =
        "sku,quantity,extra,source_code,status\r\n\"a,b\",-1.5,x,\"eu \"\"1\"\"\",0\r\n c ,100000,,us,\r\n";
    seeds.push(("csv", "odd".to_owned(), odd.as_bytes().to_vec()));
    let catalog =
        fs::read_to_string(root.join("examples/bicycles/catalog.toml")).expect("the sample catalog");
    seeds.push(("catalog", "bicycles".to_owned(), [&[0], catalog.as_bytes()].concat()));
    for (at, entry) in (0..).zip(catalog.split("\n\n").filter(|entry| entry.contains("[["))) {
        seeds.push(("catalog", format!("entry_{at}"), [&[0], entry.as_bytes()].concat()));
    }
    let json = r#"{"settings":{"backorders":"yes","min_qty":"-2.5"},"source":[{"code":"a","name":"A","country":"NL","postcode":"1"}],"sku":[{"sku":"S","decimals":true}]}"#;
    seeds.push(("catalog", "json".to_owned(), [&[1], json.as_bytes()].concat()));
}

/// Scripts of damages and steps: a few of each kind, which the fuzzer combines.
fn drawn(seeds: &mut Vec<Seed>) {
    for kind in 0..8_u8 {
        for mended in [0, 0x40] {
            let script = [kind | mended, 1, 2, 16, 0, 8, 255, 0, 0, 0, 0, 0, 0, 0];
            seeds.push(("segment", format!("damage_{kind}_{mended}"), script.to_vec()));
        }
        let script = [1, kind, 3, 8, 8, 1, 0, 0, 0, 0, 0, 0, 0];
        seeds.push(("snapshot", format!("section_{kind}"), script.to_vec()));
        seeds.push(("snapshot", format!("file_{kind}"), [0, kind, 150, 0, 2, 9, 9].to_vec()));
    }
    seeds.push(("segment", "sound".to_owned(), Vec::new()));
    seeds.push(("snapshot", "sound".to_owned(), vec![1]));
    let mut steps = vec![0xFF; 3];
    steps.extend([14; 15]);
    for kind in (0..=255_u8).step_by(4) {
        steps.extend([140, kind, 1, 1, 0, 3, 2, 5, 80]);
    }
    seeds.push(("machine_model", "every_step".to_owned(), steps));
}
