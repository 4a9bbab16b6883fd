"""The peers' side of the placement benchmark: every cell of skybench-1, model A, seed 1.

    python3 benches/peers/run.py [--budget 900] [--peers skypilot,skycluster] [--cells 50x200,100x200]

Each peer solves each cell in a process of its own, within limits of CPU seconds and memory; over them it did not finish.
Where two cells did not, those with at least as many components and offers are not begun. (Two, since a small cell may be
hard by chance: 5 × 200 is.) A peer that is not installed is listed as absent with why: `make tools-peers` installs them.

Writes `benches/results/place-peers.json` after each run, so with `--resume` the rest can be run another time, and
prints the table of the documentation.
"""

import argparse
import fcntl
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import skybench
import table
import watch

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parent / "results" / "place-peers.json"

# Optima that are proven by several solvers, in cents.
OPTIMA = {(5, 10): 184_324, (20, 50): 545_403, (50, 200): 760_416, (100, 200): 1_783_904.7, (300, 500): 4_547_371.2}

PEERS = {
    "skypilot": ("SkyPilot's optimizer, every offer that fits", "sky", ["skypilot.py"]),
    "skypilot-locations": (
        "SkyPilot's optimizer, the cheapest offer of each location",
        "sky",
        ["skypilot.py", "--choices", "locations"],
    ),
    "skycluster": ("a model of SkyCluster's form in PuLP with CBC", "pulp", ["skycluster.py"]),
}


def absent(python, module):
    """Why a peer cannot run here, or nothing."""
    if not Path("/proc/self/task").is_dir():
        return "its memory is read from /proc, which this system has not"
    if not Path(python).exists():
        return "it is not installed: `make tools-peers` does it"
    tried = subprocess.run([python, "-c", f"import {module}"], capture_output=True, text=True, check=False)
    return (tried.stderr.strip().splitlines() or [f"{module} cannot be imported"])[-1] if tried.returncode else None


def load():
    return " ".join(f"{x:.2f}" for x in os.getloadavg())


def processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def hopeless(runs, peer, cell):
    """Two cells with no more components and no more offers that this peer did not finish, as text."""
    unfinished = [
        f"{run['components']} × {run['offers']}"
        for run in runs
        if run["peer"] == peer
        and run["status"].startswith("did not finish")
        and "cpuSecondsSpent" in run
        and run["components"] <= cell[0]
        and run["offers"] <= cell[1]
        and (run["components"], run["offers"]) != cell
    ]
    return " and ".join(unfinished[:2]) if len(unfinished) > 1 else None


