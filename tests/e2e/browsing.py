"""A real browser for tests: Debian's Chromium, driven by browser/driver.cjs with the Playwright that browser/package-lock.json pins."""
import contextlib
import functools
import json
import os
import pathlib
import queue
import shutil
import signal
import subprocess
import threading

import harness
import pytest

SOURCE = pathlib.Path(__file__).parent / "browser"
# Nothing of the outside world, no proxy of this machine's, and no work in the background.
QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-gpu", "--disable-quic", "--no-first-run"]


@functools.cache
def node_modules():
    """Playwright, installed below build/; no browser is fetched."""
    if not shutil.which("npm") or not pathlib.Path("/usr/bin/chromium").exists():
        pytest.skip("npm or chromium is not installed")
    folder = harness.ROOT / "build" / "browser"
    folder.mkdir(parents=True, exist_ok=True)
    lock = (SOURCE / "package-lock.json").read_text()
    installed = folder / "installed"
    if not installed.exists() or installed.read_text() != lock:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(SOURCE / name, folder / name)
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=folder, check=True, capture_output=True, timeout=300)
        installed.write_text(lock)
    return folder / "node_modules"


class Browser:
    """One Chromium; `arguments` are more of its own, `launch` what Playwright is told besides."""

    def __init__(self, *arguments, proxy=False, **launch):
        words = [*QUIET, *([] if proxy else ["--no-proxy-server"]), *(["--no-sandbox"] if os.getuid() == 0 else []), *arguments]
        environment = {**os.environ, "NODE_PATH": str(node_modules())}
        self.process = subprocess.Popen(["node", SOURCE / "driver.cjs", json.dumps({"args": words, **launch})], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        env=environment, text=True, start_new_session=True)
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        try:
            self.version = self._answer(30)
        except BaseException:
            self.destroy()
            raise

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put("")

    def _answer(self, limit, on_event=None):
        while True:
            try:
                line = self.lines.get(timeout=limit)
            except queue.Empty:
                raise AssertionError(f"the browser's driver says nothing within {limit} s") from None
            assert line, "the browser's driver has ended"
            answer = json.loads(line)
            assert "error" not in answer, answer["error"]
            if "event" not in answer:
                return answer.get("value")
            on_event(answer["event"])

    def play(self, scenario, limit=60, on_event=None, **options):
        """What a scenario found, in a profile that nothing else has used; `on_event` is called with what it tells on the way."""
        self.process.stdin.write(json.dumps({"scenario": scenario, "options": options}) + "\n")
        self.process.stdin.flush()
        return self._answer(limit, on_event)

    def destroy(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            raise AssertionError("the browser did not end") from None


def address(dev, name):
    """Where a person opens a web resource, without a path."""
    return dev.url(name, "")
