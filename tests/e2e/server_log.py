"""PostgreSQL's own log against Portolan's records.

The server logs each simple query and each Execute once (log_statement = all) and the errors; Portolan records each statement's
outcome. A record with a place ("statement": 2 …) belongs to the query before it. So both become lists of commands: text, SQLSTATE,
parameters, duration.
"""
import collections
import dataclasses
import hashlib
import json
import re

from harness import wait_until

SETTINGS = ("logging_collector = on", "log_destination = 'jsonlog'", "log_directory = 'statements'", "log_filename = 'all'",
            "log_rotation_age = 0", "log_rotation_size = 0", "log_min_duration_statement = 0", "log_file_mode = 0644",
            "log_error_verbosity = default", "lc_messages = 'C'")
# What the server does not log: an Execute of nothing returns before it would.
EMPTY = "-- nothing to execute"


@dataclasses.dataclass
class Command:
    text: str | None  # None: the log does not say
    error: str | None = None
    parameters: str | None = None
    milliseconds: float | None = None

    def same_as(self, other):
        texts = self.text == other.text or other.text is None
        # Of a Bind that fails the server does not log with what.
        parameters = self.parameters == other.parameters or (other.error and other.parameters is None)
        return texts and self.error == other.error and parameters

    def order(self):
        """Of what both sides know."""
        return self.text or "", self.error or "", "" if self.error else self.parameters or ""


def digest(text):
    return "sha256 " + hashlib.sha256(text.encode()).hexdigest()


def short(text):
    """Long texts by their hash: Portolan keeps no more of them."""
    return text if len(text.encode()) <= 256 * 1024 else digest(text)


class Session:
    """The log of one server process, entry by entry."""

    def __init__(self):
        self.commands = []
        self.open = None

    def begin(self, text, detail):
        shown = detail.removeprefix("parameters: ") if detail and detail.startswith("parameters: ") else None
        self.open = Command(short(text), parameters=shown)
        self.commands.append(self.open)

    def add(self, entry):
        message, severity = entry["message"], entry["error_severity"]
        if severity == "LOG":
            if message.startswith("statement: "):
                self.begin(message.removeprefix("statement: "), None)
            elif found := re.match(r"execute (?:fetch from )?[^:]*: ", message):
                self.begin(message[found.end():], entry.get("detail"))
            elif found := re.match(r"fastpath function call: .*\(OID (\d+)\)", message):
                self.begin(f"(call of function {found[1]})", None)
            elif found := re.fullmatch(r"duration: ([0-9.]+) ms", message):
                self.open.milliseconds = float(found[1])
                self.open = None
        elif severity in ("ERROR", "FATAL"):
            self.fail(entry)

    def fail(self, entry):
        code = entry["state_code"]
        if self.open:
            self.open.error = code
            self.open = None
        elif entry["error_severity"] == "ERROR":
            self.commands.append(Command(short(entry["statement"]) if "statement" in entry else None, error=code))


def of_server(server, only):
    """Application name → one list of commands for each session, of the applications that `only` holds for."""
    sessions = {}
    names = {}
    for line in (server.data / "statements" / "all.json").read_text().splitlines():
        entry = json.loads(line)
        if entry.get("backend_type") != "client backend" or not only(entry.get("application_name", "")):
            continue
        sessions.setdefault(entry["session_id"], Session()).add(entry)
        names[entry["session_id"]] = entry["application_name"]
    out = collections.defaultdict(list)
    for identity, session in sessions.items():
        if session.commands:
            out[names[identity]].append(session.commands)
    return out


def shown(parameters):
    """As the server logs them."""
    if not parameters:
        return None
    values = ("NULL" if not value else "'" + value["text"].replace("'", "''") + "'" for value in parameters)
    return ", ".join(f"${number} = {value}" for number, value in enumerate(values, 1))


def of_records(records, with_parameters):
    commands = []
    for record in records:
        outcome = record.get("error_code")
        if record.get("statement"):
            commands[-1].error = commands[-1].error or outcome
            commands[-1].milliseconds += record["duration_us"] / 1000
            continue
        cut = len(record["text"].encode()) > 250 * 1024 or "text_sha256" in record
        text = "sha256 " + record["text_sha256"] if cut and "text_sha256" in record else record["text"]
        commands.append(Command(text, outcome, shown(record.get("parameters")) if with_parameters else None, record["duration_us"] / 1000))
    return commands


def ended_sessions(dev, resource, clients, count):
    """The sessions of these clients (application names), once all of them have ended and all is on record."""

    def found():
        sessions = [s for s in dev.json_lines("audit", "sessions", "--resource", resource, "--limit", "1000") if s["client"] in clients]
        return len(sessions) >= count and all(s.get("ended") for s in sessions) and sessions

    return wait_until(found, 60, f"{count} ended sessions")


def records_of(dev, session):
    records = dev.queries(session=session["session"], limit="1000")
    assert len(records) == session["queries"] < 1000
    return sorted(records, key=lambda record: record["sequence"])


def differences(ours, theirs, times):
    """Nothing if the two lists of commands are the same; else the first place where they part. With `times` nothing may have taken
    longer for the server than it did on record."""
    for place, (mine, other) in enumerate(zip(ours, theirs)):
        if not mine.same_as(other):
            return f"command {place}: on record {mine}, in the server's log {other}"
        if times and other.milliseconds is not None and mine.milliseconds + 1 < other.milliseconds:
            return f"command {place}: took {mine.milliseconds} ms on record, {other.milliseconds} ms for the server: {mine}"
    if len(ours) != len(theirs):
        more = (ours if len(ours) > len(theirs) else theirs)[min(len(ours), len(theirs))]
        return f"{len(ours)} commands on record, {len(theirs)} in the server's log; the first one too many: {more}"
    return None


def compare(dev, server, resource, clients, count, with_parameters=False):
    """Holds the record of all sessions of these clients against the server's log. Gives how many commands there were."""
    sessions = ended_sessions(dev, resource, clients, count)
    ours = collections.defaultdict(list)
    for session in sessions:
        commands = of_records(records_of(dev, session), with_parameters)
        commands = [command for command in commands if command.text != EMPTY or command.error]
        if commands:
            ours[session["client"]].append(commands)
    theirs = of_server(server, lambda name: name in clients)
    if not with_parameters:
        for lists in theirs.values():
            for command in (command for commands in lists for command in commands):
                command.parameters = None
    assert {name: len(lists) for name, lists in ours.items()} == {name: len(lists) for name, lists in theirs.items()}
    total = 0
    for name, lists in ours.items():
        # Sessions of one name are told apart by what they did; which of several that did the same is which nobody knows.
        key = lambda commands: [command.order() for command in commands]  # noqa: E731
        for mine, other in zip(sorted(lists, key=key), sorted(theirs[name], key=key)):
            different = differences(mine, other, times=len(lists) == 1)
            assert different is None, f"session of {name}: {different}"
            total += len(mine)
    return total
