"""Figures of tests/bench: one beside its limit, a table of them, and the object that is written to a file."""
import datetime
import json
import pathlib
import platform
import statistics
import sys

import machine


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def figure(what, value, unit, at_most=None, at_least=None, **more):
    """One that is measured; with a limit it is good or missed, and with `failures` of whatever made it, it is never good."""
    good = (at_most is None or value <= at_most) and (at_least is None or value >= at_least)
    limited = at_most is not None or at_least is not None
    return {"figure": what, "value": round(value, 2), "unit": unit, "at_most": at_most, "at_least": at_least,
            "good": not limited or (good and not more.get("failures")), **more}


def aligned(rows):
    """Lines of cells, the first row being the heads; numbers stand to the right, under each other."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    right = [i > 0 and all(not row[i] or row[i].lstrip("-")[:1].isdigit() for row in rows[1:]) for i in range(len(rows[0]))]
    return ["  ".join(cell.rjust(width) if to_right else cell.ljust(width) for cell, width, to_right in zip(row, widths, right)).rstrip() for row in rows]


def table(figures):
    rows = [("FIGURE", "VALUE", "LIMIT", "", "P50", "MAX", "COUNT")]
    for one in figures:
        sign, limit = ("≤", one["at_most"]) if one["at_most"] is not None else ("≥", one["at_least"])
        unit = one["unit"].split(" ")[0]
        verdict = "" if limit is None else "ok" if one["good"] else "MISSED"
        rows.append((one["figure"], f"{one['value']:g} {one['unit']}", "" if limit is None else f"{sign} {limit:g} {unit}", verdict,
                     *(f"{one[key]:g}" if key in one else "" for key in ("p50", "max", "count"))))
    lines = aligned(rows)
    for one in figures:
        lines += [f"  {count} failed of {one['figure']}: {why}" for why, count in one.get("failures", {}).items()]
    return "\n".join(lines)


def rounded(value):
    """Three digits, or all before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def spread(values):
    """Median [least–most]."""
    if not values:
        return "–"
    median = rounded(statistics.median(values))
    return median if len(values) == 1 else f"{median} [{rounded(min(values))}–{rounded(max(values))}]"


def promises(figures):
    """The figures that have a limit and all rounds, as the table of docs/performance.md."""
    rows = [f"| {one['figure']} {'≤' if one['at_most'] is not None else '≥'} {one['at_most'] if one['at_most'] is not None else one['at_least']:g} {one['unit']}".rstrip()
            + (f" [{one['goal']:g}]" if one.get("goal") is not None else "")
            + f" | {spread(one['rounds'])} | {'kept' if one['good'] else '**missed**'} |" for one in figures if "rounds" in one]
    return "\n".join(["| promised [goal] | measured: median [least–most of the rounds] | |", "|---|---|---|", *rows]) + "\n\n" if rows else ""


def promise(what, rounds, unit, at_most=None, at_least=None, goal=None, failures=None):
    """A figure that is the median of rounds: missed if there are none, or if something failed in them."""
    if not rounds:
        failures = {**(failures or {}), "nothing was measured": 1}
    more = {"failures": failures} if failures else {}
    return figure(what, statistics.median(rounds) if rounds else 0, unit, at_most, at_least, goal=goal, rounds=[round(value, 4) for value in rounds], count=len(rounds), **more)


def add_options(parser):
    parser.add_argument("--quick", action="store_true", help="fewer repetitions, the same sizes and rates")
    parser.add_argument("--json", action="store_true", help="one object instead of the tables")
    parser.add_argument("--out", help="a file for the object as well")


def finish(options, figures, text="", **more):
    """Prints what was measured, and gives the exit status: 1 if a limit is missed."""
    result = {"time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "machine": machine.name(), "kernel": platform.release(), "tcp": machine.tcp(), **more, "figures": figures}
    if options.out:
        pathlib.Path(options.out).write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    print(json.dumps(result) if options.json else f"{result['time']}, {result['machine']}, kernel {result['kernel']}, TCP {result['tcp']}\n\n{text}{promises(figures)}{table(figures) if figures else ''}")
    return 0 if all(one["good"] for one in figures) else 1
