"""Relay and control plane are killed at random, again and again, while clients work and count what they saw answered: under strict
audit no such statement is missing from the record afterwards, under durable audit none that was answered more than 50 ms before a kill.

KILLS (default 20) says how often. SIGKILL loses nothing that the kernel has: what a loss of power can take is tested where the disk
can be made to forget (src/audit/spool_crash_test.cc).
"""
import json
import os
import pathlib
import random
import signal
import sqlite3
import threading
import time

import harness
import psycopg2
from harness import wait_until

KILLS = int(os.environ.get("KILLS", "20"))
MODES = ("strict", "durable")
CLIENTS = 4  # of each mode
PAUSE = 0.002  # between statements: the record of a run has to be looked through


class Client(threading.Thread):
    """Runs statements that occur once and remembers which of them were answered, and when."""

    def __init__(self, mode, number, port):
        super().__init__(daemon=True)
        self.name = f"{mode}-{number}"
        self.mode = mode
        self.port = port
        self.answered = {}
        self.broken = 0  # connections
        self.stopping = threading.Event()

    def run(self):
        count = 0
        while not self.stopping.is_set():
            try:
                connection = psycopg2.connect(host="127.0.0.1", port=self.port, user="anybody", dbname="postgres", connect_timeout=10)
                connection.autocommit = True
                with connection.cursor() as cursor:
                    while not self.stopping.is_set():
                        count += 1
                        text = f"select 'marker-{self.name}-{count}'"
                        cursor.execute(text)
                        if cursor.fetchone()[0] != text.split("'")[1]:
                            raise AssertionError(f"another answer than that of {text}")
                        self.answered[text] = time.time()
                        time.sleep(PAUSE)
                connection.close()
            except psycopg2.Error:
                self.broken += 1
                self.stopping.wait(0.02)


def on_record(path):
    """The texts of all queries at the control plane."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10) as database:
        return [json.loads(record)["text"] for (record,) in database.execute("select record from records where kind = 'query'")]


def kill_at_random(dev, chance, clients):
    """Kills one part after another and gives the times; each time what it did goes on before the next."""
    kills = []
    for _ in range(KILLS):
        victim = chance.choice([process for process in dev.processes() if process["part"] in ("control-plane", "relay")])
        time.sleep(chance.random() * 0.7)
        os.kill(victim["pid"], signal.SIGKILL)
        kills.append((victim["part"], victim["name"], time.time()))
        wait_until(lambda: any(p["part"] == victim["part"] and p["name"] == victim["name"] and p["pid"] != victim["pid"] for p in dev.processes()), 10, "it is started again")
        before = {client.name: len(client.answered) for client in clients}
        wait_until(lambda: any(len(client.answered) > before[client.name] for client in clients), 20, "work goes on")
    return kills


def test_no_answered_query_is_missing(postgres):
    seed = int(os.environ.get("SEED", "0")) or int.from_bytes(os.urandom(4), "big")
    print(f"seed {seed}")
    chance = random.Random(seed)
    resources = {f"{mode}-db": postgres.url(audit=mode) for mode in MODES}
    with harness.running(harness.Dev(resources, "--separate")) as dev:
        clients = [Client(mode, number, dev.port(f"{mode}-db")) for mode in MODES for number in range(CLIENTS)]
        for client in clients:
            client.start()
        wait_until(lambda: all(client.answered for client in clients), 30, "all clients work")
        kills = kill_at_random(dev, chance, clients)
        time.sleep(0.2)
        for client in clients:
            client.stopping.set()
        for client in clients:
            client.join(timeout=60)
            assert not client.is_alive(), f"{client.name} does not end"

        database = next(pathlib.Path(dev.data).rglob("audit.db"))
        answered = {mode: {text: when for client in clients if client.mode == mode for text, when in client.answered.items()} for mode in MODES}
        last = time.time()
        # Up to now, everything can still be on its way; what is lost for good stays away.
        missing = lambda mode, recorded: {text: when for text, when in answered[mode].items() if text not in recorded}
        def all_there():
            recorded = set(on_record(database))
            return not any(missing(mode, recorded) for mode in MODES)
        deadline = time.monotonic() + 30
        while not all_there() and time.monotonic() < deadline:
            time.sleep(0.5)
        texts = on_record(database)
        recorded = set(texts)
        assert len(texts) == len(recorded), "a statement is on record twice"
        print(f"{len(kills)} kills; " + "; ".join(f"{mode}: {len(answered[mode])} answered, {len(missing(mode, recorded))} missing" for mode in MODES)
              + f"; {sum(client.broken for client in clients)} connections broken; {len(recorded)} on record; waited {time.time() - last:.1f} s")
        assert not missing("strict", recorded)
        for text, when in missing("durable", recorded).items():
            assert any(0 <= killed - when <= 0.05 for _, _, killed in kills), f"{text} was answered long before a kill"

        # And the chain holds over all of it.
        wait_until(lambda: dev.run("audit", "verify", check=False).returncode == 0, 30, "the record is complete and unaltered:\n" + dev.run("audit", "verify", check=False).stdout)
