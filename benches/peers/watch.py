"""Runs one command within limits, and says what it took.

Limits are CPU seconds of the command and all that it started, resident memory of each of these processes, and wall
seconds as a safety stop. Memory is looked at every few hundredths of a second in `/proc`: the kernel's own peak for
a child counts what its parent had when it was forked, so it would be wrong for a small solver beside a large Python.
"""

import json
import os
import resource
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
LOOK = 0.02  # seconds between two looks


@dataclass(frozen=True)
class Limits:
    cpu_seconds: float
    wall_seconds: float
    process_bytes: int


def family(root):
    """The ids of a process and of all below it that run a program of their own."""
    found, left = [], [root]
    while left:
        pid = left.pop()
        try:
            # One that was forked and has not begun its program still shows its parent's memory as its own.
            if pid != root and os.path.samefile(f"/proc/{pid}/exe", f"/proc/{root}/exe"):
                continue
            found.append(pid)
            for thread in Path(f"/proc/{pid}/task").iterdir():
                left += [int(c) for c in (thread / "children").read_text().split()]
        except OSError:
            pass  # it has just ended
    return found


def taken(pid):
    """Resident bytes now, the most there were, and CPU seconds of a process with its ended children."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0, 0, 0.0
    sizes = dict.fromkeys(("VmRSS", "VmHWM"), 0)
    for line in status.splitlines():
        name, _, value = line.partition(":")
        if name in sizes:
            sizes[name] = int(value.split()[0]) * 1024
    return sizes["VmRSS"], sizes["VmHWM"], sum(map(int, fields[11:15])) / TICK


def run(command, limits):
    """Runs it to its end or a limit: what it printed about itself, and what was seen from outside."""
    with tempfile.TemporaryDirectory(prefix="skyplan-peer-") as folder:
        return _run(command, limits, folder)


def _run(command, limits, folder):
    environment = {
        "PATH": os.environ.get("PATH", ""),
        # Files that a peer writes go with the run; so does what it would remember between runs.
        "HOME": folder,
        "TMPDIR": folder,
        "SKYPILOT_DISABLE_USAGE_COLLECTION": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        # Libraries that start a thread for each core only to have them wait.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    out, err = Path(folder, "out"), Path(folder, "err")
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    with out.open("w") as stdout, err.open("w") as stderr:
        process = subprocess.Popen(
            command, env=environment, cwd=folder, stdout=stdout, stderr=stderr, stdin=subprocess.DEVNULL, start_new_session=True
        )
        peaks, together, cpu, stopped = {}, 0, 0.0, None
        try:
            while process.poll() is None and stopped is None:
                now = {pid: taken(pid) for pid in family(process.pid)}
                for pid, (_, peak, _) in now.items():
                    peaks[pid] = max(peak, peaks.get(pid, 0))
                resident = sum(r for r, _, _ in now.values())
                together, cpu = max(together, resident), max(cpu, sum(c for _, _, c in now.values()))
                if max(r for r, _, _ in now.values()) > limits.process_bytes:
                    stopped = "memory"
                elif cpu > limits.cpu_seconds or time.monotonic() - begun > limits.wall_seconds:
                    stopped = "time"
                else:
                    time.sleep(LOOK)
        finally:
            if process.poll() is None:
                # The session is its own, so this ends the command and its solver, and nothing else.
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    counted = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
    seen = {
        "cpuSecondsSpent": round(max(cpu, counted), 2),
        "secondsSpent": round(time.monotonic() - begun, 2),
        # A process's own peak is exact; the sum is as of the looks. The larger is the nearer to the truth.
        "peakMb": round(max([together, *peaks.values()]) / 1e6, 1),
        "peakMbOfPython": round(peaks.get(process.pid, 0) / 1e6, 1),
        "peakMbOfSolver": round(max((p for pid, p in peaks.items() if pid != process.pid), default=0) / 1e6, 1),
    }
    return {**told(out.read_text()), **seen, **end(stopped, process.returncode, err.read_text())}


def told(text):
    """All that a run said of itself, later lines over earlier ones."""
    known = {}
    for line in text.splitlines():
        try:
            known.update(json.loads(line))
        except ValueError:
            pass  # a peer's own words, or a line that was cut off
    return known


def end(stopped, code, errors):
    if stopped:
        return {"status": f"did not finish ({stopped})"}
    if code:
        last = errors.strip().splitlines()
        return {"status": "failed", "error": last[-1] if last else f"exit code {code}"}
    return {}
