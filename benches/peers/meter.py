"""What a peer's run takes, in CPU seconds and memory, and how it is told to the one that started it.

A run prints one JSON object on a line for everything it knows so far, so that something is known of a run that was
ended from outside. CPU seconds are of this process and, apart, of the solver's process that it started.
"""

import json
import resource
import sys
import time


def cpu(who=resource.RUSAGE_SELF):
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def say(**known):
    print(json.dumps(known), flush=True)


class Meter:
    """Marks the ends of the parts of a run: start, model built, solved."""

    def __init__(self):
        self.begun, self.wall = cpu(), time.monotonic()
        self.built = None

    def model_built(self, columns, rows):
        """The model stands in memory; what comes is handing it over, solving, and reading the answer."""
        if self.built is None:
            self.built = cpu()
            say(columns=columns, rows=rows, buildCpuSeconds=round(self.built - self.begun, 3))

    def solved(self, status, cost, said, broken, **more):
        """The end: what the peer says it costs, and what its placement costs when recounted."""
        say(
            status=status,
            cost=cost,
            costSaid=said,
            brokenBounds=broken,
            handOverCpuSeconds=round(cpu() - self.built, 3),
            solverCpuSeconds=round(cpu(resource.RUSAGE_CHILDREN), 3),
            seconds=round(time.monotonic() - self.wall, 3),
            python=sys.version.split()[0],
            **more,
        )
