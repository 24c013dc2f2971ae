"""The control plane's database is locked by somebody else, or its disk is full: what is asked is refused with the reason, nothing is
half done, what needs no writing goes on, and afterwards everything works again."""
import contextlib
import os
import pathlib
import sqlite3
import subprocess
import tempfile

import harness
import pytest
from api import Api


@pytest.fixture
def small_disk():
    """A file system of 64 MiB for one deployment."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="portolan-disk-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m,mode=0700", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)
        folder.rmdir()


def roles(api):
    return sorted(role["name"] for role in api.get("/v1/roles")["items"])


def test_the_database_is_locked(postgres):
    with harness.running(harness.Dev({"billing-db": postgres.url()})) as dev:
        api = Api(dev)
        before = roles(api)
        [database] = dev.data.rglob("directory.db")
        with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            refused = api.call("POST", "/v1/roles", body={"name": "while-locked"}, timeout=30)
            assert refused.status == 503, refused.body
            assert "locked by another process" in refused.json()["detail"] and refused.json()["retry"]
            assert roles(api) == before
            assert dev.psql("billing-db", "-c", "select 1").stdout == "1\n"
            other.execute("ROLLBACK")
        made = api.call("POST", "/v1/roles", body={"name": "afterwards"})
        assert made.status == 201, made.body
        assert roles(api) == sorted([*before, "afterwards"])


def test_the_disk_is_full(postgres, small_disk):
    with harness.running(harness.Dev({"billing-db": postgres.url()}, data=small_disk / "dev")) as dev:
        api = Api(dev)
        before = roles(api)
        filler = small_disk / "filler"
        with filler.open("wb") as file:
            with contextlib.suppress(OSError):
                while True:
                    os.write(file.fileno(), bytes(64 * 1024))
        # A few small changes may still fit into what the log file has.
        refused = None
        for number in range(200):
            answer = api.call("POST", "/v1/roles", body={"name": f"full-{number}"})
            if answer.status != 201:
                refused = answer
                break
        assert refused is not None and refused.status == 500, refused and refused.body
        assert "disk is full" in refused.json()["detail"], refused.body
        made = [f"full-{n}" for n in range(number)]
        assert roles(api) == sorted([*before, *made])
        filler.unlink()
        answer = api.call("POST", "/v1/roles", body={"name": "afterwards"})
        assert answer.status == 201, answer.body
        assert roles(api) == sorted([*before, *made, "afterwards"])
