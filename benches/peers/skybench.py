"""Makes the instances of the placement benchmark: skybench-1.

An instance is fixed by three numbers: components, offers and seed. Everything is drawn from SplitMix64,
one stream for each part, so that another writer of the same definition makes the same instance. Latencies
go through sine and cosine, whose last digit may differ between machines: so the matrix is part of the file.

    python3 skybench.py FOLDER [--seeds 1,2,3] [--components 5,20] [--offers 10,50]

Money is in cents, CPU in thousandths, memory in MiB, traffic in GB a month, latency in ms.
Knows nothing of those who solve the instances.
"""

import argparse
import json
import math
import os
from pathlib import Path

COMPONENTS = (5, 20, 50, 100, 300)
OFFERS = (10, 50, 200, 500)
HOURS = 730  # a month

# Offers: locations, types at each of them, providers.
SHAPES = {10: (5, 2, 2), 50: (10, 5, 3), 200: (25, 8, 4), 500: (50, 10, 5), 10_000: (1000, 10, 5)}

# Latitude, longitude, continent.
METROS = (
    (39, -77, "na"), (45, -122, "na"), (43, -79, "na"), (19, -99, "na"), (-23, -46, "sa"), (51, 0, "eu"),
    (50, 8, "eu"), (48, 2, "eu"), (59, 18, "eu"), (45, 9, "eu"), (25, 55, "me"), (19, 73, "as"),
    (1, 104, "as"), (35, 139, "as"), (37, 127, "as"), (-34, 151, "oc"), (-33, 18, "af"),
)  # fmt: skip

# Dollars: a GB to the internet, a GB between regions, a cluster's month, a vCPU's hour, a GiB's hour.
PROVIDERS = (
    (0.09, 0.02, 73.0, 0.030, 0.0040),  # as aws
    (0.12, 0.02, 73.0, 0.029, 0.0039),  # as gcp
    (0.087, 0.02, 0.0, 0.031, 0.0042),  # as azure
    (0.01, 0.0, 0.0, 0.012, 0.0020),  # a cheap one
    (0.0, 0.0, 0.0, 0.020, 0.0030),  # on premises
)
GPU_HOUR = 0.9

# vCPU, GiB for each of them, GPUs; and which of these types a location with so many of them has.
TYPES = ((2, 2, 0), (2, 4, 0), (4, 2, 0), (4, 4, 0), (8, 4, 0), (16, 4, 0), (8, 8, 0), (16, 2, 0), (32, 4, 0), (16, 4, 1))
CHOSEN = {2: (3, 9), 5: (1, 3, 4, 6, 9), 8: (1, 2, 3, 4, 5, 6, 8, 9), 10: tuple(range(10))}

WORD = (1 << 64) - 1


class Draws:
    """One stream of SplitMix64."""

    def __init__(self, seed, stream):
        self.state = (seed * 0x9E3779B97F4A7C15 ^ (stream + 1) * 0xD1B54A32D192ED03) & WORD

    def unit(self):
        """A number in [0, 1) of 53 bits."""
        self.state = (self.state + 0x9E3779B97F4A7C15) & WORD
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & WORD
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & WORD
        return ((z ^ (z >> 31)) >> 11) / (1 << 53)

    def below(self, limit):
        return int(self.unit() * limit)

    def one_of(self, values):
        return values[self.below(len(values))]

    def weighted(self, values, weights):
        left = self.unit() * sum(weights)
        for value, weight in zip(values, weights):
            left -= weight
            if left < 0:
                return value
        return values[-1]


def kilometres(a, b):
    """Great-circle distance of two locations."""
    lat_a, lon_a, lat_b, lon_b = (math.radians(d) for d in (a["lat"], a["lon"], b["lat"], b["lon"]))
    h = math.sin((lat_b - lat_a) / 2) ** 2 + math.cos(lat_a) * math.cos(lat_b) * math.sin((lon_b - lon_a) / 2) ** 2
    return 2 * 6371 * math.asin(math.sqrt(h))


def latency(a, b):
    if a["id"] == b["id"]:
        return 0.5
    between_providers = 2.0 if a["prov"] != b["prov"] else 0.0
    return round(1.0 + 0.015 * kilometres(a, b) + between_providers, 2)


def locations(draws, count, providers):
    found = []
    for i in range(count):
        metro = draws.below(len(METROS))
        lat, lon, continent = METROS[metro]
        lat, lon = (lat + draws.unit() * 2 - 1, lon + draws.unit() * 2 - 1)
        factor = 0.85 + 0.5 * draws.unit()
        found.append(
            {"id": i, "prov": i % providers, "metro": metro, "cont": continent, "lat": lat, "lon": lon, "factor": factor}
        )
    return found


def offers(draws, places, types):
    found = []
    for place in places:
        _, _, _, vcpu, gib = PROVIDERS[place["prov"]]
        for kind in CHOSEN[types]:
            cpus, ratio, gpus = TYPES[kind]
            hour = (cpus * vcpu + cpus * ratio * gib + gpus * GPU_HOUR) * place["factor"] * (0.95 + 0.1 * draws.unit())
            found.append(
                {
                    "loc": place["id"],
                    "type": kind,
                    "cpu": cpus * 1000,
                    "mem": cpus * ratio * 1024,
                    "gpu": gpus,
                    "price": round(hour * HOURS * 100),
                }
            )
    return found


