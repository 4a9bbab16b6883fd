"""Model A of skybench-1, as the peers' programs need it.

Every component runs at one permitted location, on the cheapest offer there that fits one replica, at that price
times its replicas; transfer costs the source's price; a dataflow may bound the latency. No capacity, no fees.
Costs are counted in thousandths of a cent, whole, so that what a peer says it found can be recounted exactly.
Knows nothing of how it is solved.
"""

import json
from pathlib import Path

# Share of a node that workloads may use.
CPU_SHARE, MEM_SHARE = 0.90, 0.85
CENT = 1000


class ModelA:
    def __init__(self, path):
        raw = json.loads(Path(path).read_text())
        self.components = raw["comps"]
        self.dataflows = raw["edges"]
        self.latency = raw["lat"]
        self.places = raw["locs"]
        self.planted = raw["planted"]
        self.offers = [[] for _ in self.places]
        for offer in raw["offers"]:
            self.offers[offer["loc"]].append(offer)
        self.rates = [[self._rate(a, b) for b in self.places] for a in self.places]
        self.choices = [self._choices(c) for c in self.components]

    @staticmethod
    def _rate(source, target):
        """A GB from one location to another, in thousandths of a cent."""
        if source["id"] == target["id"]:
            return 0
        return round((source["inter"] if source["prov"] == target["prov"] else source["inet"]) * CENT)

    def _choices(self, component):
        """Every (location, price) that the component may take: one for each offer that fits, by location."""
        return [
            (place, offer["price"] * component["rep"] * CENT)
            for place in component["perm"]
            for offer in self.offers[place]
            if component["cpu"] <= CPU_SHARE * offer["cpu"]
            and component["mem"] <= MEM_SHARE * offer["mem"]
            and component["gpu"] <= offer["gpu"]
        ]

    def cheapest(self, component):
        """Location to price of its cheapest offer that fits."""
        found = {}
        for place, price in self.choices[component]:
            found[place] = min(price, found.get(place, price))
        return found

    def near(self, flow, source, target):
        """Whether the dataflow's bound lets its ends stand at these locations."""
        return flow["maxlat"] is None or self.latency[source][target] <= flow["maxlat"]

    def cost(self, placement):
        """What a placement (a location for each component) costs, and how many bounds it breaks."""
        total = sum(self.cheapest(c)[place] for c, place in enumerate(placement))
        broken = 0
        for flow in self.dataflows:
            ends = placement[flow["src"]], placement[flow["dst"]]
            total += flow["gb"] * self.rates[ends[0]][ends[1]]
            broken += not self.near(flow, *ends)
        return total, broken
