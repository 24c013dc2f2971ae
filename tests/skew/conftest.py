import contextlib
import os
import pathlib
import subprocess
import sys

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).parent), str(pathlib.Path(__file__).parents[1] / "e2e")]
import deployment  # noqa: E402
import harness  # noqa: E402


def previous_program():
    """The previous release: PORTOLAN_PREVIOUS_BIN, or built from its commit."""
    ready = os.environ.get("PORTOLAN_PREVIOUS_BIN")
    if ready:
        return ready
    built = subprocess.run([harness.ROOT / "tools" / "build-previous"], stdout=subprocess.PIPE, text=True)
    assert built.returncode == 0, "the previous release cannot be built"
    return built.stdout.strip()


@pytest.fixture(scope="session")
def programs():
    return {"this": deployment.Program("this", harness.PORTOLAN), "previous": deployment.Program("previous", previous_program())}


@pytest.fixture(scope="session")
def postgres():
    with harness.running(harness.PostgresServer()) as server:
        yield server


@pytest.fixture
def deploy(postgres):
    """Makes a deployment that is gone after the test; when the test fails it shows what every part has said."""
    with contextlib.ExitStack() as stack:
        def make(**programs):
            return stack.enter_context(shown_when_it_fails(deployment.Deployment(postgres, **programs)))

        yield make


@contextlib.contextmanager
def shown_when_it_fails(made):
    try:
        yield made
    finally:
        print(made.logs())  # pytest shows it with a failure only
        made.destroy()
