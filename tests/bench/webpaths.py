"""The paths that `web` compares, and the application at their far end: nginx, and a server of WebSockets beside it. Between the processes of a path
everything is encrypted (tunnels.py); each understands HTTP and keeps its connections, as people would have it. Portolan alone has every request on record.
"""
import contextlib
import dataclasses
import json
import pathlib
import subprocess
import sys
import urllib.parse

from peers import Direct, Path
from places import PORTOLAN, harness
from tunnels import TLS13, Haproxy, Nginx

HERE = pathlib.Path(__file__).resolve().parent
SMALL, BIG = 1024, 1 << 30
# The agent takes 1,000 connections for each resource.
FOR_SOCKETS = [f"bench-sockets-{number}" for number in range(1, 5)]


@dataclasses.dataclass(frozen=True)
class Applications:
    """Ports of 127.0.0.1: nginx, and the server of WebSockets."""

    web: int
    sockets: int
    postgres = None

    def ports(self):
        return {"web": self.web, "sockets": self.sockets}


@contextlib.contextmanager
def applications(folder, pinning):
    folder.mkdir()
    folder.chmod(0o755)
    (folder / "small").write_bytes(b"x" * SMALL)
    with (folder / "big").open("wb") as big:
        big.truncate(BIG)
    path = Application(folder / "nginx", folder)
    process = None
    try:
        with pinning.load():
            path.start(None)
            process = subprocess.Popen([sys.executable, HERE / "websockets.py", "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            yield Applications(path.web, json.loads(process.stdout.readline())["port"])
    finally:
        if process:
            process.communicate()
        path.stop()


class Application(Path):
    """What all paths lead to."""

    def __init__(self, folder, files):
        super().__init__(folder)
        self.files = files

    def start(self, services):
        self.web = harness.free_port()
        config = self._write("nginx.conf", f"""daemon off;
worker_processes auto;
pid {self.folder}/pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  sendfile on;
  keepalive_requests 100000000;
  default_type application/octet-stream;
  client_body_temp_path {self.folder};
  server {{
    listen 127.0.0.1:{self.web};
    root {self.files};
  }}
}}
""")
        self._run(["/usr/sbin/nginx", "-c", config, "-e", "stderr"], self.web)


class WebPath:
    """`web` and `sockets` are ports; a request says the Host that host_of() gives."""

    web = sockets = None

    def host_of(self, what):
        return f"127.0.0.1:{getattr(self, what)}"

    @property
    def idle_ways(self):
        """(port, Host) of each way to the server of WebSockets: each carries its share."""
        return [(self.sockets, self.host_of("sockets"))]


class WebDirect(WebPath, Direct):
    pass


class WebHaproxy(WebPath, Haproxy):
    def __init__(self, folder, **more):
        super().__init__(folder, 2, **more)
        self.name = "haproxy HTTPS, 2 hops"

    def command(self, number, stages, tls_in, tls_out):
        both = self._write("both.pem", self.leaf.read_text() + self.key.read_text(), secret=True)
        tls = f" ssl crt {both} ca-file {self.authority} verify required"
        listens = "".join(f"""listen {what}
  bind {here}{f"{tls} alpn http/1.1" if tls_in else ""}
  server next {onward}{f"{tls} verifyhost localhost sni str(localhost)" if tls_out else ""}
""" for what, (here, onward) in stages.items())
        config = self._write(f"haproxy-{number}.cfg", f"""global
  maxconn 8000
  ssl-default-bind-options ssl-min-ver TLSv1.3
  ssl-default-bind-ciphersuites {TLS13}
  ssl-default-server-options ssl-min-ver TLSv1.3
  ssl-default-server-ciphersuites {TLS13}
defaults
  mode http
  http-reuse always
  maxconn 8000
  timeout connect 10s
  timeout client 1h
  timeout server 1h
  timeout tunnel 1h
{listens}""")
        return ["/usr/sbin/haproxy", "-db", "-f", config]


class WebNginx(WebPath, Nginx):
    needs = ("/usr/sbin/nginx",)

    def __init__(self, folder, **more):
        super().__init__(folder, 2, **more)
        self.name = "nginx HTTPS, 2 hops"

    def command(self, number, stages, tls_in, tls_out):
        takes = f"""ssl_certificate {self.leaf};
    ssl_certificate_key {self.key};
    ssl_client_certificate {self.authority};
    ssl_verify_client on;
    ssl_protocols TLSv1.3;
    ssl_conf_command Ciphersuites {TLS13};
    """ if tls_in else ""
        gives = f"""proxy_ssl_certificate {self.leaf};
    proxy_ssl_certificate_key {self.key};
    proxy_ssl_trusted_certificate {self.authority};
    proxy_ssl_verify on;
    proxy_ssl_name localhost;
    proxy_ssl_protocols TLSv1.3;
    proxy_ssl_conf_command Ciphersuites {TLS13};
    """ if tls_out else ""
        servers = "".join(f"""  upstream {what} {{
    server {onward};
    keepalive 64;
  }}
  server {{
    listen {here}{" ssl" if tls_in else ""};
    {takes}{gives}location / {{
      proxy_pass {"https" if tls_out else "http"}://{what};
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $switches;
      proxy_http_version 1.1;
      proxy_max_temp_file_size 0;
      proxy_read_timeout 1h;
      proxy_send_timeout 1h;
    }}
  }}
""" for what, (here, onward) in stages.items())
        config = self._write(f"nginx-{number}.conf", f"""daemon off;
worker_processes auto;
pid {self.folder}/nginx-{number}.pid;
error_log stderr warn;
events {{ worker_connections 8000; }}
http {{
  access_log off;
  keepalive_requests 100000000;
  client_body_temp_path {self.folder};
  proxy_temp_path {self.folder};
  map $http_upgrade $switches {{ default upgrade; '' ''; }}
{servers}}}
""")
        return ["/usr/sbin/nginx", "-c", config, "-e", "stderr"]


class WebPortolan(WebPath, Path):
    """agent → gateway → relay, spliced."""

    name = "Portolan"
    hops = 2
    principal = True

    def start(self, services):
        resources = {"bench-web": f"http://127.0.0.1:{services.web}/", **{name: f"http://127.0.0.1:{services.sockets}/" for name in FOR_SOCKETS}}
        self.dev = harness.Dev(resources, "--separate", "--relays", "1", program=PORTOLAN)
        self.web, self.sockets = self.dev.port("bench-web"), self.dev.port(FOR_SOCKETS[0])

    def host_of(self, what):
        return self._host("bench-web" if what == "web" else FOR_SOCKETS[0])

    def _host(self, name):
        return urllib.parse.urlsplit(self.dev.url(name)).netloc

    @property
    def idle_ways(self):
        return [(self.dev.port(name), self._host(name)) for name in FOR_SOCKETS]

    @property
    def roots(self):
        return [self.dev.process.pid]

    def parts(self):
        return {part: self.dev.processes(part)[0]["pid"] for part in ("agent", "gateway", "relay", "control-plane")}

    def stop(self):
        if hasattr(self, "dev"):
            self.dev.destroy()


KINDS = {"direct": WebDirect, "portolan": WebPortolan, "haproxy": WebHaproxy, "nginx": WebNginx}
