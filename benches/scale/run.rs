//! One command, run and measured as a user sees it.

use std::{
    fs::{self, File},
    io,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// What a run came to.
#[derive(Clone, Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Run {
    /// From before the process starts to after it ended.
    pub(crate) seconds: f64,
    /// What processors spent on it, all threads together. On a busy machine this is the figure to trust.
    pub(crate) cpu_seconds: f64,
    /// Peak of resident memory.
    pub(crate) peak_mb: f64,
    /// Bytes of its result.
    pub(crate) output_bytes: u64,
    /// `ok`, or what went wrong.
    pub(crate) end: String,
}

/// How often a process's memory is looked at.
const LOOK: Duration = Duration::from_millis(2);

/// Runs a command with its result going to a file; it is stopped when it takes too long.
pub(crate) fn run(command: &mut Command, out: &Path, most: Duration) -> io::Result<Run> {
    let errors = out.with_extension("err");
    command.stdin(Stdio::null()).stdout(File::create(out)?).stderr(File::create(&errors)?);
    let (begun, spent) = (Instant::now(), children());
    let mut child = command.spawn()?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let end = loop {
        if let Some(status) = child.try_wait()? {
            break if status.success() {
                "ok".to_owned()
            } else {
                let said = fs::read_to_string(&errors)?;
                format!("{status}: {}", said.lines().next().unwrap_or_default())
            };
        }
        // The kernel keeps the high-water mark itself; only its last value is read.
        peak = peak.max(high_water(&status));
        if begun.elapsed() > most {
            child.kill()?;
            child.wait()?;
            break format!("stopped after {} s", most.as_secs());
        }
        thread::sleep(LOOK);
    };
    let (seconds, cpu_seconds) = (begun.elapsed().as_secs_f64(), children() - spent);
    let output_bytes = fs::metadata(out)?.len();
    #[expect(clippy::cast_precision_loss, reason = "a report")]
    let peak_mb = peak as f64 / 1024.0;
    Ok(Run { seconds, cpu_seconds, peak_mb, output_bytes, end })
}

/// CPU seconds of all processes that were started and have ended, to the hundredth that Linux counts in.
fn children() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Its own name may hold blanks; the numbers come after it.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: f64 = fields.skip(13).take(2).filter_map(|n| n.parse::<f64>().ok()).sum();
    ticks / 100.0
}

fn high_water(status: &str) -> u64 {
    let text = fs::read_to_string(status).unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0)
}
