"""The API as a script sees it: the OpenAPI document holds for the real server, judged by somebody else's validator, and bad input
is refused with a problem that says what is wrong."""
import json

import jsonschema
import pytest
from api import Api
from harness import wait_until


@pytest.fixture(scope="module")
def api(dev):
    return Api(dev)


@pytest.fixture(scope="module")
def document(api):
    return api.get("/v1/openapi.json")


def operations(document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def check(document, operation, answer):
    """The answer is as the operation says, without a member that is not documented."""
    response = operation["responses"].get(str(answer.status)) or operation["responses"]["default"]
    if "content" not in response:
        assert answer.body == b""
        return
    assert answer.type in response["content"], f"{answer.type} is not documented"
    schema = {**response["content"][answer.type]["schema"], "components": document["components"]}
    if answer.type.endswith("json"):
        jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker()).validate(answer.json())


def test_the_schemas_are_schemas(document):
    assert document["openapi"].startswith("3.1")
    for name, schema in document["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
        if schema:
            assert schema["additionalProperties"] is False, name


def test_every_list_answers_as_documented(api, document, dev):
    dev.psql("billing-db", "-c", "select 1")  # so that the lists of the audit have something
    chain = wait_until(lambda: api.call("GET", "/v1/audit/chains").json()["items"], 20, "the audit has come in")[0]
    of_chain = f"?node={chain['node']}&chain={chain['chain']}"
    seen = 0
    for method, path, operation in operations(document):
        by_token = any("bearer" in way for way in operation["security"]) or not operation["security"]
        if method != "GET" or "{" in path or not by_token or path in ("/v1/agent", "/v1/access/explain"):
            continue
        answer = api.call("GET", path + (of_chain if path in ("/v1/audit/chain", "/v1/audit/heads") else ""))
        assert answer.status == 200, f"{path}: {answer.body}"
        check(document, operation, answer)
        seen += 1
        if answer.type == "application/json" and path.count("/") >= 2:
            items = answer.json().get("items") if isinstance(answer.json(), dict) else None
            one = document["paths"].get(path + "/{" + next((p["name"] for m, q, o in operations(document) if q.startswith(path + "/{") for p in o.get("parameters", []) if p["in"] == "path"), "") + "}")
            if items and one and "get" in one:
                shown = api.call("GET", f"{path}/{items[0].get('id') or items[0].get('session')}")
                assert shown.status == 200, f"{path}: {shown.body}"
                check(document, one["get"], shown)
    assert seen > 12


def test_nobody_is_refused_everywhere(api, document):
    for method, path, operation in operations(document):
        if not operation["security"]:
            continue
        concrete = "/".join("nothing" if part.startswith("{") else part for part in path.split("/"))
        answer = api.call(method, concrete, body={} if method in ("POST", "PATCH") else None, token=None)
        assert answer.status == 401, f"{method} {path}: {answer.status} {answer.body}"
        check(document, operation, answer)


BAD = [
    ("POST", "/v1/roles", b'{"name": "a", "name": "b"}', 400, "name"),
    ("POST", "/v1/roles", b'{"name": "a", "colour": "red"}', 400, "colour"),
    ("POST", "/v1/roles", b'{"name": 7}', 400, "name"),
    ("POST", "/v1/roles", b'["a"]', 400, "object"),
    ("POST", "/v1/roles", b'{"name": "a"', 400, ""),
    ("POST", "/v1/roles", b'\xff\xfe', 400, ""),
    ("POST", "/v1/roles", b"", 400, ""),
    ("POST", "/v1/roles", json.dumps({"name": "r" * 10_000}).encode(), 400, "role name"),
    ("POST", "/v1/roles", b'{"name": ' + b"[" * 100 + b"]" * 100 + b"}", 400, ""),
    ("POST", "/v1/accounts", json.dumps({"email": "a" * 400 + "@example.com"}).encode(), 400, "e-mail"),
    ("POST", "/v1/accounts", b'{"email": "x@example.com", "kind": "robot"}', 400, "robot"),
    ("POST", "/v1/resources", b'{"name": "x", "type": "tcp", "host": "h", "port": 70000}', 400, "port"),
    ("POST", "/v1/resources", b'{"name": "x", "type": "tcp", "host": "h", "port": -1}', 400, "port"),
    ("POST", "/v1/resources", b'{"name": "x", "type": "tcp", "host": "h", "port": 1.5}', 400, "port"),
    ("POST", "/v1/resources", json.dumps({"name": "x", "type": "tcp", "host": "h", "port": 1, "tags": {"k": "v" * 300}}).encode(), 400, "tags.k"),
    ("POST", "/v1/grants", b'{"role": "nobody", "resource": "nothing"}', 404, "nobody"),
    ("GET", "/v1/resources?filter=nmae%3Dx", None, 400, "nmae"),
    ("GET", "/v1/resources?fliter=x", None, 400, "fliter"),
    ("GET", "/v1/accounts?kind=persn", None, 400, "must be person or service"),
    ("GET", "/v1/grants?resource=bilnig", None, 404, "bilnig"),
    ("GET", "/v1/resources?limit=1001", None, 400, "limit"),
    ("GET", "/v1/resources?cursor=%21", None, 400, "cursor"),
    ("GET", "/v1/resources?limit=1&limit=2", None, 400, ""),
    ("GET", "/v1/nothing", None, 404, "/v1/nothing"),
    ("PUT", "/v1/roles", b"{}", 405, ""),
]


@pytest.mark.parametrize("method,path,body,status,word", BAD)
def test_bad_input_is_refused_clearly(api, method, path, body, status, word):
    answer = api.call(method, path, body=body)
    assert answer.status == status, answer.body
    assert answer.type == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status and problem["code"] and word in problem["detail"], problem
    assert problem["hop"] == "control-plane", problem


def test_two_admins_change_one_object(api):
    made = api.call("POST", "/v1/roles", body={"name": "contended"})
    assert made.status == 201, made.body
    etag = made.headers["etag"]
    first = api.call("PATCH", "/v1/roles/contended", body={"name": "contended-2"}, headers={"if-match": etag})
    assert first.status == 200, first.body
    second = api.call("PATCH", "/v1/roles/contended-2", body={"name": "contended-3"}, headers={"if-match": etag})
    assert second.status == 412 and second.json()["code"] == "stale", second.body
    assert api.get("/v1/roles/contended-2")["name"] == "contended-2"
    gone = api.call("DELETE", "/v1/roles/contended-2", headers={"if-match": first.headers["etag"]})
    assert gone.status == 204, gone.body


def test_a_token_with_few_permissions(api, dev):
    # Tokens are made by people who have signed in: by the command line's sign-in.
    names = [item["name"] for item in api.get("/v1/tokens")["items"]]
    assert names, "dev has a token"
    answer = api.call("POST", "/v1/tokens", body={"name": "from a token"})
    assert answer.status == 403, answer.body
