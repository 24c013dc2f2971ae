import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "e2e"))
import harness  # noqa: E402


@pytest.fixture(scope="session")
def postgres():
    with harness.running(harness.PostgresServer()) as server:
        yield server
