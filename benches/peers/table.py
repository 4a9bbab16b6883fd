"""The table of the peers' figures for the documentation, from `benches/results/place-peers.json`.

CPU seconds are those of building the model, handing it over and solving it; starting Python and importing the peer
is left out. Memory is the most that Python and the solver had at once.
"""

import json
import sys
from pathlib import Path

HEADS = {"skypilot": "SkyPilot, offers", "skypilot-locations": "SkyPilot, locations", "skycluster": "SkyCluster's form"}


def cpu(run):
    return round(run["buildCpuSeconds"] + run["handOverCpuSeconds"] + run["solverCpuSeconds"], 3)


def cells(run):
    """Seconds, memory and columns of one run, if there is one."""
    if run is None:
        return ["", "", ""]
    columns = f"{run['columns']:,}" if "columns" in run else ""
    if run["status"] == "optimal":
        seconds = run["cpuSeconds"]
        digits = 3 if seconds < 0.1 else 2 if seconds < 10 else 1
        return [f"{seconds:.{digits}f}", f"{run['peakMb']:,.0f}", columns]
    if "cpuSecondsSpent" not in run:
        return ["not begun", "", ""]
    why = run["status"].partition("(")[2].rstrip(")") or run["status"]
    return [f"> {run['cpuSecondsSpent']:.0f} ({why})", f"{run['peakMb']:,.0f}", columns]


def markdown(report):
    peers = [peer for peer in HEADS if "absent" not in report["peers"].get(peer, {"absent": ""})]
    by_cell = {}
    for run in report["runs"]:
        by_cell.setdefault((run["components"], run["offers"]), {})[run["peer"]] = run
    head = ["components × offers", "cost"]
    for peer in peers:
        head += [f"{HEADS[peer]}: CPU s", "MB", "columns"]
    lines = [head, ["---"] * len(head)]
    for cell, runs in sorted(by_cell.items()):
        cost = next((f"${r['cost'] / 100:,.2f}" for r in runs.values() if r["status"] == "optimal"), "")
        lines.append([f"{cell[0]} × {cell[1]}", cost] + [text for peer in peers for text in cells(runs.get(peer))])
    text = ["| " + " | ".join(line) + " |" for line in lines]
    text += ["", *(f"{HEADS[p]}: absent ({r['absent']})." for p, r in report["peers"].items() if "absent" in r)]
    return "\n".join(text).strip()


if __name__ == "__main__":
    default = Path(__file__).resolve().parent.parent / "results" / "place-peers.json"
    print(markdown(json.loads(Path(sys.argv[1] if len(sys.argv) > 1 else default).read_text())))
