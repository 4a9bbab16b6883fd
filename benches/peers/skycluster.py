"""One instance through a model of SkyCluster's form, in PuLP with CBC, written anew from a description of it.

Columns: a component stands at a location (one for each permitted pair), and a dataflow uses a pair of locations (one for
each permitted pair of pairs). Rows: every component stands somewhere; a pair is used only where both ends stand
(two rows for each); the pairs of a source's location add up to whether the source stands there; a pair beyond the
bound on latency is not used, and near every location of a source stands the target.

What is set so that the problem is that of model A:
  - a component stands once (SkyCluster allows copies and sets no bound on them: here `maxReplicaNum` is 1),
  - capacity is unbounded, a location's price is that of its cheapest offer that fits, by replicas,
  - a bound is met by a latency equal to it (SkyCluster's bounds are strict).
CBC runs with SkyCluster's limit of 1,200 s and one thread (theirs are the cores less two). Their start solution
is left out, since it does not reach the solver there.
"""

import argparse
import importlib.metadata

import meter
import model_a


def build(pulp, model):
    """The problem, and the columns of components by location."""
    problem = pulp.LpProblem("placement", pulp.LpMinimize)
    prices = [model.cheapest(c) for c in range(len(model.components))]
    stands = [
        {place: pulp.LpVariable(f"c_{c}_{place}", cat="Binary") for place in by_place} for c, by_place in enumerate(prices)
    ]
    terms = []
    for c, by_place in enumerate(prices):
        terms += [(stands[c][place], price / model_a.CENT) for place, price in by_place.items()]
        problem += pulp.lpSum(stands[c].values()) >= 1
        problem += pulp.lpSum(stands[c].values()) <= 1

    for number, flow in enumerate(model.dataflows):
        source, target = stands[flow["src"]], stands[flow["dst"]]
        for u, at_u in source.items():
            pairs, near = [], []
            for v, at_v in target.items():
                used = pulp.LpVariable(f"y_{number}_{u}_{v}", cat="Binary")
                pairs.append(used)
                terms.append((used, flow["gb"] * model.rates[u][v] / model_a.CENT))
                if model.near(flow, u, v):
                    near.append(at_v)
                    problem += used <= at_u
                    problem += used <= at_v
                else:
                    problem += used == 0
            problem += pulp.lpSum(pairs) == at_u
            if flow["maxlat"] is not None:
                problem += pulp.lpSum(near) >= at_u
    problem += pulp.LpAffineExpression(terms)
    return problem, stands


def main():
    options = argparse.ArgumentParser()
    options.add_argument("instance")
    asked = options.parse_args()
    model = model_a.ModelA(asked.instance)

    import pulp

    watch = meter.Meter()
    problem, stands = build(pulp, model)
    watch.model_built(problem.numVariables(), problem.numConstraints())
    problem.solve(pulp.PULP_CBC_CMD(msg=False, timeLimit=1200))

    status = pulp.LpStatus[problem.status].lower()
    if status != "optimal":
        meter.say(status=status)
        return
    placement = [next(p for p, column in columns.items() if column.value() > 0.5) for columns in stands]
    cost, broken = model.cost(placement)
    watch.solved(
        status,
        cost / model_a.CENT,
        round(problem.objective.value(), 3),
        broken,
        versions={"pulp": importlib.metadata.version("pulp")},
    )


if __name__ == "__main__":
    main()