def solve(command, limits, short=10):
    """One run; of a short one, which chance may change much, the middle of three."""
    runs = [watch.run(command, limits)]
    if "solverCpuSeconds" in runs[0] and runs[0]["cpuSecondsSpent"] < short:
        runs += [watch.run(command, limits) for _ in range(2)]
    done = [r | {"cpuSeconds": table.cpu(r)} for r in runs if "solverCpuSeconds" in r]
    if len(done) < len(runs):
        return {"status": "failed"} | next(r for r in runs if "solverCpuSeconds" not in r)
    done.sort(key=lambda r: r["cpuSeconds"])
    return done[len(done) // 2] | {"cpuSecondsOfRuns": [r["cpuSeconds"] for r in done]}


def verdict(run, cell):
    """How the cost compares with the optimum, where that is known."""
    if run.get("status") != "optimal" or cell not in OPTIMA:
        return {}
    return {"optimum": OPTIMA[cell], "isOptimum": abs(run["cost"] - OPTIMA[cell]) < 0.05 and run["brokenBounds"] == 0}


def disagreements(runs):
    """Cells where a peer's placement is not the known optimum, breaks a bound, or costs other than another peer's."""
    faults, costs = [], {}
    for run in (r for r in runs if r["status"] == "optimal"):
        cell = f"{run['components']} × {run['offers']}"
        costs.setdefault(cell, {})[run["peer"]] = run["cost"]
        if run.get("isOptimum") is False or run["brokenBounds"]:
            faults.append(f"{cell} {run['peer']}: {run['cost']} cents, {run['brokenBounds']} bounds broken")
    faults += [f"{cell}: costs differ: {by}" for cell, by in costs.items() if max(by.values()) - min(by.values()) > 0.05]
    return faults


def options():
    asked = argparse.ArgumentParser(description="Runs the peers of the placement benchmark.")
    asked.add_argument("--python", required=True, help="the interpreter that has the peers")
    asked.add_argument("--instances", default=skybench.cache(), type=Path)
    asked.add_argument("--peers", default=",".join(PEERS))
    asked.add_argument("--cells", default=",".join(f"{n}x{o}" for n in skybench.COMPONENTS for o in skybench.OFFERS))
    asked.add_argument("--cpu", default=120, type=float, help="CPU seconds for a cell")
    asked.add_argument("--memory", default=4.0, type=float, help="GB for each process of a cell")
    asked.add_argument("--budget", default=900, type=float, help="seconds after which no cell is begun")
    asked.add_argument("--resume", action="store_true", help="keep what the file of results has")
    asked.add_argument("--results", default=RESULTS, type=Path)
    return asked.parse_args()


def earlier(path):
    """Runs of an earlier call and what it says of peers."""
    if not path.exists():
        return [], {}
    report = json.loads(path.read_text())
    return [r for r in report["runs"] if "cpuSecondsSpent" in r], report["peers"]


def only_one():
    """Holds a file until it is closed: two at once would disturb each other's times and lose runs."""
    skybench.cache().mkdir(parents=True, exist_ok=True)
    held = (skybench.cache() / "running").open("w")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit("the peers are being run already; wait for that to end")
    return held


def write(report, path):
    path.write_text(json.dumps(report, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def order(run):
    return run["components"], run["offers"], run["peer"]


def main():
    asked = options()
    # Wall time is a safety stop only: cores may be shared, and a peer is not to pay for that.
    limits = watch.Limits(asked.cpu, 5 * asked.cpu, int(asked.memory * 1e9))
    cells = [tuple(map(int, cell.split("x"))) for cell in asked.cells.split(",")]
    peers = asked.peers.split(",")
    why = {peer: absent(asked.python, PEERS[peer][1]) for peer in peers}
    asked.results.parent.mkdir(parents=True, exist_ok=True)
    alone = only_one()
    runs, known = earlier(asked.results) if asked.resume else ([], {})
    for peer in peers:
        described = {"what": PEERS[peer][0], "command": " ".join(PEERS[peer][2])}
        known[peer] = {**known.get(peer, {}), **described}
        known[peer].pop("absent", None)
        if why[peer]:
            known[peer]["absent"] = why[peer]
            print(f"{peer}: absent: {why[peer]}", file=sys.stderr)
    report = {
        "bench": "place-peers",
        "command": "make bench-place-peers",
        "instances": "skybench-1, model A, seed 1",
        "machine": {"processor": processor(), "cores": os.cpu_count(), "system": f"{platform.system()} {platform.machine()}"},
        "limits": {"cpuSeconds": asked.cpu, "wallSeconds": limits.wall_seconds, "gbOfEachProcess": asked.memory},
        "peers": {peer: known[peer] for peer in PEERS if peer in known},
        "runs": sorted(runs, key=order),
        "load": load(),
    }

    begun = time.monotonic()
    for cell in sorted(cells, key=lambda c: (c[0] * c[1], c)):
        file = skybench.file(asked.instances, *cell, 1)
        for peer in (p for p in peers if not why[p]):
            if any(order(r) == (*cell, peer) for r in runs):
                continue
            smaller = hopeless(runs, peer, cell)
            run = {"peer": peer, "components": cell[0], "offers": cell[1], "seed": 1, "load": load()}
            if smaller:
                run["status"] = f"did not finish (smaller cells did not: {smaller})"
            elif time.monotonic() - begun > asked.budget:
                run["status"] = "not begun (the budget was used up)"
            else:
                script, *more = PEERS[peer][2]
                run |= solve([asked.python, str(HERE / script), str(file), *more], limits)
                run |= verdict(run, cell)
            if "versions" in run:
                known[peer]["versions"] = run.pop("versions")
            runs.append(run)
            took = f"{run['cpuSecondsSpent']} CPU s, {run['peakMb']} MB" if "cpuSecondsSpent" in run else ""
            print(f"{cell[0]} × {cell[1]} {peer}: {run['status']} {took}".rstrip(), file=sys.stderr, flush=True)
            report |= {"runs": sorted(runs, key=order), "load": load()}
            write(report, asked.results)

    write(report, asked.results)
    alone.close()
    print(table.markdown(report))
    if faults := disagreements(runs):
        sys.exit("\n".join(faults))


if __name__ == "__main__":
    main()
