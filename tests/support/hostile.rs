//! Folders that are hard to read: written by hand, and examples with their bytes mixed up.

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
};

use super::project::checkout;

/// A small generator of numbers (splitmix64): the same seed, the same case.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n.max(1) as u64).unwrap()
    }
}

/// A folder by hand, and how `validate` has to end on it.
pub(crate) struct Fixed {
    pub(crate) name: &'static str,
    pub(crate) code: i32,
    pub(crate) make: fn(&Path),
}

const HEAD: &str = "apiVersion: skyplan.io/v1alpha1\nkind: ";
const PROJECT: &str = "apiVersion: skyplan.io/v1alpha1\nkind: Project\nname: hard\n---\napiVersion: skyplan.io/v1alpha1\n\
    kind: Cluster\nname: one\ndriver: local\n---\napiVersion: skyplan.io/v1alpha1\nkind: Application\nname: app\n\
    sources: [{path: m}]\n---\n";
const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";

/// A project whose one application has this file of manifests.
fn with(folder: &Path, manifests: impl AsRef<[u8]>) {
    fs::write(folder.join("skyplan.yaml"), PROJECT).unwrap();
    fs::create_dir_all(folder.join("m")).unwrap();
    fs::write(folder.join("m/a.yaml"), manifests).unwrap();
}

/// `line` over and over, until it is so large.
fn filled(bytes: usize, line: &str) -> String {
    line.repeat(bytes / line.len())
}

macro_rules! case {
    ($name:literal, $code:literal, $make:expr) => {
        Fixed { name: $name, code: $code, make: $make }
    };
}

/// Texts that are short and odd.
pub(crate) fn texts() -> Vec<Fixed> {
    vec![
        case!("alias-bomb", 1, |f| with(
            f,
            (1..30).fold("a0: &a0 [x, x]\n".to_owned(), |t, i| t + &format!(
                "a{i}: &a{i} [*a{0}, *a{0}, *a{0}, *a{0}]\n",
                i - 1
            ))
        )),
        case!("alias-bomb-of-maps", 1, |f| with(
            f,
            (1..30).fold("a0: &a0 {x: y}\n".to_owned(), |t, i| t + &format!(
                "a{i}: &a{i}\n  <<: *a{0}\n  k{i}: *a{0}\n  l{i}: *a{0}\n",
                i - 1
            ))
        )),
        case!("alias-to-itself", 1, |f| with(f, "a: &a [*a]\n")),
        case!("brackets", 1, |f| with(f, "[".repeat(20_000))),
        case!("brackets-closed", 1, |f| with(f, "[".repeat(20_000) + &"]".repeat(20_000))),
        case!("braces", 1, |f| with(f, "{a: ".repeat(20_000))),
        case!("dashes", 1, |f| with(f, "- ".repeat(20_000))),
        case!("indents", 1, |f| with(f, (0..3_000).fold(String::new(), |t, i| t + &format!("{}a:\n", " ".repeat(i))))),
        case!("questions", 1, |f| with(f, "? ".repeat(20_000))),
        case!("not-utf-8", 1, |f| with(f, b"a: \xff\xfe\xc0\n")),
        case!("utf-16", 1, |f| with(f, "\u{feff}a: 1".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>())),
        case!("nul", 1, |f| with(f, "a: \0\n")),
        case!("mark-of-order", 0, |f| with(f, format!("\u{feff}{MAP}"))),
        case!("carriage-returns", 0, |f| with(f, MAP.replace('\n', "\r\n"))),
        case!("old-line-ends", 0, |f| with(f, MAP.replace('\n', "\r"))),
        case!("tabs", 1, |f| with(f, "a:\n\tb: 1\n")),
        case!("merge-keys", 0, |f| with(
            f,
            "apiVersion: v1\nkind: ConfigMap\nmetadata: &m {name: a}\ndata:\n  <<: {a: b}\n"
        )),
        case!("merge-of-a-number", 1, |f| with(f, format!("{MAP}data:\n  <<: 5\n"))),
        case!("tags", 1, |f| with(f, format!("{MAP}data: !!python/object:os.system {{a: b}}\n"))),
        case!("binary", 1, |f| with(f, format!("{MAP}data: {{a: !!binary \"////\"}}\n"))),
        case!("huge-numbers", 1, |f| with(
            f,
            format!(
                "{MAP}data: {{}}\nx: [1e999, -1e999, 99999999999999999999999999, .inf, -.inf, .nan, 0x{}]\n",
                "f".repeat(400)
            )
        )),
        case!("huge-replicas", 1, |f| with(
            f,
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {replicas: 99999999999999999999}\n"
        )),
        case!("most-replicas", 0, |f| with(
            f,
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {replicas: 4294967295, template: {spec: \
             {containers: [{name: a, resources: {requests: {cpu: 1000000000, memory: 1000000000000000}}}]}}}\n"
        )),
        case!("duplicate-keys", 1, |f| with(f, format!("{MAP}data: {{a: b, a: c}}\n"))),
        case!("escapes-in-text", 1, |f| {
            with(f, MAP);
            let text = format!("{HEAD}Clu\u{1b}[31mster\nname: \"\\e[2J\\e]0;x\\a\\u202e\"\n\u{9b}31m: \"\\x9b\"\n");
            fs::write(f.join("b.yaml"), text).unwrap();
        }),
        case!("escapes-in-values", 1, |f| {
            with(f, MAP);
            let text = format!(
                "{HEAD}Cluster\nname: \"\\e[2J\\e]0;x\\a\"\ndriver: \"\\e[31m\\r\\b\"\n\"\\e[5mx\": \"\\u202e\"\n"
            );
            fs::write(f.join("b.yaml"), text).unwrap();
        }),
        case!("escapes-in-objects", 1, |f| with(f, "apiVersion: v1\nkind: \"\\e[2J\"\nmetadata: {name: \"\\e[2J\"}\n")),
        case!("a-kind-for-strays", 0, |f| {
            with(f, MAP);
            fs::write(f.join("b.yaml"), "apiVersion: v1\nkind: \"\\e[2Jx\\n\\ny\"\n").unwrap();
        }),
    ]
}

