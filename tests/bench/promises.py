"""What is promised of Portolan's paths beside others, each figure with its limit and its goal. A ratio is the median of the ratios of the rounds."""
import dataclasses

import report

ONE, TWO, NESTED = "Portolan, 1 hop", "Portolan", "Portolan, nested"
HAPROXY_1, HAPROXY_2, SSH_1, SSH_2 = "haproxy TLS, 1 hop", "haproxy TLS, 2 hops", "ssh -L", "ssh -J -L"


@dataclasses.dataclass(frozen=True)
class Promise:
    what: str
    load: str
    path: str
    beside: str = ""  # empty: the value itself
    field: str = "value"
    at_least: float = None
    at_most: float = None
    goal: float = None

    def judged(self, results):
        """A figure; none if this load was not put on these paths."""
        used = [path for path in (self.path, self.beside) if path]
        if not all(results.of.get((self.load, path)) for path in used):
            return None
        failures = {why: count for path in used for why, count in results.failures(self.load, path).items()}
        values = results.ratios(self.load, self.path, self.beside, self.field) if self.beside else results.values(self.load, self.path, self.field)
        unit = f"× {self.beside}" if self.beside else "% of their speed" if self.load.startswith("stopped") else ""
        return report.promise(self.what, values, unit, self.at_most, self.at_least, self.goal, failures)


PROMISES = [
    *(Promise(f"one hop, {way} of 1 stream", load, ONE, HAPROXY_1, at_least=1.15, goal=1.3) for way, load in (("upload", "up"), ("download", "down"))),
    *(Promise(f"one hop, {way} of 8 streams", load, ONE, HAPROXY_1, at_least=1.0) for way, load in (("upload", "up_8"), ("download", "down_8"))),
    *(Promise(f"the same, slowest to fastest of 8, {way}", load, ONE, field="fairness", at_least=0.9) for way, load in (("upload", "up_8"), ("download", "down_8"))),
    *(Promise(f"two hops, end to end encrypted, {way} of 1 stream", load, TWO, HAPROXY_2, at_least=1.1, goal=1.25) for way, load in (("upload", "up"), ("download", "down"))),
    *(Promise(f"CPU seconds a GiB, {hops}, {way}", load, ours, theirs, "cpu_us", at_most=0.85)
      for hops, ours, theirs in (("one hop", ONE, HAPROXY_1), ("two hops", TWO, HAPROXY_2)) for way, load in (("upload", "up"), ("download", "down"))),
    Promise("one byte to and fro, p50, one hop", "ping", ONE, HAPROXY_1, at_most=0.9),
    Promise("one byte to and fro, p50, two hops", "ping", TWO, HAPROXY_2, at_most=0.9),
    Promise("new sessions a second, two hops", "connects", TWO, HAPROXY_2, at_least=10),
    Promise("new sessions a second, one hop", "connects", ONE, SSH_1, at_least=1.2),
    Promise("new sessions a second, two hops", "connects", TWO, SSH_2, at_least=1.2),
    Promise("others beside a stopped reader at the client, 1 of 100 downloads", "stopped", TWO, at_least=95),
    Promise("others beside a stopped reader at the server, 1 of 100 uploads", "stopped_up", TWO, at_least=95),
    Promise("select-only, 8 clients, two hops with audit", "select", TWO, HAPROXY_2, at_least=1.0, goal=1.2),
    Promise("select-only, 8 clients, two hops with audit", "select", TWO, "direct", at_least=0.45),
    Promise("the same, nested", "select", NESTED, "direct", at_least=0.35),
    Promise("new PostgreSQL connections", "connect", TWO, "direct", at_least=1.0),
]
# KiB of an idle session, at most, of each of Portolan's processes that carry it.
IDLE_PG_AT_MOST, IDLE_TCP_AT_MOST, IDLE_TCP_GOAL = 16, 4, 1.5
CARRIERS = ("agent", "gateway", "relay")


def judged(results):
    return [figure for promise in PROMISES if (figure := promise.judged(results))]


def judged_memory(idle):
    """`idle`: {path: what loads.idle_memory gave}."""
    figures = []
    for path in (TWO, ONE):
        for (service, count), by_part in idle.get(path, {}).items():
            limit, goal, what = (IDLE_PG_AT_MOST, None, "PostgreSQL") if service == "pg" else (IDLE_TCP_AT_MOST, IDLE_TCP_GOAL, "TCP")
            if "failed" in by_part:
                figures.append(report.promise(f"memory of an idle session, {count:,} {what}, {path}", [], "KiB", at_most=limit, goal=goal, failures={by_part["failed"]: 1}))
            figures += [report.promise(f"memory of an idle session, {count:,} {what}, {path}: {part}", [by_part[part]], "KiB", at_most=limit, goal=goal)
                        for part in CARRIERS if part in by_part]
    return figures
