"""tests/bench/delay_line.py: network namespaces, and long lines between them (portolan_delay, built as build/release/portolan_delay from
tests/bench/delay by `tools/build release portolan_delay`; PORTOLAN_DELAY_BIN names another), for benchmarks and for tests:

    sys.path.append(".../tests/bench")
    with Namespace() as client, Namespace() as server, DelayLine(client, "10.77.0.1/30", server, "10.77.0.2/30", delay_ms=50, loss=0.01) as line:
        shell = client.popen(["psql", …])
        line.change(loss=0, cut="both")   # while it runs

Needs root. Namespaces are called plN-… after this process, and those that a killed run has left are not touched. All that is started
here ends with the `with`.
"""
import contextlib
import ctypes
import itertools
import json
import os
import socket
import subprocess
import threading

from places import DELAY

CLONE_NEWNET = 0x40000000  # which Python 3.11 does not know
_numbers = itertools.count()


def ip(*words):
    answer = subprocess.run(["ip", *map(str, words)], capture_output=True, text=True)
    if answer.returncode != 0:
        raise OSError(f"ip {' '.join(map(str, words))}: {answer.stderr.strip()}")
    return answer.stdout


class Namespace:
    """A network namespace with its loopback device up; `settings` are sysctls of its own (name: value)."""

    def __init__(self, what="net", settings=None):
        self.name = f"pl{os.getpid()}-{what}{next(_numbers)}"
        ip("netns", "add", self.name)
        ip("-n", self.name, "link", "set", "lo", "up")
        for key, value in (settings or {}).items():
            self.run(["sysctl", "-q", "-w", f"{key}={value}"])

    def enter(self, command):
        """The words of this command inside. Not `ip netns exec`, which has a mount namespace of its own."""
        return ["nsenter", f"--net=/run/netns/{self.name}", *map(str, command)]

    def run(self, command, **more):
        return subprocess.run(self.enter(command), **{"check": True, "capture_output": True, "text": True, "timeout": 60, **more})

    def popen(self, command, **more):
        return subprocess.Popen(self.enter(command), **more)

    def socket(self, kind=socket.SOCK_STREAM):
        """A socket belongs to the network of the thread that makes it."""
        made = []

        def make():
            with open(f"/run/netns/{self.name}") as network:
                if ctypes.CDLL(None, use_errno=True).setns(network.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            made.append(socket.socket(socket.AF_INET, kind))

        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        return made[0]

    def nft(self, rules):
        """Adds these rules, as `nft -f` reads them."""
        self.run(["nft", "-f", "-"], input=rules)

    def delete(self):
        with contextlib.suppress(OSError):
            ip("netns", "del", self.name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.delete()


def cable(one, one_address, other, other_address, device="cable0"):
    """A plain veth pair between two namespaces: what stands in for a line without delay, and is gone with either of them."""
    ip("link", "add", device, "netns", one.name, "type", "veth", "peer", "name", device, "netns", other.name)
    for namespace, address in ((one, one_address), (other, other_address)):
        ip("-n", namespace.name, "address", "add", address, "dev", device)
        ip("-n", namespace.name, "link", "set", device, "up")


# What portolan_delay --help says of each.
_OPTIONS = {"delay_ms": "--delay", "jitter_ms": "--jitter", "loss": "--loss", "reorder": "--reorder", "rate_mbit": "--rate", "queue_kib": "--queue",
            "black_hole": "--black-hole", "cut": "--cut"}


def _words(settings):
    return [str(word) for key, value in settings.items() for word in (_OPTIONS[key], value)]


class DelayLine:
    """A line from `near` to `far`, each a Namespace or the name of one, with an address (with its prefix length) at its end, over a device of this name."""

    def __init__(self, near, near_address, far, far_address, device="delay0", mtu=1500, seed=1, **settings):
        near, far = (end.name if isinstance(end, Namespace) else end for end in (near, far))
        command = [DELAY, "--near", near, "--far", far, "--device", device, "--mtu", mtu, "--seed", seed, *_words(settings)]
        self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
        self.counts = None
        try:
            self._expect("ready")
            for namespace, address in ((near, near_address), (far, far_address)):
                ip("-n", namespace, "address", "add", address, "dev", device)
        except BaseException:
            self.end()
            raise

    def _expect(self, answer):
        said = self.process.stdout.readline().strip()
        if said != answer:
            raise OSError(f"portolan_delay: {said or 'ended'}")

    def change(self, **settings):
        """From now on, for packets that come in; what is not named stays as it is."""
        self.process.stdin.write(" ".join(_words(settings)) + "\n")
        self.process.stdin.flush()
        self._expect("ok")

    def end(self):
        """Packets and bytes that have passed each way, and how many did not: {"out": {"passed", "bytes", "lost", "cut", "dropped"}, "back": …}."""
        if self.counts is None:
            try:
                told = self.process.communicate(timeout=10)[0].strip()
            except subprocess.TimeoutExpired:
                self.process.kill()
                told = self.process.communicate()[0].strip()
            self.counts = json.loads(told.splitlines()[-1]) if told.endswith("}") else {}
        return self.counts

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()
