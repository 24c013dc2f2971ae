"""Network namespaces around one router: hosts on networks of their own, and what can go wrong between them.

Each host is a namespace with one cable to the router, which forwards between all of them; faults are nftables rules at the router, so that no process sees more of them than of a fault in a real network.
Everything is named after the process that made it; what a killed one has left behind is removed by the next.
"""
import contextlib
import itertools
import os
import pathlib
import subprocess

from delay_line import DelayLine

PREFIX = "pnet"
NAMES = pathlib.Path("/run/netns")


def root(*words, check=True, **more):
    result = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=60, **more)
    assert not check or result.returncode == 0, f"{' '.join(map(str, words))}: {result.returncode}\n{result.stdout}{result.stderr}"
    return result


def sweep():
    """Namespaces of processes that are no more."""
    for left in NAMES.glob(f"{PREFIX}-*-*") if NAMES.exists() else ():
        if not pathlib.Path("/proc", left.name.split("-")[1]).exists():
            root("ip", "netns", "delete", left.name, check=False)


class Topology:
    """Hosts are known by the names they are given here, which are also those of the router's interfaces."""

    def __init__(self, hosts):
        sweep()
        self.networks = itertools.count(1)
        self.faults = itertools.count(1)
        self.addresses = {}
        self.hosts = []
        self.lines = {}
        try:
            self._add("router")
            self.within("router", "sysctl", "-qw", "net.ipv4.ip_forward=1")
            for host in hosts:
                self._add(host)
                self.plug(host)
        except BaseException:
            self.destroy()
            raise

    @staticmethod
    def name(host):
        return f"{PREFIX}-{os.getpid()}-{host}"

    def _add(self, host):
        root("ip", "netns", "add", self.name(host))
        self.hosts.append(host)
        self.within(host, "ip", "link", "set", "lo", "up")

    def command(self, host, *words):
        """What runs in the host's network, and ends if this process is killed."""
        return ["setpriv", "--pdeathsig", "KILL", "--", "ip", "netns", "exec", self.name(host), *map(str, words)]

    def within(self, host, *words, **more):
        return root("ip", "netns", "exec", self.name(host), *words, **more)

    def plug(self, host, line=None):
        """A cable to the router, on a network of its own. `line`: settings of a DelayLine, which is then the cable. A veth pair takes one packet at a
        time here, so that loss and size are those of packets."""
        network = next(self.networks)
        assert network < 250
        near, far = f"10.219.{network}.2", f"10.219.{network}.1"
        if line is None:
            root("ip", "link", "add", "name", host, "netns", self.name(host), "gso_max_segs", "1", "type", "veth",
                 "peer", "name", host, "netns", self.name("router"), "gso_max_segs", "1")
            for end, address in (("router", far), (host, near)):
                self.within(end, "ip", "addr", "add", f"{address}/24", "dev", host)
                self.within(end, "ip", "link", "set", host, "up")
        else:
            self.lines[host] = DelayLine(self.name(host), f"{near}/24", self.name("router"), f"{far}/24", device=host, **line)
        self.within(host, "ip", "route", "add", "default", "via", far)
        self.addresses[host] = near

    def unplug(self, host):
        if line := self.lines.pop(host, None):
            line.end()
        else:
            self.within(host, "ip", "link", "delete", host)

    @contextlib.contextmanager
    def rules(self, *chains):
        """An nftables table at the router, as long as the block lasts."""
        table = f"fault{next(self.faults)}"
        self.within("router", "nft", "-f", "-", input=f"table inet {table} {{\n" + "\n".join(chains) + "\n}\n")
        try:
            yield table
        finally:
            self.within("router", "nft", "delete", "table", "inet", table)

    def forward(self, *rules):
        lines = "\n".join(rules)
        return self.rules(f"chain on_the_way {{\ntype filter hook forward priority 0\n{lines}\n}}")

    def cut(self, source, target, there=True, back=True):
        """Nothing passes from one host to another, or back, and nobody is told."""
        rules = [f'iifname "{source}" oifname "{target}" drop'] * there + [f'iifname "{target}" oifname "{source}" drop'] * back
        return self.forward(*rules)

    def cut_off(self, host, there=True, back=True, but="resource"):
        """The same towards all others but one."""
        return self.forward(*[f'iifname "{host}" oifname != "{but}" drop'] * there, *[f'iifname != "{but}" oifname "{host}" drop'] * back)

    def loss(self, per_mille):
        """Each packet is lost with this probability, in both directions and on every way."""
        return self.forward(f"numgen random mod 1000 < {per_mille} drop")

    @contextlib.contextmanager
    def black_hole(self, host, mtu):
        """The cable of this host takes smaller packets than both its ends believe, and nobody tells who sends larger ones."""
        with self.rules('chain unsaid {\ntype filter hook output priority 0\nmeta l4proto icmp drop\n}'):
            self.within("router", "ip", "link", "set", host, "mtu", str(mtu))
            try:
                yield
            finally:
                self.within("router", "ip", "link", "set", host, "mtu", "1500")

    @contextlib.contextmanager
    def nat(self, host, but):
        """The router's own address and ports stand for this host, but towards the one beside it."""
        table = f"nat{next(self.faults)}"
        self.within("router", "nft", "-f", "-", input=f"table inet {table} {{\nchain mapping {{\ntype nat hook postrouting priority 100\n}}\n}}\n")
        nat = Nat(self, table, host, but)
        try:
            nat.remap()
            yield nat
        finally:
            self.within("router", "nft", "delete", "table", "inet", table)

    def destroy(self):
        for line in self.lines.values():
            line.end()
        for host in reversed(self.hosts):
            root("ip", "netns", "delete", self.name(host), check=False)
        self.hosts.clear()


class Nat:
    """remap() forgets all mappings; those to come are of other ports. Who has no mapping is reset, as by a router that was restarted."""

    def __init__(self, topology, table, host, but):
        self.topology, self.table = topology, table
        self.others = f'iifname "{host}" oifname != "{but}"'
        self.ports = itertools.count(20000, 1000)

    def remap(self):
        first = next(self.ports)
        rule = f"{self.others} meta l4proto tcp masquerade to :{first}-{first + 999}"
        self.topology.within("router", "nft", "-f", "-", input=f"flush chain inet {self.table} mapping\nadd rule inet {self.table} mapping {rule}\n")
        self.topology.within("router", "conntrack", "-F")

    @contextlib.contextmanager
    def silent(self):
        """What has no mapping is swallowed, from both sides."""
        within = self.topology.within
        within("router", "sysctl", "-qw", "net.netfilter.nf_conntrack_tcp_loose=0")
        try:
            with self.topology.rules(f"chain on_the_way {{\ntype filter hook forward priority 0\n{self.others} ct state invalid drop\n}}",
                                     "chain unmapped {\ntype filter hook input priority 0\nmeta l4proto tcp drop\n}"):
                yield
        finally:
            within("router", "sysctl", "-qw", "net.netfilter.nf_conntrack_tcp_loose=1")
