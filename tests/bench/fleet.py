"""Portolan set up part by part, as README says, where `portolan dev` does not reach: over a network between two ends, and with any number of relays.

The control plane, the gateway and the relays are at the far end, beside the servers; the agent is at the near one.
"""
import json
import os
import socket

import loads
from peers import Path
from places import PORTOLAN, harness

EMAIL = "bench@example.com"
READY_S = 30


def local_port(taken):
    """One at which an agent may listen: below those that the kernel gives to others."""
    for port in range(21_000, 32_000):
        if port not in taken:
            with socket.socket() as probe:
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    continue
            taken.add(port)
            return port
    raise loads.Failed("no free port for a resource")


class Fleet(Path):
    """A path of two hops through one of its relays, or, without relays, of one."""

    principal = True

    def __init__(self, folder, hops=2, relays=None, **more):
        super().__init__(folder, **more)
        self.hops = hops
        self.name = "Portolan" if hops == 2 else "Portolan, 1 hop"
        self.wanted = (hops - 1) if relays is None else relays
        self.relays = {}  # name: process
        self.through = {}  # name of a relay: port of what is reached by it alone
        self.taken = set()

    def start(self, services):
        self.services = services
        password = self._write("password", "a password for the bench 7", secret=True)
        port = harness.free_port()
        self.control = f"{self.ends.address}:{port}"
        self.plane = self._run([PORTOLAN, "server", "--data", self.folder / "control", "--listen", self.control, "--public-name", self.ends.address,
                                "--sealing-key-file", self.folder / "seal.key", "--admin-email", EMAIL, "--admin-password-file", password,
                                "--ca-out", self.folder / "ca.pem", "--check-interval", "off", "--log-level", "warn"], port, far=True)
        harness.wait_until((self.folder / "ca.pem").exists, READY_S, "the control plane has written its CA")
        sign_in = ["login", self.control, "--email", EMAIL, "--ca-file", self.folder / "ca.pem", "--password-file", password, "--no-agent"]
        self._command("admin", *sign_in)
        self._command("agent", *sign_in)
        port = harness.free_port()
        self.gateway = self._start_node("gateway", "gateway-1", "--listen", f"{self.ends.address}:{port}", "--advertise", f"{self.ends.address}:{port}")
        self._admin("roles", "create", "all")
        self._admin("memberships", "create", EMAIL, "all")
        self.load = self.add_resource("bench-load")
        self.add_relays(self.wanted)
        self.agent = self._run([PORTOLAN, "agent", "--connect-all", "--no-status-port", "--log-level", "warn"], environment=self._environment("agent"))
        harness.wait_until(self._linked, READY_S, "the agent is linked to the gateway")

    def add_relays(self, count):
        """So many more, and until they are up."""
        for _ in range(count):
            name = f"relay-{len(self.relays) + 1:03}"
            self.relays[name] = self._start_node("relay", name)
        harness.wait_until(lambda: self.up() == 1 + len(self.relays), READY_S + len(self.relays), "all nodes are up")

    def reach_each(self):
        """A resource for each relay that has none yet, which that one alone may reach: `idle_ports`."""
        for name in self.relays:
            if name not in self.through:
                self.through[name] = self.add_resource(f"by-{name}", "--egress", name)
        harness.wait_until(lambda: {resource["state"] for resource in self.status()["resources"]} == {"connected"} and
                           len(self.status()["resources"]) == 1 + len(self.through), READY_S, "the agent has connected each resource")

    @property
    def idle_ports(self):
        return list(self.through.values()) or [self.load]

    def add_resource(self, name, *options):
        """A way to the server of portolan_load; gives its port at the near end."""
        port = local_port(self.taken)
        self._admin("resources", "create", name, "--url", f"tcp://127.0.0.1:{self.services.load}", "--local-port", port, *options)
        self._admin("grants", "create", "all", name)
        return port

    def up(self):
        return sum(json.loads(line)["state"] == "up" for line in self._admin("nodes", "list", "--json").splitlines())

    def parts(self):
        return {"agent": self.agent.pid, "gateway": self.gateway.pid, **({"relay": next(iter(self.relays.values())).pid} if self.relays else {}),
                "control-plane": self.plane.pid}

    def status(self):
        return json.loads(self._command("agent", "status", "--json"))

    def _linked(self):
        try:
            return any(gateway["state"] == "linked" for gateway in self.status()["gateways"])
        except loads.Failed:
            return False

    def _start_node(self, kind, name, *options):
        token = self.folder / f"{name}.token"
        self._admin("nodes", "token", "create", "--kind", kind, "--out", token)
        return self._run([PORTOLAN, "node", "--data", self.folder / name, "--control", self.control, "--join-token-file", token, "--name", name, "--health", "none",
                          "--metrics", "none", "--log-level", "warn", *options], far=True, environment=self._environment("admin"))

    def _environment(self, home):
        return {**{key: value for key, value in os.environ.items() if not key.startswith("PORTOLAN_")}, "PORTOLAN_HOME": str(self.folder / home), "NO_COLOR": "1",
                "PORTOLAN_DRAIN_LIMIT": "0s"}

    def _command(self, home, *words):
        return loads.run([PORTOLAN, *words], self, far=home == "admin", env=self._environment(home))

    def _admin(self, *words):
        return self._command("admin", "admin", *words)
