"""One instance through SkyPilot's own optimizer, offline.

`sky.optimizer.Optimizer._optimize_by_ilp` is called as it is. It wants a graph of tasks and what each of a task's
resources costs; both are stand-ins here, since it uses nothing of them but a name. Prices of transfer come from the
instance. Two ways to fill it:

    offers     every offer that fits is a resource: what skyplan chooses from, and a task with all of them in `any_of`
    locations  the cheapest offer of each location: nearer to a plain request, for which SkyPilot takes one
               type of each cloud, in every region that has it

Its model has no bound on latency. With `--latency priced` (the rule here) a pair of resources beyond a bound costs more
than a placement that is known, so that no optimum takes it and the optimum is that of model A; with `--latency none`
bounds are left out, and the cost may be lower than what is feasible.
"""

import argparse
import importlib.metadata

import meter
import model_a


class Task:
    """Stands for a `sky.Task`: its name, and where the answer is written to."""

    def __init__(self, number):
        self.number = number
        self.name = f"c{number}"
        self.best_resources = None


class Resource:
    """Stands for a `sky.Resources`."""

    def __init__(self, place):
        self.place = place


def transfer_prices(model, beyond):
    """For each dataflow the price in cents by location of source and target."""
    prices = {}
    for flow in model.dataflows:
        prices[flow["src"], flow["dst"]] = [
            [
                flow["gb"] * rate / model_a.CENT + (0 if model.near(flow, source, target) else beyond)
                for target, rate in enumerate(rates)
            ]
            for source, rates in enumerate(model.rates)
        ]
    return prices


def main():
    options = argparse.ArgumentParser()
    options.add_argument("instance")
    options.add_argument("--choices", choices=["offers", "locations"], default="offers")
    options.add_argument("--latency", choices=["priced", "none"], default="priced")
    asked = options.parse_args()
    model = model_a.ModelA(asked.instance)

    import networkx
    import pulp
    from sky import optimizer

    tasks = [Task(c) for c in range(len(model.components))]
    graph = networkx.DiGraph()
    graph.add_nodes_from(tasks)
    graph.add_edges_from((tasks[f["src"]], tasks[f["dst"]]) for f in model.dataflows)
    costs = {}
    for task in tasks:
        taken = model.choices[task.number] if asked.choices == "offers" else model.cheapest(task.number).items()
        costs[task] = {Resource(place): price / model_a.CENT for place, price in taken}

    # The least price that does it: the known placement must be cheaper than any pair beyond its bound.
    beyond = model.cost(model.planted)[0] / model_a.CENT + 1 if asked.latency == "priced" else 0
    prices = transfer_prices(model, beyond)

    def transfer(_minimize_cost, source, source_at, target, target_at):
        return prices[source.number, target.number][source_at.place][target_at.place]

    optimizer.Optimizer._egress_cost_or_time = staticmethod(transfer)

    watch = meter.Meter()
    solve = pulp.LpProblem.solve
    last = {}

    def watched(problem, *args, **kwargs):
        last["problem"] = problem
        watch.model_built(problem.numVariables(), problem.numConstraints())
        return solve(problem, *args, **kwargs)

    pulp.LpProblem.solve = watched
    order = list(networkx.topological_sort(graph))
    plan, said = optimizer.Optimizer._optimize_by_ilp(graph, order, costs, minimize_cost=True)

    cost, broken = model.cost([plan[task].place for task in tasks])
    watch.solved(
        pulp.LpStatus[last["problem"].status].lower(),
        cost / model_a.CENT,
        round(said, 3),
        broken,
        choices=asked.choices,
        latency=asked.latency,
        versions={p: importlib.metadata.version(p) for p in ("skypilot", "pulp", "networkx")},
    )


if __name__ == "__main__":
    main()
