"""Shell completion, by the shells themselves."""
import os
import shutil
import subprocess

import harness
import pytest


def environment(home):
    path = f"{harness.PORTOLAN.parent}:{os.environ['PATH']}"
    return {**os.environ, "PORTOLAN_HOME": str(home), "PATH": path}


def script(shell):
    return subprocess.run([harness.PORTOLAN, "completion", shell], capture_output=True, text=True, check=True, timeout=30).stdout


def in_bash(home, *words):
    """COMPREPLY after <Tab> at the end of the words."""
    line = " ".join(words)
    program = (f'{script("bash")}\nCOMP_WORDS=({" ".join(repr(word) for word in words)}); COMP_CWORD={len(words) - 1}; COMP_LINE={line!r}\n'
               'compopt() { echo "compopt $*"; }\n_portolan\nprintf "%s\\n" "${COMPREPLY[@]}"')
    answer = subprocess.run(["bash", "--norc", "-c", program], capture_output=True, text=True, env=environment(home), timeout=30)
    assert answer.returncode == 0 and answer.stderr == "", answer
    return [word for word in answer.stdout.splitlines() if word]


def in_zsh(home, *words):
    """Without the line editor, which wants a terminal: what the function hands to _describe."""
    program = ('compdef() { :; }; _files() { print files; }; _describe() { print -l -- "${(@P)2}"; }\n'
               f'{script("zsh")}\nwords=({" ".join(repr(word) for word in words)}); CURRENT={len(words)}\n_portolan')
    answer = subprocess.run(["zsh", "-f", "-c", program], capture_output=True, text=True, env=environment(home), timeout=30)
    assert answer.returncode == 0 and answer.stderr == "", answer
    return [word.split(":", 1)[0] for word in answer.stdout.splitlines() if word]


def in_fish(home, *words):
    line = " ".join(words)
    answer = subprocess.run(["fish", "--no-config", "-c", f'source (echo $argv[1] | psub); complete -C {line!r}', script("fish")],
                            capture_output=True, text=True, env={**environment(home), "HOME": str(home)}, timeout=30)
    assert answer.returncode == 0, answer
    return [word.split("\t", 1)[0] for word in answer.stdout.splitlines() if word]


SHELLS = [pytest.param(ask, marks=pytest.mark.skipif(not shutil.which(name), reason=f"{name} is not installed"), id=name)
          for name, ask in (("bash", in_bash), ("zsh", in_zsh), ("fish", in_fish))]


@pytest.mark.parametrize("ask", SHELLS)
def test_commands_options_and_names(ask, dev):
    home = dev.ready["home"]
    assert ask(home, "portolan", "disc") == ["disconnect"]
    assert set(ask(home, "portolan", "admin", "roles", "")) >= {"list", "create", "delete"}
    assert ask(home, "portolan", "login", "--ca-s") == ["--ca-sha256"]
    assert ask(home, "portolan", "disconnect", "bill") == ["billing-db"]
    assert ask(home, "portolan", "psql", "b") == ["billing-db"]
    assert ask(home, "portolan", "completion", "") == ["bash", "fish", "zsh"]
    assert ask(home, "portolan", "admin", "resources", "show", "bill") == ["billing-db"]
    assert dev.ready["email"] in ask(home, "portolan", "admin", "accounts", "update", "")
    assert ask(home, "portolan", "audit", "queries", "--resource", "bill") == ["billing-db"]
    assert ask(home, "portolan", "admin", "nodes", "list", "--state", "") == ["down", "new", "revoked", "up"]


@pytest.mark.parametrize("ask", SHELLS)
def test_without_an_agent_it_is_silent(ask, tmp_path):
    assert ask(tmp_path, "portolan", "psql", "") == []
    assert ask(tmp_path, "portolan", "status", "--wat") == ["--watch"]


def test_files_are_the_shells_own(tmp_path):
    assert in_bash(tmp_path, "portolan", "login", "--ca-file", "") == ["compopt -o default"]
    assert in_bash(tmp_path, "portolan", "admin", "apply", "te") == ["compopt -o default"]


def test_another_shell_is_wrong_usage(tmp_path):
    answer = subprocess.run([harness.PORTOLAN, "completion", "csh"], capture_output=True, text=True, timeout=30)
    assert answer.returncode == 2 and "bash, zsh and fish" in answer.stderr
