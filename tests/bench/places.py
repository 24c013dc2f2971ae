"""Where things are; puts tests/e2e on the path, whose harness the benchmarks share."""
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "release"
PORTOLAN = pathlib.Path(os.environ.get("PORTOLAN_BIN", BUILD / "portolan"))
DRIVER = pathlib.Path(os.environ.get("PORTOLAN_BENCH_BIN", BUILD / "portolan_bench"))
DELAY = pathlib.Path(os.environ.get("PORTOLAN_DELAY_BIN", BUILD / "portolan_delay"))
LOAD = pathlib.Path(os.environ.get("PORTOLAN_LOAD_BIN", BUILD / "portolan_load"))

sys.path.append(str(ROOT / "tests" / "e2e"))
import harness  # noqa: E402, F401


def need(*programs):
    for program in programs:
        if not program.exists():
            sys.exit(f"bench: {program} is not there; run: tools/build release portolan portolan_bench portolan_load portolan_delay")
