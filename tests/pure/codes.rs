//! Every diagnostic code is said by the sources, has a page in `docs/codes/`, a row in `docs/codes.md`
//! and a case in `testdata/codes/`; and what a page shows is what comes out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use crate::support::{
    codes::{How, cases, overwrite},
    project::checkout,
};

/// All `SKY` and four digits in a text.
fn codes(text: &str) -> BTreeSet<String> {
    let digits = |at: usize| text.get(at + 3..at + 7).filter(|d| d.chars().all(|c| c.is_ascii_digit()));
    text.match_indices("SKY").filter_map(|(at, _)| Some(format!("SKY{}", digits(at)?))).collect()
}

/// Codes that the sources say. Those that only unit tests make up are below `SKY0100`.
fn said() -> BTreeSet<String> {
    fn walk(folder: &Path, out: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, out);
            } else if path.extension().is_some_and(|e| e == "rs") && path.file_name().is_some_and(|n| n != "codes.rs") {
                let text = fs::read_to_string(&path).unwrap();
                let code: String = text.lines().filter(|l| !l.trim_start().starts_with("//")).collect();
                out.extend(codes(&code).into_iter().filter(|c| c.as_str() >= "SKY0100"));
            }
        }
    }
    let mut out = BTreeSet::new();
    walk(&checkout("src"), &mut out);
    out
}

#[test]
fn every_code_has_a_page_a_row_a_case_and_is_said() {
    let said = said();
    assert!(said.len() > 60, "{said:?}");
    let index = fs::read_to_string(checkout("docs/codes.md")).unwrap();
    let rows: BTreeSet<String> = index.lines().filter(|l| l.starts_with('|')).flat_map(codes).collect();
    let pages = fs::read_dir(checkout("docs/codes")).unwrap().map(|e| e.unwrap().path());
    let pages: BTreeSet<String> = pages.map(|p| p.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    let embedded: BTreeSet<String> = skyplan::render::codes::all().map(str::to_owned).collect();
    let tried: BTreeSet<String> = cases().into_iter().map(|c| c.code).collect();
    let mut wrong = Vec::new();
    for (what, have, missing, stale) in [
        (
            "row",
            &rows,
            "add the row `| [CODE](codes/CODE.md) | … | … |` to docs/codes.md",
            "take its row out of docs/codes.md",
        ),
        ("page", &pages, "add docs/codes/CODE.md", "remove docs/codes/CODE.md"),
        (
            "case",
            &tried,
            "add the folder testdata/codes/CODE with repo/, case.sh or cluster.sh",
            "remove testdata/codes/CODE",
        ),
        (
            "entry",
            &embedded,
            "add \"CODE\" to the list in src/render/codes.rs",
            "take \"CODE\" out of src/render/codes.rs",
        ),
    ] {
        wrong.extend(said.difference(have).map(|c| format!("{c} has no {what}: {}", missing.replace("CODE", c))));
        wrong.extend(have.difference(&said).map(|c| format!("nothing says {c}: {}", stale.replace("CODE", c))));
    }
    assert!(wrong.is_empty(), "\n{}\nThe recipe is at the head of docs/codes.md.\n", wrong.join("\n"));
}

#[test]
fn golden_codes_by_the_command_line() {
    let cases: Vec<_> = cases().into_iter().filter(|c| c.how == How::Command).collect();
    let none = BTreeMap::new();
    // Most of a case's time is spent in other processes.
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let chunks: Vec<_> = (0..4)
            .map(|n| {
                let (cases, none) = (&cases, &none);
                scope.spawn(move || {
                    cases.iter().skip(n).step_by(4).map(|c| c.settle(&c.run(none, None))).collect::<String>()
                })
            })
            .collect();
        chunks.into_iter().map(|c| c.join().unwrap()).collect()
    });
    let wrong = wrong.concat();
    assert!(
        wrong.is_empty(),
        "\n{wrong}\nIf this is as it should be: SNAPSHOTS=overwrite cargo test --test it golden_codes\n"
    );
}

/// The block of a page that shows what comes out.
const BLOCK: &str = "```console\n";

#[test]
fn pages_show_what_comes_out() {
    let mut wrong = String::new();
    for case in cases() {
        let path = checkout("docs/codes").join(format!("{}.md", case.code));
        let Ok(page) = fs::read_to_string(&path) else { continue };
        let output = case.expected();
        let (head, rest) = page.split_once(BLOCK).unwrap_or_else(|| panic!("{}: no block of output", path.display()));
        let (shown, tail) = rest.split_once("```\n").unwrap_or_else(|| panic!("{}: an open block", path.display()));
        assert!(head.starts_with(&format!("# {}: ", case.code)), "{}: the title names the code", path.display());
        if shown == output {
            continue;
        }
        if overwrite() {
            fs::write(&path, format!("{head}{BLOCK}{output}```\n{tail}")).unwrap();
        } else {
            wrong += &format!("docs/codes/{}.md shows other output than testdata/codes/{0}/output.txt\n", case.code);
        }
    }
    assert!(
        wrong.is_empty(),
        "\n{wrong}If the goldens are as they should be: SNAPSHOTS=overwrite cargo test --test it pages_show\n"
    );
}

/// What the issue of all faults wants: code and place of each, all in one run.
const BROKEN: [(&str, &str); 15] = [
    ("SKY0108", "clusters.yaml:12:9"),
    ("SKY0105", "clusters.yaml:13:1"),
    ("SKY0202", "clusters.yaml:19:14"),
    ("SKY0106", "clusters.yaml:23:7"),
    ("SKY0117", "providers/aws.yaml:7:53"),
    ("SKY0201", "providers/gcp.yaml:8:12"),
    ("SKY0116", "providers/latency.yaml:6:43"),
    ("SKY0110", "shop/application.yaml:15:11"),
    ("SKY0104", "shop/application.yaml:24:15"),
    ("SKY0101", "shop/manifests/api.yaml:6:3"),
    ("SKY0102", "shop/manifests/orders.yaml:6:3"),
    ("SKY0211", "shop/manifests/till.yaml:13:43"),
    ("SKY0503", "shop/manifests/till.yaml:24:18"),
    ("SKY0217", "shop/policies.yaml:10:11"),
    ("SKY0107", "shop/policies.yaml:19:36"),
];

#[test]
fn golden_broken_example() {
    let run = |color: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_skyplan"));
        command.args(["-C", "examples/broken", "--color", color, "validate"]).current_dir(checkout(""));
        command.output().unwrap()
    };
    let output = run("never");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "", "a result is only printed when there is one");
    let said = String::from_utf8(output.stderr).unwrap();
    // One block per fault, each with its place, its lines and what to do.
    let blocks: Vec<&str> = said.split("\n\n").filter(|b| b.starts_with("error[")).collect();
    let found: Vec<(&str, &str)> = blocks
        .iter()
        .map(|block| {
            let place = block.lines().find_map(|l| l.trim_start().strip_prefix("--> ")).unwrap_or_default();
            assert!(block.contains("^") && block.contains("= help: "), "an excerpt and a hint: {block}");
            (&block[6..13], place)
        })
        .collect();
    assert_eq!(found, BROKEN);
    assert!(run("always").stderr.windows(2).any(|w| w == b"\x1b["));
    let path = checkout("testdata/broken.txt");
    if overwrite() {
        fs::write(&path, &said).unwrap();
    }
    assert_eq!(said, fs::read_to_string(path).unwrap());
}
