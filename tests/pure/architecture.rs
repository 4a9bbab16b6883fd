//! The house's rules that no compiler holds: which module may use which, what pure modules declare,
//! how long files are, what modules are called. (That every code is explained: `codes`.)
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use crate::support::project::checkout;

/// Modules without clock, randomness, network, disk and environment.
const PURE: [&str; 17] = [
    "diagnostic",
    "address",
    "digest",
    "trust",
    "packed",
    "quantity",
    "money",
    "network",
    "spec",
    "catalog",
    "compile",
    "observed",
    "state",
    "place",
    "plan",
    "render",
    "load",
];
/// Files of pure modules that touch the disk, or use threads: that is what they are for.
const TOUCH_THE_DISK: [&str; 5] =
    ["load/disk.rs", "load/git.rs", "load/parallel.rs", "state/store.rs", "state/turns.rs"];
const DENY: &str = "#![deny(clippy::disallowed_methods, clippy::disallowed_types)]";
const MOST_LINES: usize = 600;

/// All Rust files below a folder by path relative to it.
fn rust_files(folder: &Path) -> BTreeMap<String, String> {
    fn walk(root: &Path, folder: &Path, out: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, out);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
                out.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut out = BTreeMap::new();
    walk(folder, folder, &mut out);
    out
}

fn sources() -> BTreeMap<String, String> {
    rust_files(&checkout("src"))
}

/// Top-level modules in the order of `lib.rs`, which is the order in which data flows.
fn modules() -> Vec<String> {
    let text = fs::read_to_string(checkout("src/lib.rs")).unwrap();
    let names = text.lines().filter_map(|l| l.strip_prefix("pub mod ")?.strip_suffix(';').map(str::to_owned));
    names.collect()
}

/// The top-level module that a file belongs to.
fn module_of(path: &str) -> &str {
    path.split('/').next().unwrap().trim_end_matches(".rs")
}

/// Code without comments and without the bodies of `mod tests`, which may use anything above them.
fn code(text: &str) -> String {
    let lines = text.lines().map(|l| if l.trim_start().starts_with("//") { "" } else { l });
    lines.collect::<Vec<_>>().join("\n")
}

/// Names of top-level modules that a text refers to by `crate::…`, also in braces.
fn references(text: &str) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        let before = text[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &text[at + "crate::".len()..];
        let word = |t: &str| t.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        let Some(list) = rest.strip_prefix('{') else {
            out.insert(word(rest));
            continue;
        };
        // First words of the entries at depth one.
        let (mut depth, mut begins) = (0, true);
        for (i, c) in list.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => begins = true,
                _ if begins && depth == 0 && !c.is_whitespace() => {
                    out.insert(word(&list[i..]));
                    begins = false;
                }
                _ => {}
            }
        }
    }
    out
}

#[test]
fn references_are_found_in_all_forms() {
    let text = "use crate::a::B;\nuse crate::{\n    b::{C, d::E},\n    f,\n};\nfn x() { crate::g::h(); super::crate_i(); my_crate::j() }";
    assert_eq!(references(text), ["a", "b", "f", "g"].map(str::to_owned).into());
}

#[test]
fn modules_use_only_those_above_them() {
    let order = modules();
    assert!(order.len() >= 15, "{order:?}");
    let at = |name: &str| order.iter().position(|m| m == name);
    let mut wrong = Vec::new();
    for (path, text) in sources().iter().filter(|(p, _)| !["lib.rs", "main.rs"].contains(&p.as_str())) {
        let own = at(module_of(path)).unwrap_or_else(|| panic!("lib.rs has no module for {path}"));
        for other in references(&code(text)) {
            match at(&other) {
                Some(there) if there <= own => {}
                Some(_) => wrong.push(format!("{path} uses {other}, which is below it")),
                None => wrong.push(format!("{path} uses crate::{other}, which is no module")),
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_map_in_lib_rs_names_every_module() {
    let text = fs::read_to_string(checkout("src/lib.rs")).unwrap();
    let table: String = text.lines().filter(|l| l.starts_with("//! |")).collect();
    for module in modules() {
        assert!(table.contains(&format!("[`{module}`]")), "no row for {module}");
    }
}

#[test]
fn pure_modules_say_so_at_their_head() {
    let sources = sources();
    let mut wrong = Vec::new();
    for module in PURE {
        let heads = [format!("{module}.rs"), format!("{module}/mod.rs")];
        let Some((path, text)) = heads.iter().find_map(|h| sources.get_key_value(h)) else {
            panic!("no module {module}")
        };
        // The attribute reaches submodules. Without it at the head each file that is pure says it itself.
        if text.contains(DENY) {
            continue;
        }
        let touches = |p: &str| TOUCH_THE_DISK.contains(&p);
        if !TOUCH_THE_DISK.iter().any(|f| module_of(f) == module) {
            wrong.push(path.clone());
        }
        let below = sources.iter().filter(|(p, _)| module_of(p) == module && **p != *path && !touches(p));
        wrong.extend(below.filter(|(_, t)| !t.contains(DENY)).map(|(p, _)| p.clone()));
    }
    assert!(wrong.is_empty(), "these lack `{DENY}`: {wrong:?}");
}

#[test]
fn no_file_is_too_long() {
    let mut wrong = Vec::new();
    for folder in ["src", "tests", "state-backends/src"] {
        let long = rust_files(&checkout(folder)).into_iter().map(|(p, t)| (p, t.lines().count()));
        wrong.extend(long.filter(|(_, n)| *n > MOST_LINES).map(|(p, n)| format!("{folder}/{p}: {n} lines")));
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn no_module_has_a_name_that_says_nothing() {
    for path in sources().keys() {
        let named = path.trim_end_matches(".rs").split('/');
        for name in named {
            assert!(!["utils", "util", "common", "helpers", "helper", "manager", "misc"].contains(&name), "{path}");
        }
    }
}
