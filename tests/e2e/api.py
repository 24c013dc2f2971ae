"""The API of a `portolan dev` deployment, as a script calls it: HTTPS with the deployment's CA and an API token."""
import json
import ssl
import urllib.error
import urllib.parse
import urllib.request


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def type(self):
        return (self.headers.get("content-type") or "").split(";")[0]

    def json(self):
        return json.loads(self.body)


class Api:
    def __init__(self, dev):
        self.url = dev.ready["admin_url"].rstrip("/")
        self.token = dev.ready["token"]
        self.context = ssl.create_default_context(cafile=dev.ready["ca_file"])

    def call(self, method, path, body=None, token=..., headers=None, timeout=20, **query):
        """`body`: an object, or bytes as they are. `token`: None for nobody."""
        url = self.url + path + ("?" + urllib.parse.urlencode(query) if query else "")
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data=data, method=method, headers={"content-type": "application/json", **(headers or {})})
        token = self.token if token is ... else token
        if token:
            request.add_header("authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, context=self.context, timeout=timeout) as answer:
                return Answer(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers, error.read())

    def get(self, path, **query):
        answer = self.call("GET", path, **query)
        assert answer.status == 200, f"{path}: {answer.status} {answer.body}"
        return answer.json()