/// Much of something.
pub(crate) fn large() -> Vec<Fixed> {
    vec![
        case!("fifty-megabytes-of-items", 1, |f| with(f, filled(50_000_000, "- x\n"))),
        case!("fifty-megabytes-of-short-keys", 1, |f| {
            let text = (0..5_000_000).fold(String::new(), |mut t, i| {
                let _ = writeln!(t, "{i}: 1");
                t
            });
            with(f, text);
        }),
        case!("fifty-megabytes-of-one-text", 0, |f| with(
            f,
            format!("{MAP}data:\n  a: {}\n", filled(50_000_000, "xyz "))
        )),
        case!("fifty-megabytes-of-lines", 0, |f| with(
            f,
            format!("{MAP}data:\n  a: |\n{}", filled(50_000_000, "    some words\n"))
        )),
        case!("fifty-megabytes-of-comments", 0, |f| with(f, filled(50_000_000, "# nothing to see\n") + MAP)),
        case!("fifty-megabytes-of-objects", 0, |f| {
            let text = (0..30_000).fold(String::new(), |mut t, i| {
                let _ = write!(
                    t,
                    "---\n{}data: {{a: {}}}\n",
                    MAP.replace("name: a", &format!("name: a{i}")),
                    "x".repeat(1_600)
                );
                t
            });
            with(f, text);
        }),
        case!("one-line-of-fifty-megabytes-unclosed", 1, |f| with(f, format!("a: \"{}", filled(50_000_000, "xyz ")))),
        case!("a-key-of-ten-megabytes", 1, |f| {
            with(f, MAP);
            fs::write(
                f.join("b.yaml"),
                format!("{HEAD}Cluster\nname: b\ndriver: local\n? {}\n: 1\n", "k".repeat(10_000_000)),
            )
            .unwrap();
        }),
        case!("a-value-of-ten-megabytes", 1, |f| {
            with(f, MAP);
            fs::write(f.join("b.yaml"), format!("{HEAD}Cluster\nname: b\ndriver: {}\n", "k".repeat(10_000_000)))
                .unwrap();
        }),
        case!("a-hundred-thousand-documents", 1, |f| with(f, "---\na: 1\n".repeat(100_000))),
        case!("a-hundred-thousand-empty-documents", 0, |f| with(f, "---\n".repeat(100_000) + MAP)),
        case!("a-hundred-thousand-faults", 1, |f| {
            with(f, MAP);
            let text = format!("---\n{HEAD}Clutser\nname: A_B\n").repeat(33_000);
            fs::write(f.join("b.yaml"), text).unwrap();
        }),
        case!("faults-of-one-document", 1, |f| {
            with(f, MAP);
            let items = "  - {componentRef: 1, locatoin: 2, dedicated: x}\n".repeat(50_000);
            fs::write(f.join("b.yaml"), format!("{HEAD}DeploymentPolicy\nname: p\ncomponents:\n{items}")).unwrap();
        }),
        case!("wrong-types-of-one-document", 1, |f| {
            with(f, MAP);
            let items = "  - {componentRef: []}\n".repeat(50_000);
            fs::write(f.join("b.yaml"), format!("{HEAD}DeploymentPolicy\nname: p\ncomponents:\n{items}")).unwrap();
        }),
        case!("references-to-nothing", 1, |f| {
            with(
                f,
                (0..3_000)
                    .map(|i| format!("---\napiVersion: v1\nkind: Pod\nmetadata: {{name: pod-{i}}}\nspec: {{}}\n"))
                    .collect::<String>(),
            );
            let items = (0..3_000).map(|i| format!("  - {{componentRef: dop-{i}}}\n")).collect::<String>();
            fs::write(f.join("b.yaml"), format!("{HEAD}DeploymentPolicy\nname: p\ncomponents:\n{items}")).unwrap();
        }),
        case!("a-hundred-thousand-files", 0, |f| {
            with(f, MAP);
            for i in 0..100_000 {
                let folder = f.join(format!("d{}", i / 1000));
                if i % 1000 == 0 {
                    fs::create_dir(&folder).unwrap();
                }
                fs::write(folder.join(format!("{i}.yaml")), "a: 1\n").unwrap();
            }
        }),
        case!("services-of-one-application", 0, |f| {
            let text = (0..4_000).fold(String::new(), |mut t, i| {
                let _ = write!(
                    t,
                    "---\napiVersion: v1\nkind: Service\nmetadata: {{name: s{i}}}\nspec: {{selector: {{app: p{i}}}}}\n---\n\
                     apiVersion: v1\nkind: Pod\nmetadata: {{name: p{i}, labels: {{app: p{i}}}}}\nspec: {{containers: []}}\n"
                );
                t
            });
            with(f, text);
        }),
    ]
}

