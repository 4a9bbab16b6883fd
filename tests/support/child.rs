//! The real `skyplan validate` over hostile input, in a child process with 512 MB of address space and
//! ten seconds of work. It has to end with 0 or 1, with a word when it is 1, and without control characters
//! that a file's name or text might bring to a terminal.
//!
//! `SKYPLAN_HOSTILE_SECONDS` says how long mutated projects are tried, `SKYPLAN_HOSTILE_SEED` with which
//! seed; a case that fails names its seed and is kept in `target/hostile`.

use std::{
    fmt::Write as _,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::{
    hostile::{Dice, Fixed, mutated, seeds},
    project::checkout,
};

/// Address space of a child, in the kilobytes that `ulimit` takes.
const MEMORY: u32 = 512 * 1024;
/// Seconds of work, however busy the machine is; and how long it may wait for them.
const WORK: u32 = 10;
const DEADLINE: Duration = Duration::from_secs(120);

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

/// How a child ended, or what is wrong with that.
fn validate(folder: &Path) -> Result<i32, String> {
    let out = folder.with_extension("out");
    let file = fs::File::create(&out).unwrap();
    // The shell sets the limit and becomes the command.
    let mut child = Command::new("sh")
        .args(["-c", &format!("ulimit -c 0; ulimit -t {WORK}; ulimit -v {MEMORY} && exec \"$0\" \"$@\"")])
        .arg(env!("CARGO_BIN_EXE_skyplan"))
        .arg("-C")
        .arg(folder)
        .arg("validate")
        .env("XDG_CACHE_HOME", folder.with_extension("cache"))
        .stdin(Stdio::null())
        .stdout(file.try_clone().unwrap())
        .stderr(file)
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begun.elapsed() > DEADLINE {
            child.kill().unwrap();
            child.wait().unwrap();
            return Err(format!("it takes longer than {} s", DEADLINE.as_secs()));
        }
        thread::sleep(Duration::from_millis(2));
    };
    let mut said = Vec::new();
    fs::File::open(&out).unwrap().read_to_end(&mut said).unwrap();
    let said = String::from_utf8_lossy(&said);
    let head: String = said.chars().take(2000).collect();
    let Some(code @ (0 | 1)) = status.code() else { return Err(format!("{status}: {head}")) };
    if said.contains("panicked") {
        return Err(format!("it panics: {head}"));
    }
    if code == 1 && !said.contains("error[SKY") {
        return Err(format!("it fails without a word: {head}"));
    }
    // Colours are off: nothing of what is said may move a cursor or turn text around.
    let unsafe_text =
        |c: &char| c.is_control() && *c != '\n' || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if let Some(c) = said.chars().find(unsafe_text) {
        return Err(format!("it prints {c:?}: {head:?}"));
    }
    if said.len() > 4_000_000 {
        return Err(format!("it says {} bytes", said.len()));
    }
    Ok(code)
}

/// Tries one folder; what is wrong with it.
fn attempt(name: &str, folder: &Path) -> Result<i32, String> {
    validate(folder).map_err(|why| {
        let kept = checkout("target/hostile").join(name);
        let _ = fs::remove_dir_all(&kept);
        fs::create_dir_all(kept.parent().unwrap()).unwrap();
        let copied = Command::new("cp").arg("-a").arg(folder).arg(&kept).status();
        assert!(copied.is_ok_and(|s| s.success()), "the case cannot be kept");
        format!("{name}: {why}\n  the folder is kept in {}\n", kept.display())
    })
}

/// Tries cases by hand.
pub(crate) fn try_all(cases: Vec<Fixed>) {
    let dir = tempfile::tempdir().unwrap();
    let mut wrong = String::new();
    for case in cases {
        let folder = dir.path().join(case.name);
        fs::create_dir_all(&folder).unwrap();
        (case.make)(&folder);
        let begun = Instant::now();
        let ended = attempt(case.name, &folder);
        println!("{}: {:.1} s", case.name, begun.elapsed().as_secs_f64());
        match ended {
            Ok(code) if code == case.code => {}
            Ok(code) => drop(writeln!(wrong, "{}: ends with {code}", case.name)),
            Err(why) => wrong += &why,
        }
        // What is unreadable cannot be taken away otherwise.
        let _ = Command::new("chmod").arg("-R").arg("u+rwx").arg(&folder).stderr(Stdio::null()).status();
        let _ = fs::remove_dir_all(&folder);
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// Tries projects with their bytes mixed up, for so long unless something else is asked for.
pub(crate) fn try_mutated(seconds: u64) {
    let seconds = number("SKYPLAN_HOSTILE_SECONDS", seconds);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let seed = number("SKYPLAN_HOSTILE_SEED", u64::from(now.subsec_nanos()) ^ now.as_secs());
    println!("seed of mutated projects: SKYPLAN_HOSTILE_SEED={seed}, {seconds} s");
    let corpus = seeds();
    let until = Instant::now() + Duration::from_secs(seconds);
    let workers = 2;
    let results: Vec<(u64, String)> = thread::scope(|scope| {
        let work = |worker: u64| {
            let (corpus, dir) = (&corpus, tempfile::tempdir().unwrap());
            move || {
                let (mut count, mut wrong) = (0_u64, String::new());
                while Instant::now() < until && wrong.len() < 10_000 {
                    // Every case has a seed of its own: it can be made again alone.
                    let own = seed.wrapping_add((count * workers + worker).wrapping_mul(0x9e37_79b9_7f4a_7c15));
                    let folder: PathBuf = dir.path().join("case");
                    let _ = fs::remove_dir_all(&folder);
                    fs::create_dir_all(&folder).unwrap();
                    mutated(corpus, &mut Dice::new(own), &folder);
                    if let Err(why) = attempt(&format!("seed-{own}"), &folder) {
                        wrong += &why;
                    }
                    count += 1;
                }
                (count, wrong)
            }
        };
        let all: Vec<_> = (0..workers).map(|w| scope.spawn(work(w))).collect();
        all.into_iter().map(|w| w.join().unwrap()).collect()
    });
    let count: u64 = results.iter().map(|(n, _)| n).sum();
    let wrong: String = results.into_iter().map(|(_, w)| w).collect();
    println!("{count} mutated projects");
    assert!(count > 0);
    assert!(wrong.is_empty(), "\nseed {seed}\n{wrong}");
}
