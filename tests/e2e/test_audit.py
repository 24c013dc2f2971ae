"""The modes of audit, and that the record can be verified: what `portolan audit verify` says of a record as it is, and of one that
somebody has changed in the control plane's database."""
import json
import pathlib
import sqlite3

import harness
import pytest
from harness import wait_until


@pytest.fixture(scope="module")
def audited(postgres):
    resources = {f"{mode}-db": postgres.url(audit=mode) for mode in ("strict", "durable", "best-effort")}
    with harness.running(harness.Dev(resources)) as deployment:
        for mode in ("strict", "durable", "best-effort"):
            for number in range(5):
                deployment.psql(f"{mode}-db", "-c", f"select 'marker-{mode}-{number}'")
        yield deployment


def verify(dev, *arguments):
    result = dev.run("audit", "verify", *arguments, "--json", check=False)
    return result.returncode, [json.loads(line) for line in result.stdout.splitlines()]


def signed(dev):
    code, chains = verify(dev)
    return code == 0 and chains and all(chain["signed_to"] == chain["to"] for chain in chains) and chains


def test_every_mode_records_every_query(audited):
    for mode in ("strict", "durable", "best-effort"):
        wait_until(lambda: len([q for q in audited.queries(resource=f"{mode}-db") if f"marker-{mode}" in q["text"]]) == 5, 10, f"five records of {mode}")


def test_a_long_answer_under_strict_audit_is_one_query(audited):
    answer = audited.psql("strict-db", "-c", "select repeat('x', 1000) from generate_series(1, 5000) as marker_long")
    assert len(answer.stdout) > 5_000_000
    records = wait_until(lambda: [q for q in audited.queries(resource="strict-db") if "marker_long" in q["text"] and q["kind"] == "query"], 10, "its record")
    assert records[0]["rows"] == 5000 and records[0]["begun"] < records[0]["sequence"]
    assert len([q for q in audited.queries(resource="strict-db") if "marker_long" in q["text"]]) == 1, "what was noted when it was under way is not shown beside it"


def test_a_record_as_it_is(audited):
    chains = wait_until(lambda: signed(audited), 15, "all is signed")
    assert chains[0]["records"] >= 15 and chains[0]["from"] == 1 and chains[0]["findings"] == []
    text = audited.run("audit", "verify", "--since", "1h").stdout
    assert "complete and unaltered" in text
    assert not chains[0]["nothing"]
    for empty in (("--since", "2020-01-01", "--until", "2020-01-02"), ("--since", "2999-01-01")):
        nothing = audited.run("audit", "verify", *empty)
        assert "nothing is on record in that time" in nothing.stdout and "unaltered" not in nothing.stdout
        assert all(chain["nothing"] for chain in verify(audited, *empty)[1])
    key = f"{chains[0]['name']}={chains[0]['key_sha256']}"
    assert audited.run("audit", "verify", "--key", key).returncode == 0
    assert audited.run("audit", "verify", "--key", f"{chains[0]['name']}={'0' * 64}", check=False).returncode == 1
    assert audited.run("audit", "verify", "--node", "nobody", check=False).returncode == 1


def test_what_lies_on_the_relays_disk_is_sealed(audited, tmp_path):
    other = tmp_path / "key"
    other.write_text("A" * 43)  # 32 bytes
    other.chmod(0o600)
    told = ""
    for segment in pathlib.Path(audited.data).rglob("*.spool.sealed"):
        assert b"marker" not in segment.read_bytes()
        key = segment.parent.with_suffix(".key")
        assert key.stat().st_mode & 0o777 == 0o600
        told += audited.run("audit", "unseal", segment, "--key-file", key).stdout
        refused = audited.run("audit", "unseal", segment, "--key-file", other, check=False)
        assert refused.returncode != 0 and "another key" in refused.stderr and not refused.stdout
    assert [json.loads(line)["text"] for line in told.splitlines() if "marker-durable-3" in line] == ["select 'marker-durable-3'"]


def test_unknown_modes_are_refused(audited):
    refused = audited.run("admin", "resources", "create", "odd-db", "--url", "postgres://a@127.0.0.1:1/x?audit=perhaps", check=False)
    assert refused.returncode != 0 and "strict, durable or best-effort" in refused.stderr


CHANGES = {
    "a text": ("update records set record = replace(record, 'marker-strict-2', 'marker-strict-x') where record like '%marker-strict-2%'", "altered"),
    "a removal": ("delete from records where record like '%marker-durable-3%'", "missing"),
    "a signature": ("update heads set time = time + 1", "signature"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_somebody_changed_in_the_database_is_found(audited, change, tmp_path):
    statement, kind = CHANGES[change]
    wait_until(lambda: signed(audited), 15, "all is signed")
    path = next(pathlib.Path(audited.data).rglob("audit.db"))
    kept = tmp_path / "kept.db"
    with sqlite3.connect(path, timeout=10) as database, sqlite3.connect(kept) as copy:
        database.backup(copy)
    try:
        with sqlite3.connect(path, timeout=10) as database:
            assert database.execute(statement).rowcount > 0
        code, chains = verify(audited)
        found = {finding["kind"] for chain in chains for finding in chain["findings"]}
        assert code == 1 and kind in found, found
    finally:
        with sqlite3.connect(kept) as copy, sqlite3.connect(path, timeout=10) as database:
            rows = copy.execute("select * from records").fetchall()
            heads = copy.execute("select * from heads").fetchall()
            database.execute("delete from records")
            database.execute("delete from heads")
            database.executemany(f"insert into records values ({','.join('?' * len(rows[0]))})", rows)
            database.executemany(f"insert into heads values ({','.join('?' * len(heads[0]))})", heads)
