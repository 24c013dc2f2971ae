"""Each part is killed again and again, at random, while people work: what is new works within ten seconds each time, and nothing
that a client saw answered before a quiet moment is missing from the record."""
import os
import random
import signal
import time

import harness
from harness import wait_until

KILLS = int(os.environ.get("KILLS", "40"))


def test_random_kills(postgres):
    seed = int.from_bytes(os.urandom(4), "big")
    print(f"seed {seed}")
    chance = random.Random(seed)
    with harness.running(harness.Dev({"billing-db": postgres.url()}, "--separate")) as dev:
        longest = 0.0
        for round_number in range(KILLS):
            victim = chance.choice(dev.processes())
            time.sleep(chance.random() * 0.5)
            os.kill(victim["pid"], signal.SIGKILL)
            killed = time.monotonic()
            marker = f"marker_{round_number}_"
            wait_until(lambda: dev.psql("billing-db", "-c", f"select '{marker}'", check=False).returncode == 0, 10, f"a new connect after kill {round_number} ({victim['part']})")
            longest = max(longest, time.monotonic() - killed)
            wait_until(lambda: any(p["part"] == victim["part"] and p["name"] == victim["name"] and p["pid"] != victim["pid"] for p in dev.processes()), 10, "it is started again")
        texts = lambda: {query["text"] for query in dev.json_lines("audit", "queries", "--limit", "1000")}
        wanted = {f"select 'marker_{n}_'" for n in range(KILLS)}
        wait_until(lambda: wanted <= texts(), 30, "every answered query is on record")
        print(f"{KILLS} kills; the slowest new connect took {longest:.1f} s")