def permitted(draws, places, home, providers):
    """Where a component with this home may run."""
    kind = draws.unit()
    if kind < 0.40:
        return [p["id"] for p in places]
    if kind < 0.80:
        continents = sorted({continent for _, _, continent in METROS})
        allowed = {places[home]["cont"]} | {draws.one_of(continents) for _ in range(2)}
        return [p["id"] for p in places if p["cont"] in allowed]
    if kind < 0.95:
        allowed = {places[home]["prov"], draws.below(providers)}
        return [p["id"] for p in places if p["prov"] in allowed]
    return [home]


def components(draws, count, places, providers):
    """The components, and a home for each: that all stay at home is a placement, so there is one."""
    homes = [draws.below(len(places)) for _ in range(min(3, len(places)))]
    found, planted = [], []
    for i in range(count):
        cpu = draws.weighted((250, 500, 1000, 2000, 4000), (30, 30, 20, 15, 5))
        mem = cpu * draws.weighted((1, 2, 4, 8), (20, 40, 30, 10)) * 1024 // 1000
        replicas = draws.weighted((1, 2, 3, 5), (40, 30, 20, 10))
        gpu = 1 if draws.unit() < 0.05 else 0
        home = draws.one_of(homes)
        planted.append(home)
        where = permitted(draws, places, home, providers)
        found.append({"id": i, "cpu": cpu, "mem": mem, "gpu": gpu, "rep": 1 if gpu else replicas, "perm": where})
    return found, planted


def dataflows(draws, count, latencies, planted):
    found, seen = [], set()
    for target in range(1, count):
        for _ in range(2 if draws.unit() < 0.5 else 1):
            first = max(0, target - 10)
            source = first + draws.below(target - first)
            volume = round(math.exp(draws.unit() * math.log(5000)))
            bounded = draws.unit() < 0.30
            bound = draws.one_of((20, 50, 100, 200))
            if (source, target) in seen:
                continue
            seen.add((source, target))
            at_home = math.ceil(latencies[planted[source]][planted[target]])
            found.append({"src": source, "dst": target, "gb": volume, "maxlat": max(bound, at_home) if bounded else None})
    return found


def capacities(draws, places, demands, planted):
    """Quotas, clusters that exist, fees and transfer prices, written into the locations."""
    total = sum(demands)
    for place in places:
        internet, between, fee, _, _ = PROVIDERS[place["prov"]]
        load = sum(d for d, home in zip(demands, planted) if home == place["id"])
        quota = draws.unit() < 0.5
        place["quota_cpu"] = int(max(64_000, 2.0 * load, 0.10 * total)) if quota else None
        exists = draws.unit() < 0.2
        place["free_cpu"] = int(0.03 * total) + 4000 if exists else 0
        place["free_mem"] = place["free_cpu"] * 4 * 1024 // 1000
        place["exists"] = exists
        place["fee"] = 0 if exists else round(fee * 100)
        place["inet"], place["inter"] = (round(p * 100_000) / 1000 for p in (internet, between))


def instance(count, offered, seed):
    """The instance with so many components and offers."""
    sites, types, providers = SHAPES[offered]
    places = locations(Draws(seed, 1), sites, providers)
    latencies = [[latency(a, b) for b in places] for a in places]
    sold = offers(Draws(seed, 2), places, types)
    comps, planted = components(Draws(seed, 3), count, places, providers)
    flows = dataflows(Draws(seed, 4), count, latencies, planted)
    capacities(Draws(seed, 5), places, [c["cpu"] * c["rep"] for c in comps], planted)
    head = {"n": count, "O": offered, "seed": seed, "P": providers, "L": sites}
    return {**head, "locs": places, "lat": latencies, "offers": sold, "comps": comps, "edges": flows, "planted": planted}


def cache():
    """The folder of instances, which any run may share."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "skyplan" / "skybench"


def file(folder, count, offered, seed):
    """The file of an instance in a folder, written if it is not there."""
    path = Path(folder) / f"i_{count}_{offered}_{seed}.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps(instance(count, offered, seed)))
        part.replace(path)
    return path


def numbers(text):
    return [int(n) for n in text.split(",")]


def main():
    options = argparse.ArgumentParser(description="Writes instances of skybench-1.")
    options.add_argument("folder", nargs="?", default=cache(), help="where to (default: the cache)")
    options.add_argument("--seeds", type=numbers, default=[1, 2, 3])
    options.add_argument("--components", type=numbers, default=COMPONENTS)
    options.add_argument("--offers", type=numbers, default=OFFERS)
    asked = options.parse_args()
    for count in asked.components:
        for offered in asked.offers:
            for seed in asked.seeds:
                print(file(asked.folder, count, offered, seed))


if __name__ == "__main__":
    main()
