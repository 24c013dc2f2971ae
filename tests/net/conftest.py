import os
import pathlib
import shutil
import sys

import pytest

for folder in ("bench", "e2e", "net"):
    sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / folder))
import harness  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "long: of `make test-long` only")


def cannot():
    """Why none of this can run here; none: it can."""
    if os.getuid() != 0:
        return "not root"
    missing = [name for name in ("ip", "nft", "conntrack", "setpriv", "curl", "pgbench") if not shutil.which(name)]
    return f"missing: {', '.join(missing)}" if missing else None


def pytest_collection_modifyitems(items):
    if why := cannot():
        for item in items:
            item.add_marker(pytest.mark.skip(reason=f"makes network namespaces: {why}"))


def pytest_terminal_summary(terminalreporter):
    if why := cannot():
        terminalreporter.write_line(f"NOTHING OF tests/net WAS TESTED: {why}", red=True, bold=True)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """What the parts have logged in a test that fails."""
    report = (yield).get_result()
    if report.failed and (world := item.funcargs.get("world")):
        report.sections.append(("logs of this test", world.logs(since=item.funcargs["log_marks"])))


@pytest.fixture(scope="session")
def deployment():
    from deployment import Deployment
    with harness.running(Deployment()) as made:
        yield made


@pytest.fixture
def log_marks(deployment):
    return deployment.log_marks()


@pytest.fixture
def world(deployment, log_marks):
    """The deployment in good health."""
    deployment.healthy()
    return deployment


@pytest.fixture
def loads(world, tmp_path):
    """Starts what runs through it: loads.pgbench(...), loads.stream(...), loads.copy(...), loads.psql(...); ended with the test."""
    import load

    class Loads:
        def __init__(self):
            self.started = []

        def keep(self, thing):
            self.started.append(thing)
            return thing

        def pgbench(self, **more):
            return self.keep(load.Pgbench(world, tmp_path, **more))

        def stream(self, **more):
            return self.keep(load.Stream(world, **more))

        def copy(self, rate, **more):
            return self.keep(load.Copy(world, rate, **more))

        def psql(self, *words):
            return self.keep(load.Psql(world, *words))

    made = Loads()
    yield made
    for thing in made.started:
        thing.destroy()
