"""What stands between a client and a gateway in some networks: a proxy that inspects TLS, one that must be asked by CONNECT, a filter.
Threads of the test's own process, on loopback."""
import base64
import contextlib
import socket
import ssl
import subprocess
import threading


def make_authority(folder, name):
    """A CA, in NAME.pem and NAME.key."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-keyout", folder / f"{name}.key",
               "-out", folder / f"{name}.pem", "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=keyCertSign"]
    subprocess.run(command, check=True, capture_output=True)


def issue(folder, authority, name, subject):
    """A server's certificate by that CA for SUBJECT ("DNS:gw.invalid", "IP:127.0.0.1"), in NAME.pem and NAME.key."""
    extensions = folder / f"{name}.ext"
    extensions.write_text(f"subjectAltName={subject}\nextendedKeyUsage=serverAuth\n")
    request = folder / f"{name}.csr"
    subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", folder / f"{name}.key", "-out", request,
                    "-subj", f"/CN={name}"], check=True, capture_output=True)
    subprocess.run(["openssl", "x509", "-req", "-in", request, "-CA", folder / f"{authority}.pem", "-CAkey", folder / f"{authority}.key", "-CAcreateserial", "-days", "2",
                    "-extfile", extensions, "-out", folder / f"{name}.pem"], check=True, capture_output=True)
    (folder / f"{name}.key").chmod(0o600)


class Middlebox:
    """Listens, and does with each connection what serve() says. `connections` counts them."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.open = set()
        self.connections = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            with self.lock:
                self.open.add(connection)
            threading.Thread(target=self.run, args=(connection,), daemon=True).start()

    def run(self, connection):
        with contextlib.suppress(OSError):
            self.serve(connection)
        self.close(connection)

    def close(self, *connections):
        for connection in connections:
            with self.lock:
                self.open.discard(connection)
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def join(self, one, other):
        """Copies both ways until both have ended."""
        with self.lock:
            self.open.add(other)
        back = threading.Thread(target=self.copy, args=(other, one), daemon=True)
        back.start()
        self.copy(one, other)
        back.join()
        self.close(one, other)

    @staticmethod
    def copy(source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            for end in (source, target):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def drop_all(self):
        with self.lock:
            connections = list(self.open)
        self.close(*connections)

    def destroy(self):
        self.close(self.listener)
        self.drop_all()


class Inspector(Middlebox):
    """Before a port. `mode`: "pass"; "inspect" (ends TLS with a certificate of its own, and passes on what is inside if `inner` can be reached by TLS, else
    nothing); "close" (a connection is closed as it comes); "swallow"."""

    def __init__(self, port, certificate, key, trusted=None):
        self.inner, self.mode, self.trusted = port, "pass", trusted
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.inspected = b""
        super().__init__()

    def set(self, mode):
        self.mode = mode
        self.drop_all()

    def serve(self, connection):
        if self.mode == "pass":
            self.join(connection, socket.create_connection(("127.0.0.1", self.inner)))
        elif self.mode == "inspect":
            self.inspect(self.context.wrap_socket(connection, server_side=True))
        elif self.mode == "swallow":
            while connection.recv(65536):
                pass

    def inspect(self, client):
        if not self.trusted:
            client.recv(65536)
            return
        context = ssl.create_default_context(cafile=self.trusted)
        context.check_hostname = False
        server = context.wrap_socket(socket.create_connection(("127.0.0.1", self.inner)))
        with self.lock:
            self.open.update((client, server))
        threading.Thread(target=self.copy_tls, args=(server, client), daemon=True).start()
        self.copy_tls(client, server)

    def copy_tls(self, source, target):
        """What an inspecting proxy sees is kept, as far as it begins."""
        with contextlib.suppress(OSError, ValueError):
            while data := source.recv(65536):
                if len(self.inspected) < 1_000_000:
                    self.inspected += data
                target.sendall(data)
        self.close(source, target)


class ConnectProxy(Middlebox):
    """An HTTP proxy: CONNECT with Basic credentials; knows the hosts in `hosts` (HOST:PORT → a local port) and no others."""

    def __init__(self, hosts, user, password):
        self.hosts = hosts
        self.wanted = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self.asked = []
        super().__init__()

    def serve(self, connection):
        head = b""
        while b"\r\n\r\n" not in head:
            if not (more := connection.recv(1)):
                return
            head += more
        request, *lines = head.decode().split("\r\n")
        method, target, _ = request.split()
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        self.asked.append((method, target))
        if fields.get("proxy-authorization") != self.wanted:
            connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n")
        elif method != "CONNECT" or target not in self.hosts:
            connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
        else:
            other = socket.create_connection(("127.0.0.1", self.hosts[target]))
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            self.join(connection, other)
