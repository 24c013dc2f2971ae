import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import harness  # noqa: E402


@pytest.fixture(scope="session")
def postgres():
    with harness.running(harness.PostgresServer()) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_18():
    with harness.running(harness.PostgresServer(version=18)) as server:
        yield server


@pytest.fixture(scope="session")
def dev(postgres):
    """One deployment for all tests that leave it as they found it."""
    with harness.running(harness.Dev({"billing-db": postgres.url(), "any-db": postgres.url(database="")})) as deployment:
        yield deployment


@pytest.fixture(scope="session")
def separate(postgres):
    """The same with every part a process of its own."""
    with harness.running(harness.Dev({"billing-db": postgres.url()}, "--separate")) as deployment:
        yield deployment
