"""Puts loads on paths, in turn and again and again, and keeps what came of it by round, so that only what was measured in the same round is compared."""
import os
import statistics
import time

import loads
import machine
import report
from report import say


class Results:
    """What each load gave on each path, by round."""

    def __init__(self):
        self.of = {}  # (load, path): [{value, cpu_us, cpu_of_all_us, settled_s, foreign_cpus, …} or {failed}]

    def add(self, load, path, one):
        self.of.setdefault((load.key, path.name), []).append(one)

    def values(self, key, path, what="value"):
        return [one[what] for one in self.of.get((key, path), []) if what in one]

    def ratios(self, key, path, base="direct", what="value"):
        """Of this path to another, by round."""
        both = zip(self.of.get((key, path), []), self.of.get((key, base), []))
        return [one[what] / other[what] for one, other in both if other.get(what) and what in one]

    def ratios_by_cpu(self, key, path):
        """What the ratio to the direct path would be if nothing but CPU time decided it: that of client, server and path together."""
        return [1 / ratio for ratio in self.ratios(key, path, what="cpu_of_all_us") if ratio]

    def failures(self, key, path):
        out = {}
        for one in self.of.get((key, path), []):
            if "failed" in one:
                out[one["failed"]] = out.get(one["failed"], 0) + 1
        return out

    def as_lists(self):
        return [{"load": load, "path": path, "rounds": of, "ratios": self.ratios(load, path)} for (load, path), of in self.of.items()]


def measure(load, path, options, pinning):
    def used():
        return machine.cpu_seconds(*path.roots), machine.cpu_seconds(os.getpid()) - time.process_time()  # of all but this program itself

    foreign, before, began = machine.Foreign(), used(), time.monotonic()
    try:
        with pinning.load():
            taken = load.measure(path, options.quick)
    except loads.Failed as error:
        say(f"{load.title}, {path.name}: {error}")
        return {"failed": str(error)}
    took = time.monotonic() - began
    others = foreign.cpus()
    # What the path has put off belongs to this figure, not to the next path's.
    settled = machine.wait_until_idle(*path.roots)
    out = {**taken, "settled_s": settled, "foreign_cpus": others}
    if load.per:
        # The load warms up and ends a little outside of what it measures: CPU time is scaled to what it has measured.
        out["cpu_us"], out["cpu_of_all_us"] = ((after - earlier) / took / load.per_second(taken["value"]) * 1e6 for after, earlier in zip(used(), before))
    return out


def measure_all(paths, chosen, options, pinning, rounds):
    results = Results()
    for number in range(rounds):
        for load in chosen:
            say(f"round {number + 1} of {rounds}: {load.title}")
            fit = [path for path in paths if load.fits(path)]
            turned = fit[number % len(fit):] + fit[:number % len(fit)] if fit else []  # nobody always comes first
            for path in turned:
                results.add(load, path, measure(load, path, options, pinning))
    return results


def _whole(values):
    if not values:
        return "failed", ""
    form = "{:,.0f}" if statistics.median(values) >= 100 else "{:.2f}"
    return form.format(statistics.median(values)), f"{form.format(min(values))}–{form.format(max(values))}"


def _told_cpu(load, values):
    if not values:
        return ""
    median = statistics.median(values)
    return f"{median / 1e6:.2f} s" if load.per == "GiB" else f"{median:,.0f} µs"


# What else portolan_load tells of some loads, and the head of its column.
MORE = {"fairness": "MIN/MAX", "p99_us": "P99, µs", "p999_us": "P99.9, µs"}


def table(results, paths, load):
    fit = [path for path in paths if load.fits(path)]
    more = [what for what in MORE if any(results.values(load.key, path.name, what) for path in fit) and not (what == "fairness" and load.key in ("up", "down"))]
    cpu_heads = ("BY CPU TIME", f"CPU A {load.per.upper()}") if load.per else ()
    rows = [(load.title, load.unit, "MIN–MAX", "OF DIRECT", *cpu_heads, *(MORE[what] for what in more))]
    for path in fit:
        values = results.values(load.key, path.name)
        row = [path.name, *_whole(values), report.spread(results.ratios(load.key, path.name)) if path.name != "direct" else ""]
        if load.per:
            row += [report.spread(results.ratios_by_cpu(load.key, path.name)) if path.name != "direct" else ""]
            row += [_told_cpu(load, results.values(load.key, path.name, "cpu_us") if path.roots else [])]
        rows.append((*row, *(report.spread(results.values(load.key, path.name, what)) for what in more)))
    return "\n".join([*report.aligned(rows), ""])


def text_of(results, paths, chosen, rounds):
    return "\n".join(table(results, paths, load) for load in chosen) + (
        f"\nMedians of {rounds} rounds [least–most]. BY CPU TIME: what the ratio would be if that of client, server and path decided alone; CPU: that of the path's processes.\n\n")
