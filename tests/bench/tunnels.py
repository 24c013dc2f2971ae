"""The paths that people would build instead of Portolan, each of one or two hops: ssh, haproxy, stunnel, nginx.

A hop is a stretch between two machines, here between two processes: with two hops there is one more in the middle, which, but for ssh's,
reads everything.
"""
import subprocess

from peers import Path, unprivileged, unprivileged_user
from places import harness

TLS13 = "TLS_AES_256_GCM_SHA384"
SSH_CIPHER = "aes256-gcm@openssh.com"
# A process that has two descriptors for each session: the limit of this many (20,000) less what else it needs.
TWO_DESCRIPTORS = 9_300


def hops_text(hops):
    return f"{hops} hop{'s' if hops > 1 else ''}"


class Ssh(Path):
    """`ssh -L`: with two hops by `-J`, so that one connection is inside of the other, as nested paths of Portolan are. The servers run unprivileged."""

    most_idle = 9_500  # OpenSSH has no more than 10,000 channels on a connection
    needs = ("/usr/sbin/sshd",)

    def __init__(self, folder, hops, **more):
        super().__init__(folder, **more)
        self.hops = hops
        self.name = "ssh -L" if hops == 1 else "ssh -J -L"

    def start(self, services):
        self._sign_in_of(services)
        host, key = self.folder / "host", self.folder / "key"
        for path in (host, key):
            subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-b", "256", "-N", "", "-f", path], check=True)
        authorized = self._write("authorized", key.with_suffix(".pub").read_text())
        known = self._write("known", "bench " + host.with_suffix(".pub").read_text())
        self._give_to_unprivileged(host)
        ports = [harness.free_port() for _ in range(self.hops)]
        for number, port in enumerate(ports):
            config = self._write(f"sshd-{number}", f"""Port {port}
ListenAddress {self.ends.address}
HostKey {host}
AuthorizedKeysFile {authorized}
StrictModes no
UsePAM no
PidFile none
PasswordAuthentication no
Ciphers {SSH_CIPHER}
""")
            self._run(unprivileged(["/usr/sbin/sshd", "-D", "-e", "-f", config]), port, far=True)
        hosts = "".join(f"Host hop{number}\n  HostName {self.ends.address}\n  Port {port}\n  HostKeyAlias bench\n" for number, port in enumerate(ports))
        config = self._write("ssh", f"""{hosts}Host *
  User {unprivileged_user()}
  IdentityFile {key}
  IdentitiesOnly yes
  UserKnownHostsFile {known}
  BatchMode yes
  ExitOnForwardFailure yes
  Ciphers {SSH_CIPHER}
""")
        through = [] if self.hops == 1 else ["-J", "hop0"]
        forwards = []
        for what, port in services.ports().items():
            setattr(self, what, harness.free_port())
            forwards += ["-L", f"127.0.0.1:{getattr(self, what)}:127.0.0.1:{port}"]
        self._run(["ssh", "-F", config, "-N", *through, *forwards, f"hop{self.hops - 1}"], *(getattr(self, what) for what in services.ports()))


class Chain(Path):
    """A process at the near end, one at the far end, with two hops one between them, at the far end too; mutual TLS 1.3, one connection for each of a client."""

    program = ""

    def __init__(self, folder, hops, **more):
        super().__init__(folder, **more)
        self.hops = hops
        self.name = f"{self.program} TLS, {hops_text(hops)}"

    def start(self, services):
        self._sign_in_of(services)
        self._make_certificates()
        listens = [{what: harness.free_port() for what in services.ports()} for _ in range(self.hops + 1)]
        listens.append(services.ports())
        for number in reversed(range(self.hops + 1)):
            first, last = number == 0, number == self.hops
            here = "127.0.0.1" if first else self.ends.address
            onward = "127.0.0.1" if last else self.ends.address
            stages = {what: (f"{here}:{port}", f"{onward}:{listens[number + 1][what]}") for what, port in listens[number].items()}
            command = self.command(number, stages, tls_in=not first, tls_out=not last)
            self._run(command, *listens[number].values(), far=not first)
        for what, port in listens[0].items():
            setattr(self, what, port)

    def command(self, number, stages, tls_in, tls_out):
        """Writes the configuration of one process and gives its command; `stages` are {what: (where it listens, where it connects)}."""
        raise NotImplementedError

    def _make_certificates(self):
        self.authority, self.leaf, self.key = (self.folder / name for name in ("authority.pem", "leaf.crt", "leaf.key"))
        new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        authority_key = self.folder / "authority.key"
        make_authority = ["openssl", "req", "-x509", *new, "-subj", "/CN=bench authority", "-keyout", authority_key, "-out", self.authority]
        make_leaf = ["openssl", "req", "-x509", "-CA", self.authority, "-CAkey", authority_key, *new, "-subj", "/CN=localhost", "-addext",
                     "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", self.key, "-out", self.leaf]
        for command in (make_authority, make_leaf):
            subprocess.run(command, check=True, capture_output=True)


