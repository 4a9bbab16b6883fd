//! The disk of the state is full at one call, whichever: opening, writing, syncing, linking, making a
//! folder; for that call alone, or from then on.
//!
//! `SKYPLAN_FULL_DISK=all` tries every call; without it each third, from a drawn one on.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    home::{Home, both},
    kill::seed,
    store::{converges, project, want},
};

/// The library that stands before libc.
fn built(folder: &Path) -> Result<PathBuf, String> {
    let (source, library) = ("testdata/faults/full-disk.c", folder.join("full-disk.so"));
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).args([source, "-ldl"]);
    let output = compiler.output().map_err(|e| format!("cc: {e}"))?;
    if output.status.success() { Ok(library) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// One apply whose disk is full at this call; whether it came to that, and what it said.
fn apply(home: &Home, library: &Path, call: u64, ever: bool) -> (bool, Option<i32>, String) {
    let mark = home.dir.path().join(format!("full-{call}-{ever}"));
    let mut command = home.command(&["apply", "--yes"]);
    command.env("LD_PRELOAD", library).env("FULL_IN", ".skyplan/state").env("FULL_AT", call.to_string());
    command.env("FULL_MARK", &mark);
    if ever {
        command.env("FULL_EVER", "1");
    }
    let output = command.output().unwrap();
    (mark.exists(), output.status.code(), both(&output))
}

#[test]
fn a_disk_that_is_full_at_any_call() {
    let home = project();
    let library = match built(home.dir.path()) {
        Ok(library) => library,
        Err(why) => {
            println!("not run: a disk that is full at any call: there is no C compiler ({})", why.trim());
            return;
        }
    };
    let step = if env::var("SKYPLAN_FULL_DISK").as_deref() == Ok("all") { 1 } else { 3 };
    let (mut call, mut value, mut refused, mut got_through) = (1 + seed() % step, 1, 0, 0);
    'calls: loop {
        for ever in [false, true] {
            let now = value.to_string();
            value += 1;
            want(&home, &now);
            let (came_to_it, status, said) = apply(&home, &library, call, ever);
            if !came_to_it {
                assert_eq!(status, Some(0), "{said}");
                break 'calls;
            }
            // What only tidies up may fail and be done another time.
            if status == Some(0) {
                got_through += 1;
            } else {
                refused += 1;
                assert_eq!(status, Some(1), "call {call}: {said}");
                assert!(said.contains("SKY0801") && said.contains("has no room left"), "call {call}: {said}");
                assert!(said.contains("nothing that was in the log is lost"), "call {call}: {said}");
            }
            converges(&home, &now);
        }
        call += step;
    }
    println!("full at a call, to {call}: {refused} applies were refused, {got_through} got through");
    assert!(refused >= 4, "only {refused} were refused");
}