/// What disks may hold.
pub(crate) fn disks() -> Vec<Fixed> {
    vec![
        case!("links-in-a-circle", 1, |f| {
            with(f, MAP);
            symlink(f, f.join("m/loop")).unwrap();
            symlink("b.yaml", f.join("a.yaml")).unwrap();
            symlink("a.yaml", f.join("b.yaml")).unwrap();
        }),
        case!("links-out", 1, |f| {
            with(f, MAP);
            symlink("/etc/passwd", f.join("m/out.yaml")).unwrap();
            symlink("/", f.join("m/root")).unwrap();
        }),
        case!("links-to-devices", 1, |f| {
            with(f, MAP);
            symlink("/dev/zero", f.join("m/zero.yaml")).unwrap();
        }),
        case!("a-queue", 1, |f| {
            with(f, MAP);
            let made = std::process::Command::new("mkfifo").arg(f.join("m/queue.yaml")).status();
            assert!(made.is_ok_and(|s| s.success()));
        }),
        case!("a-folder-called-like-a-file", 0, |f| {
            with(f, MAP);
            fs::create_dir(f.join("m/b.yaml")).unwrap();
        }),
        case!("a-folder-as-the-root-file", 1, |f| fs::create_dir(f.join("skyplan.yaml")).unwrap()),
        case!("deep-folders", 1, |f| {
            with(f, MAP);
            let deep = (0..1_000).fold(f.join("m"), |p, _| p.join("d"));
            fs::create_dir_all(&deep).unwrap();
            fs::write(deep.join("b.yaml"), MAP.replace("name: a", "name: b")).unwrap();
        }),
        case!("names-with-lines-and-escapes", 1, |f| {
            with(f, MAP);
            fs::write(f.join("m/a\n\u{1b}[2J\u{1b}]0;x\u{7}\u{202e}.yaml"), "a: [\n").unwrap();
            fs::write(f.join("m/\r\u{9b}31m.yaml"), "a: [\n").unwrap();
            symlink("/etc/passwd", f.join("m/\u{1b}[31m.yaml")).unwrap();
        }),
        case!("names-that-are-no-text", 0, |f| {
            use std::os::unix::ffi::OsStrExt as _;
            with(f, MAP);
            fs::write(f.join("m").join(std::ffi::OsStr::from_bytes(b"\xff\xfe.yaml")), "a: [\n").unwrap();
        }),
        case!("empty-files", 0, |f| {
            with(f, MAP);
            fs::write(f.join("m/b.yaml"), "").unwrap();
            fs::write(f.join("m/c.yaml"), "\n# nothing\n").unwrap();
        }),
        case!("a-hole-of-a-terabyte", 1, |f| {
            with(f, MAP);
            fs::File::create(f.join("m/hole.yaml")).unwrap().set_len(1 << 40).unwrap();
        }),
        case!("a-hole-of-sixty-megabytes", 1, |f| {
            with(f, MAP);
            fs::File::create(f.join("m/hole.yaml")).unwrap().set_len(60 << 20).unwrap();
        }),
        case!("unreadable", 1, |f| {
            with(f, MAP);
            fs::write(f.join("m/b.yaml"), MAP).unwrap();
            fs::set_permissions(f.join("m/b.yaml"), fs::Permissions::from_mode(0o000)).unwrap();
            // For root everything is readable; nobody can read what is not text.
            fs::write(f.join("m/c.yaml"), b"\xff").unwrap();
        }),
    ]
}