class Haproxy(Chain):
    program = "haproxy"
    principal = True
    most_idle = TWO_DESCRIPTORS
    needs = ("/usr/sbin/haproxy",)

    def command(self, number, stages, tls_in, tls_out):
        both = self._write("both.pem", self.leaf.read_text() + self.key.read_text(), secret=True)
        tls = f" ssl crt {both} ca-file {self.authority} verify required"
        listens = "".join(f"""listen {what}
  bind {here}{tls if tls_in else ""}
  server next {onward}{f"{tls} verifyhost localhost sni str(localhost)" if tls_out else ""}
""" for what, (here, onward) in stages.items())
        config = self._write(f"haproxy-{number}.cfg", f"""global
  maxconn {TWO_DESCRIPTORS + 400}
  ssl-default-bind-options ssl-min-ver TLSv1.3
  ssl-default-bind-ciphersuites {TLS13}
  ssl-default-server-options ssl-min-ver TLSv1.3
  ssl-default-server-ciphersuites {TLS13}
defaults
  mode tcp
  maxconn {TWO_DESCRIPTORS + 400}
  timeout connect 10s
  timeout client 1h
  timeout server 1h
{listens}""")
        return ["/usr/sbin/haproxy", "-db", "-f", config]


class Stunnel(Chain):
    """A thread for each connection. It cannot take TLS and give TLS at once: with two hops the process between has a plain connection to itself."""

    program = "stunnel"
    most_idle = 1_000
    needs = ("/usr/bin/stunnel4",)

    def command(self, number, stages, tls_in, tls_out):
        sections = []
        for what, (here, onward) in stages.items():
            if tls_in and tls_out:
                between = f"127.0.0.1:{harness.free_port()}"
                sections += [(f"{what}-in", "no", here, between), (f"{what}-out", "yes", between, onward)]
            else:
                sections.append((what, "yes" if tls_out else "no", here, onward))
        services = "".join(f"""[{name}]
client = {client}
accept = {here}
connect = {onward}
{"checkHost = localhost" if client == "yes" else ""}
""" for name, client, here, onward in sections)
        config = self._write(f"stunnel-{number}.conf", f"""foreground = yes
pid =
syslog = no
debug = 4
socket = l:TCP_NODELAY=1
socket = r:TCP_NODELAY=1
sslVersionMin = TLSv1.3
ciphersuites = {TLS13}
cert = {self.leaf}
key = {self.key}
CAfile = {self.authority}
verifyChain = yes
{services}""")
        return ["/usr/bin/stunnel4", config]


class Nginx(Chain):
    program = "nginx"
    most_idle = TWO_DESCRIPTORS
    needs = ("/usr/sbin/nginx", "/usr/lib/nginx/modules/ngx_stream_module.so")

    def command(self, number, stages, tls_in, tls_out):
        takes = f"""ssl_certificate {self.leaf};
    ssl_certificate_key {self.key};
    ssl_client_certificate {self.authority};
    ssl_verify_client on;
    ssl_protocols TLSv1.3;
    ssl_conf_command Ciphersuites {TLS13};
    """ if tls_in else ""
        gives = f"""proxy_ssl on;
    proxy_ssl_certificate {self.leaf};
    proxy_ssl_certificate_key {self.key};
    proxy_ssl_trusted_certificate {self.authority};
    proxy_ssl_verify on;
    proxy_ssl_name localhost;
    proxy_ssl_protocols TLSv1.3;
    proxy_ssl_conf_command Ciphersuites {TLS13};
    """ if tls_out else ""
        servers = "".join(f"""  server {{
    listen {here}{" ssl" if tls_in else ""};
    {takes}{gives}proxy_pass {onward};
    proxy_timeout 1h;
  }}
""" for here, onward in stages.values())
        config = self._write(f"nginx-{number}.conf", f"""load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
worker_processes auto;
pid {self.folder}/nginx-{number}.pid;
error_log stderr warn;
events {{ worker_connections {2 * TWO_DESCRIPTORS + 400}; }}
stream {{
{servers}}}
""")
        return ["/usr/sbin/nginx", "-c", config, "-e", "stderr"]
