//! No file of the machine or of the server imports, directly or through others, a file that imports it. So data flows
//! one way, and a file can be understood from itself and the files that it imports.
#![expect(clippy::unwrap_used, reason = "a test tells by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The path of a module from the root of its crate.
type Module = Vec<String>;

/// The modules of a crate with the code of their files, without comments and tests.
struct Tree(BTreeMap<Module, String>);

/// The re-exports of the files: a name of a module stands for another name in another module.
type Exports = BTreeMap<(Module, String), (Module, Vec<String>)>;

impl Tree {
    fn read(folder: &Path) -> Self {
        let mut files = BTreeMap::new();
        let mut left = vec![(folder.to_owned(), Vec::new())];
        while let Some((folder, module)) = left.pop() {
            for entry in fs::read_dir(&folder).unwrap().flatten() {
                let name = entry.file_name().into_string().unwrap();
                let within = |name: &str| [&module[..], &[name.to_owned()]].concat();
                if entry.path().is_dir() {
                    left.push((entry.path(), within(&name)));
                } else if let Some(name) = name.strip_suffix(".rs").filter(|name| *name != "main") {
                    let module = if name == "lib" || name == "mod" { module.clone() } else { within(name) };
                    files.insert(module, fs::read_to_string(entry.path()).unwrap());
                }
            }
        }
        files.retain(|module, _| !module.iter().any(|name| name == "tests" || name.ends_with("_tests")));
        Self::of(files)
    }

    fn of(files: BTreeMap<Module, String>) -> Self {
        let code = |text: &str| {
            let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
            lines.collect::<Vec<_>>().join("\n")
        };
        Self(files.into_iter().map(|(module, text)| (module, code(&text))).collect())
    }

    /// Resolves a path that is written in `module` to a module and the rest of the path; `None` for another crate.
    fn resolve(&self, module: &Module, path: &[String]) -> Option<(Module, Vec<String>)> {
        let mut at = match path.first()?.as_str() {
            "crate" => Vec::new(),
            "self" | "super" => module.clone(),
            first => {
                let child = [&module[..], &[first.to_owned()]].concat();
                return self.0.contains_key(&child).then(|| self.descend(module.clone(), path));
            }
        };
        let mut rest = if path[0] == "super" { path } else { &path[1..] };
        while rest.first().is_some_and(|name| name == "super") {
            at.pop();
            rest = &rest[1..];
        }
        Some(self.descend(at, rest))
    }

    fn descend(&self, mut at: Module, mut rest: &[String]) -> (Module, Vec<String>) {
        while let Some((name, further)) = rest.split_first() {
            let child = [&at[..], std::slice::from_ref(name)].concat();
            if !self.0.contains_key(&child) {
                break;
            }
            (at, rest) = (child, further);
        }
        (at, rest.to_vec())
    }

    /// The files that each file imports.
    fn imports(&self) -> BTreeMap<Module, BTreeSet<Module>> {
        let mut exports = Exports::new();
        let mut uses = Vec::new();
        for (module, text) in &self.0 {
            let (statements, code) = statements(text);
            for (is_public, path) in statements {
                let Some((target, rest)) = self.resolve(module, &path) else { continue };
                if is_public {
                    let name = path.last().cloned().unwrap_or_default();
                    exports.insert((module.clone(), name), (target, rest));
                } else {
                    uses.push((module, target, rest));
                }
            }
            for path in paths(&code) {
                uses.extend(self.resolve(module, &path).map(|(target, rest)| (module, target, rest)));
            }
        }
        let mut imports: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
        for (module, target, rest) in uses {
            let target = origin(&exports, target, rest);
            if target != *module && self.0.contains_key(&target) {
                imports.entry(module.clone()).or_default().insert(target);
            }
        }
        imports
    }

    /// The groups of files that import each other.
    fn circles(&self) -> Vec<Vec<String>> {
        let imports = self.imports();
        let reached = |from: &Module| {
            let (mut seen, mut left) = (BTreeSet::new(), vec![from.clone()]);
            while let Some(module) = left.pop() {
                for next in imports.get(&module).into_iter().flatten() {
                    if seen.insert(next.clone()) {
                        left.push(next.clone());
                    }
                }
            }
            seen
        };
        let all: BTreeMap<&Module, BTreeSet<Module>> =
            self.0.keys().map(|module| (module, reached(module))).collect();
        let circle = |module: &Module| -> Vec<String> {
            let within = all[module].iter().filter(|other| all[*other].contains(module));
            within.map(|other| other.join("::")).collect()
        };
        let circles: BTreeSet<Vec<String>> =
            self.0.keys().filter(|module| all[*module].contains(*module)).map(circle).collect();
        circles.into_iter().collect()
    }
}

/// Follows re-exports to the module that defines a name.
fn origin(exports: &Exports, mut target: Module, mut rest: Vec<String>) -> Module {
    for _ in 0..8 {
        let Some(name) = rest.first() else { break };
        let Some((next, further)) = exports.get(&(target.clone(), name.clone())) else { break };
        (target, rest) = (next.clone(), further.clone());
    }
    target
}

/// The `use` statements of a file, as one path per name with whether it is public, and the rest of its text.
fn statements(text: &str) -> (Vec<(bool, Vec<String>)>, String) {
    let (mut found, mut rest) = (Vec::new(), String::new());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some((is_public, start)) = use_of(line.trim_start()) else {
            rest.push_str(line);
            rest.push('\n');
            continue;
        };
        let mut tree = start.to_owned();
        while !tree.contains(';') {
            let Some(line) = lines.next() else { break };
            tree.push_str(line);
        }
        let tree = tree.split(';').next().unwrap_or_default();
        expand(&[], tree, &mut |path| found.push((is_public, path)));
    }
    (found, rest)
}