/// Every YAML file of the examples and goldens: (path within its project, bytes), by project.
pub(crate) fn seeds() -> Vec<Vec<(String, Vec<u8>)>> {
    let mut projects = Vec::new();
    let folders = ["examples", "testdata/plan"].map(checkout);
    for folder in folders.iter().flat_map(|f| fs::read_dir(f).unwrap()) {
        let mut root = folder.unwrap().path();
        if root.join("repo").is_dir() {
            root = root.join("repo");
        }
        let mut files = Vec::new();
        gather(&root, "", &mut files);
        if !files.is_empty() {
            files.sort();
            projects.push(files);
        }
    }
    projects.sort();
    assert!(projects.len() > 5, "the examples are missing");
    projects
}

fn gather(root: &Path, prefix: &str, out: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(root.join(prefix)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.path().is_dir() {
            gather(root, &format!("{path}/"), out);
        } else if path.ends_with(".yaml") {
            out.push((path, fs::read(entry.path()).unwrap()));
        }
    }
}

/// Pieces that mean something to a parser of YAML or to us.
const PIECES: [&str; 48] = [
    "\n",
    " ",
    "  ",
    "\t",
    "-",
    "- ",
    ": ",
    "? ",
    "&a ",
    "*a",
    "<<: *a",
    "!!str ",
    "!x ",
    "|\n",
    ">-\n",
    "---\n",
    "...\n",
    "[",
    "]",
    "{",
    "}",
    ",",
    "\"",
    "'",
    "#",
    "%YAML 1.1\n",
    "\\",
    "\u{feff}",
    "\u{2028}",
    "\u{85}",
    "\r",
    "null",
    "~",
    "true",
    "1e400",
    "-0",
    "0x",
    "18446744073709551616",
    ".nan",
    "../",
    "/",
    "kind: ",
    "name: ",
    "\u{1b}[31m",
    "\u{0}",
    "ä",
    "\u{1f600}",
    "apiVersion: skyplan.io/v1alpha1\n",
];

/// Writes a project of the corpus with some of its bytes changed.
pub(crate) fn mutated(corpus: &[Vec<(String, Vec<u8>)>], dice: &mut Dice, folder: &Path) {
    let mut files = corpus[dice.below(corpus.len())].clone();
    let times = 1 << dice.below(6);
    for _ in 0..times {
        let other = {
            let project = &corpus[dice.below(corpus.len())];
            project[dice.below(project.len())].1.clone()
        };
        let which = dice.below(files.len());
        change(&mut files[which].1, &other, dice);
    }
    for (path, bytes) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::File::create(path).unwrap().write_all(&bytes).unwrap();
    }
}

fn change(bytes: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    let at = dice.below(bytes.len() + 1);
    let scale = dice.below(8);
    let len = dice.below(1 << scale).min(bytes.len() - at);
    match dice.below(9) {
        0 => {
            if let Some(b) = bytes.get_mut(at) {
                *b ^= 1 << dice.below(8);
            }
        }
        1 => drop(bytes.drain(at..at + len)),
        2 => {
            let copy = bytes[at..at + len].to_vec();
            let to = dice.below(bytes.len() + 1);
            bytes.splice(to..to, copy);
        }
        3 | 4 => {
            let piece = PIECES[dice.below(PIECES.len())];
            bytes.splice(at..at, piece.bytes());
        }
        5 => {
            let piece = PIECES[dice.below(PIECES.len())];
            bytes.splice(at..at + len, piece.bytes());
        }
        6 => {
            // Lines of another file.
            let from = dice.below(other.len() + 1);
            let upto = (from + dice.below(400)).min(other.len());
            bytes.splice(at..at, other[from..upto].iter().copied());
        }
        7 => {
            let piece = PIECES[dice.below(PIECES.len())];
            let piece = piece.repeat(1 << dice.below(12));
            bytes.splice(at..at, piece.bytes());
        }
        _ => bytes.truncate(at),
    }
}
