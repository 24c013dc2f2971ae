"""What processes use of the machine: CPU time and memory of a tree of processes, what else runs beside them, and which CPU they may use."""
import contextlib
import os
import pathlib
import platform
import resource
import signal
import sys
import time

TICKS = os.sysconf("SC_CLK_TCK")


def name():
    with open("/proc/cpuinfo") as lines:
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{os.cpu_count()} × {model}"


def tcp():
    """The congestion control of TCP here: bbr and cubic do not give the same figures, not even over loopback."""
    return pathlib.Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()


def prepare():
    """As many descriptors as may be for this process and those that it starts, as every idle session takes one or two of a process between;
    and what it has started ends if it is told to end."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard != resource.RLIM_INFINITY else 65536, hard))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("bench: told to end"))


def _processes():
    """pid: (parent, CPU seconds with those of its children that have ended and been waited for)."""
    out = {}
    for folder in os.scandir("/proc"):
        if not folder.name.isdigit():
            continue
        with contextlib.suppress(OSError), open(f"/proc/{folder.name}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
            out[int(folder.name)] = (int(fields[1]), sum(map(int, fields[11:15])) / TICKS)
    return out


def _tree(roots, processes):
    children = {}
    for pid, (parent, _) in processes.items():
        children.setdefault(parent, []).append(pid)
    found, left = set(), [pid for pid in roots if pid in processes]
    while left:
        pid = left.pop()
        if pid not in found:
            found.add(pid)
            left += children.get(pid, [])
    return found


def cpu_seconds(*roots):
    """Of these processes and all below them since they began, whether they still run or not."""
    processes = _processes()
    return sum(processes[pid][1] for pid in _tree(roots, processes))


def wait_until_idle(*roots, limit=20):
    """Until these processes and all below them do nothing any more; gives the seconds that it took."""
    quiet = 0.1
    began, used = time.monotonic(), cpu_seconds(*roots)
    while roots and time.monotonic() - began < limit:
        time.sleep(quiet)
        now = cpu_seconds(*roots)
        if now - used < 1.5 / TICKS:
            return time.monotonic() - began - quiet
        used = now
    return time.monotonic() - began


def anonymous_kib(pid):
    lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Anonymous:"))


def anonymous_kib_of_all(*roots):
    """Of these processes and all below them."""
    total = 0
    for pid in _tree(roots, _processes()):
        with contextlib.suppress(OSError, StopIteration):
            total += anonymous_kib(pid)
    return total


def _busy_seconds():
    """Of all CPUs, with what the hypervisor gave to others."""
    with open("/proc/stat") as lines:
        fields = lines.readline().split()[1:9]
    user, nice, system, _idle, _wait, irq, softirq, steal = map(int, fields)
    return (user + nice + system + irq + softirq + steal) / TICKS


class Foreign:
    """How many CPUs, on average, others kept busy: all but this process and what it has started."""

    def __init__(self):
        self._begin = self._now()

    @staticmethod
    def _now():
        return time.monotonic(), _busy_seconds() - cpu_seconds(os.getpid())

    def cpus(self):
        (began, before), (now, after) = self._begin, self._now()
        return max(0.0, (after - before) / max(now - began, 0.01))


class Pinning:
    """Which CPUs the load and the server may use, and which the processes of the path between them: what is started inside
    `load()` or `path()` inherits it."""

    EVERY = os.sched_getaffinity(0)
    NAMES = {"free": (EVERY, EVERY), "split": ({0}, {1}), "one": ({0}, {0})}

    def __init__(self, name):
        self.name = name
        self._load, self._path = self.NAMES[name]

    def load(self):
        return self._on(self._load)

    def path(self):
        return self._on(self._path)

    @staticmethod
    @contextlib.contextmanager
    def _on(cpus):
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, cpus)
        try:
            yield
        finally:
            os.sched_setaffinity(0, before)
