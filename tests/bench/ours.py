"""Portolan's own paths on this machine: `portolan dev --separate`, each part a process of its own, with a control plane beside them. Every query is recorded."""
from peers import DATABASE, Path
from places import PORTOLAN, harness

# The agent takes 1,000 connections for each resource: so many resources carry 10,000.
FOR_IDLE = [f"bench-idle-{number}" for number in range(1, 13)]
PARTS = ("agent", "gateway", "relay", "control-plane")


class Portolan(Path):
    """agent → gateway → relay, spliced or nested; or, with one hop, agent → gateway, which is the egress node itself."""

    def __init__(self, folder, hops=2, nested=False, **more):
        super().__init__(folder, **more)
        self.hops = hops
        self.principal = not nested
        self.name = f"Portolan{', 1 hop' if hops == 1 else ', nested' if nested else ''}"
        self.options = ["--relays", str(hops - 1), *(["--nested-paths"] if nested else [])]

    def start(self, services):
        resources = {name: f"tcp://127.0.0.1:{services.load}" for name in ("bench-load", *FOR_IDLE)}
        if services.postgres:
            resources["bench-db"] = services.postgres.url(DATABASE, tls="disable")
        self.dev = harness.Dev(resources, "--separate", *self.options, program=PORTOLAN)
        self.load = self.dev.port("bench-load")
        if services.postgres:
            self.pg = self.dev.port("bench-db")

    @property
    def idle_ports(self):
        return [self.dev.port(name) for name in FOR_IDLE]

    @property
    def roots(self):
        return [self.dev.process.pid]

    def parts(self):
        return {part: self.dev.processes(part)[0]["pid"] for part in PARTS if self.dev.processes(part)}

    def stop(self):
        if hasattr(self, "dev"):
            self.dev.destroy()
