"""Real web servers that stand for applications: nginx, Apache, Radicale. Each is a process in a folder of its own, on a free port of 127.0.0.1."""
import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile

from harness import free_port, wait_until
from middleboxes import issue, make_authority

SOON = 15  # seconds


def accepts(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


class Authority:
    """A certificate authority, and what it issues, in a folder."""

    def __init__(self, folder, name="Test CA"):
        folder.mkdir(exist_ok=True)
        self.folder, self.name = folder, name
        make_authority(folder, name)
        self.file = folder / f"{name}.pem"

    def issue(self, name, subject):
        """(certificate, key), files; `subject` as "DNS:wiki.corp.example"."""
        issue(self.folder, self.name, name, subject)
        return self.folder / f"{name}.pem", self.folder / f"{name}.key"

    def issue_to_person(self, name):
        """A client's certificate, likewise."""
        key, request, certificate = (self.folder / f"{name}.{end}" for end in ("key", "csr", "pem"))
        for command in (["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request],
                        ["x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self.folder / f"{self.name}.key", "-CAcreateserial", "-days", "200",
                         "-out", certificate]):
            subprocess.run(["openssl", *command], check=True, capture_output=True)
        key.chmod(0o600)
        return certificate, key


class Server:
    """What the servers have in common; `port` is the one that tells that it has started."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="portolan-webserver-"))
        self.folder.chmod(0o755)
        self.port = free_port()
        self.process = None

    def run(self, *command):
        log = self.folder / "output.log"
        with log.open("ab") as out:
            self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=self.folder)
        wait_until(lambda: self.process.poll() is not None or accepts(self.port), SOON, f"{command[0]} listens")
        assert self.process.poll() is None, log.read_text()[-3000:]

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=SOON)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def destroy(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Nginx(Server):
    """`servers` is a function (of this object) that gives the server blocks; `files` is the folder that they may serve."""

    FIELDS = ("connection", "server_protocol", "request_method", "request_uri", "http_host", "status", "http_user_agent", "ssl_client_s_dn", "ssl_server_name")

    def __init__(self, servers):
        super().__init__()
        self.files = self.folder / "files"
        self.files.mkdir()
        for name in ("body", "proxy", "fastcgi", "uwsgi", "scgi"):
            (self.folder / name).mkdir()
        logged = ",".join(f'"{name}":"${name}"' for name in self.FIELDS)
        config = self.folder / "nginx.conf"
        config.write_text(f"""daemon off;
{"user root;" if os.getuid() == 0 else ""}
worker_processes 1;
pid {self.folder}/pid;
error_log {self.folder}/error.log info;
events {{ worker_connections 2048; }}
http {{
  log_format requests escape=json '{{{logged}}}';
  access_log {self.folder}/access.log requests;
  types {{ text/html html; application/json json; text/plain txt; }}
  default_type application/octet-stream;
  client_body_temp_path {self.folder}/body;
  proxy_temp_path {self.folder}/proxy;
  fastcgi_temp_path {self.folder}/fastcgi;
  uwsgi_temp_path {self.folder}/uwsgi;
  scgi_temp_path {self.folder}/scgi;
  client_max_body_size 0;
  sendfile on;
  keepalive_requests 100000;
{servers(self)}
}}
""")
        self.run("/usr/sbin/nginx", "-c", config, "-e", self.folder / "error.log")

    def requests(self, uri=None):
        """What its log has, but for our checks of its health."""
        lines = (self.folder / "access.log").read_text().splitlines()
        entries = [json.loads(line) for line in lines]
        return [entry for entry in entries if entry["http_user_agent"] != "portolan-health" and uri in (None, entry["request_uri"])]


class Apache(Server):
    """With basic authentication for everything: `user` and `password`."""

    def __init__(self, user, password):
        super().__init__()
        files = self.folder / "files"
        files.mkdir()
        (files / "index.html").write_text("<h1>members only</h1>\n")
        digest = subprocess.run(["openssl", "passwd", "-apr1", "-stdin"], input=password, capture_output=True, text=True, check=True).stdout.strip()
        (self.folder / "users").write_text(f"{user}:{digest}\n")
        modules = "".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"
                          for name in ("mpm_event", "authn_core", "authn_file", "authz_core", "authz_user", "auth_basic", "dir", "mime"))
        (self.folder / "types").write_text("text/html html\n")
        config = self.folder / "httpd.conf"
        owner = "User www-data\nGroup www-data\n" if os.getuid() == 0 else ""
        config.write_text(f"""{modules}{owner}ServerName localhost
ServerRoot {self.folder}
DefaultRuntimeDir {self.folder}
PidFile {self.folder}/pid
Listen 127.0.0.1:{self.port}
ErrorLog {self.folder}/error.log
LogLevel warn
TypesConfig {self.folder}/types
DocumentRoot {files}
DirectoryIndex index.html
StartServers 1
<Directory {files}>
  AuthType Basic
  AuthName "members"
  AuthUserFile {self.folder}/users
  Require valid-user
</Directory>
""")
        self.run("/usr/sbin/apache2", "-f", config, "-DFOREGROUND")


class Radicale(Server):
    """A calendar server that believes X-Remote-User; everybody sees only what is below their own name."""

    def __init__(self):
        super().__init__()
        config = self.folder / "config"
        config.write_text(f"""[server]
hosts = 127.0.0.1:{self.port}
[auth]
type = http_x_remote_user
[storage]
filesystem_folder = {self.folder}/collections
[rights]
type = owner_only
""")
        self.run("/usr/bin/python3", "-m", "radicale", "--config", config)