/// Whether a line is a `use` statement, whether it is public, and what follows `use`.
fn use_of(line: &str) -> Option<(bool, &str)> {
    if let Some(tree) = line.strip_prefix("use ") {
        return Some((false, tree));
    }
    let rest = line.strip_prefix("pub")?;
    let rest = if rest.starts_with('(') { rest.split_once(')')?.1 } else { rest };
    rest.trim_start().strip_prefix("use ").map(|tree| (true, tree))
}

/// Every path of a tree of imports such as `a::{b, c::{d, e}}`.
fn expand(prefix: &[String], tree: &str, visit: &mut impl FnMut(Vec<String>)) {
    let names = |text: &str| -> Vec<String> {
        text.split("::").map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
    };
    let tree = tree.trim();
    let Some((base, inner)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or_default();
        visit([prefix, &names(path)].concat());
        return;
    };
    let prefix = [prefix, &names(base)].concat();
    let inner = inner.strip_suffix('}').unwrap_or(inner);
    let (mut depth, mut start) = (0, 0);
    for (at, letter) in inner.char_indices().chain([(inner.len(), ',')]) {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if !inner[start..at].trim().is_empty() {
                    expand(&prefix, &inner[start..at], visit);
                }
                start = (at + 1).min(inner.len());
            }
            _ => {}
        }
    }
}

/// The paths of lower-case modules in the code of a file, such as `crate::a::b` or `child::name`.
fn paths(text: &str) -> Vec<Vec<String>> {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == ':';
    text.split(|letter| !is_part(letter))
        .filter(|word| word.contains("::") && word.starts_with(|letter: char| letter.is_ascii_lowercase()))
        .map(|word| word.split("::").map(str::to_owned).collect())
        .collect()
}

fn tree(files: &[(&str, &str)]) -> Tree {
    let module = |name: &str| name.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
    Tree::of(files.iter().map(|(name, text)| (module(name), (*text).to_owned())).collect())
}

#[test]
fn a_circle_of_imports_is_found_however_it_is_written() {
    // Proves that this test can fail: by `use`, by a path in the code, through a re-export, and through a parent.
    let sound = tree(&[("", "mod a; mod b;"), ("a", "use crate::b::{B, C};"), ("b", "pub struct B;")]);
    assert_eq!(sound.circles(), Vec::<Vec<String>>::new());
    let direct = [("a", "use crate::b::B;\n"), ("b", "use super::a::A;\n")];
    let by_path = [("a", "use std::fmt;\nuse crate::b::B;\n"), ("b", "fn f() { crate::a::g() }\n")];
    let handed_on = [
        ("", "mod a;\nmod b;\nmod c;\npub use a::A;\n"),
        ("a", "use crate::b::{x::Y, B};\n"),
        ("b", "use crate::c::C;\n"),
        ("c", "use crate::A;\n"),
    ];
    let parent = [("p", "mod q;\nfn f() { q::g() }\nstruct P;\n"), ("p::q", "use super::P;\n")];
    for (files, length) in [(&direct[..], 2), (&by_path[..], 2), (&handed_on[..], 3), (&parent[..], 2)] {
        let circles = tree(files).circles();
        assert_eq!(circles.iter().map(Vec::len).collect::<Vec<_>>(), [length], "{files:?}: {circles:?}");
    }
    let comments = [("a", "// use crate::b::B;\n"), ("b", "use crate::a::A;\n")];
    assert_eq!(tree(&comments).circles(), Vec::<Vec<String>>::new());
}

#[test]
fn no_file_imports_one_that_imports_it() {
    // Proves it for the machine and for the server.
    for folder in ["crates/machine/src", "src"] {
        let tree = Tree::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder));
        assert!(tree.0.len() > 30, "{folder} has moved and this test sees nothing");
        let imports: usize = tree.imports().values().map(BTreeSet::len).sum();
        assert!(imports > 100, "only {imports} imports were found in {folder}");
        assert_eq!(tree.circles(), Vec::<Vec<String>>::new(), "circles of imports in {folder}");
    }
}

/// The layers of the machine, the lowest first. Modules of one layer may be named together.
const LAYERS: [&[&str]; 9] = [
    &["config", "decision", "mutant"],
    &["table"],
    &["stock"],
    &["ledger"],
    &["refusal"],
    &["moves"],
    &["verbs"],
    &["machine", "validate"],
    &["persist", "prefetch", "views"],
];

/// The imports of a tree that go from a lower layer to a higher one.
fn upward(tree: &Tree) -> Vec<String> {
    let layer = |module: &Module| {
        let name = module.first()?;
        let layer = LAYERS.iter().position(|layer| layer.contains(&name.as_str()));
        Some(layer.unwrap_or_else(|| panic!("{name} is in no layer")))
    };
    let mut found = Vec::new();
    for (module, imports) in tree.imports() {
        for import in imports {
            if let (Some(from), Some(to)) = (layer(&module), layer(&import))
                && from < to
            {
                found.push(format!("{} imports {}", module.join("::"), import.join("::")));
            }
        }
    }
    found
}

#[test]
fn the_machine_has_layers() {
    // Proves that each directory of the machine imports only its own layer and lower ones, and that the test would see more.
    let tree = Tree::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/machine/src"));
    assert_eq!(upward(&tree), Vec::<String>::new());
    let made_up = Tree::of(BTreeMap::from([
        (vec!["ledger".to_owned()], "use crate::moves::M;\n".to_owned()),
        (vec!["moves".to_owned()], "use crate::ledger::L;\n".to_owned()),
    ]));
    assert_eq!(upward(&made_up), ["ledger imports moves"]);
}
