"""A generated mix of everything that a client may ask of PostgreSQL, by hand on a socket, from a seed.

Each operation is one round with the server, up to its ReadyForQuery. The client notes the outcome of every statement as the server
told it (pgwire.Connection.outcomes), so that the record can be held against what was really answered.
"""
import random
import struct

from pgwire import COPY_DONE, FLUSH, SYNC, Connection, bind, call, close, copy_data, copy_fail, describe, execute, parse, query
from server_log import EMPTY

ABS_INT4 = 1397  # the OID of abs(integer), the same in every PostgreSQL


class Mix:
    """One session's part."""

    def __init__(self, port, name, seed):
        self.random = random.Random(seed)
        self.name = name
        self.client = Connection(port, application_name=name)
        self.prepared = {}  # name: number of parameters
        self.number = 0
        self.client.ask(query("create temporary table t (n int primary key, x text)"))

    def run(self, operations):
        kinds = [kind for kind in dir(self) if kind.startswith("op_")]
        for _ in range(operations):
            getattr(self, self.random.choice(kinds))()
        if self.client.last == b"I" and self.random.random() < 0.2:
            # Gone in the middle of a statement.
            self.client.send(query("select pg_sleep(0.05)"))
            self.client.outcomes.append("(lost)")
            self.client.break_off()
        else:
            self.client.end()
        return self

    # ---- parts of operations ----

    def fresh(self, prefix="n"):
        self.number += 1
        return f"{prefix}{self.number}"

    def statement(self):
        """One that makes sense in any state of a transaction."""
        pick = self.random.randrange
        return self.random.choice([
            lambda: f"select {pick(1000)} as n, 'ä\"; -- no comment'",
            lambda: f"select generate_series(1, {pick(50)})",
            lambda: f"insert into t values ({pick(100000)}, 'x;y') on conflict do nothing",
            lambda: f"update t set x = x || '!' where n % 7 = {pick(7)}",
            lambda: f"delete from t where n % 11 = {pick(11)}",
            lambda: "insert into t select i, 'bulk' from generate_series(1, 20) i on conflict do nothing",
            lambda: "explain select * from t",
            lambda: "show server_version",
            lambda: "set work_mem = '4MB'",
            lambda: "values (1), (2), (3)",
            lambda: "/* a /* nested */ comment */ select 1 -- and an end",
            lambda: "listen somewhere",
            lambda: f"notify somewhere, 'from {self.name}'",
            lambda: f"select 'long', '{'y' * pick(3000)}'",
        ])()

    def wrong(self):
        return self.random.choice(["select 1/0", "selekt 1", "select * from no_such_table", "insert into t values (null)",
                                   "select 'x'::int", "deallocate no_such_name", "fetch 1 from no_such_cursor"])

    def some(self, likely_wrong=0.15):
        return self.wrong() if self.random.random() < likely_wrong else self.statement()

    def extended(self, sql, arguments=(), binary=False):
        return [parse("", sql), bind("", "", arguments, binary), *([describe("P", "")] if self.random.random() < 0.5 else []), execute("")]

    # ---- operations ----

    def op_simple(self):
        self.client.ask(query(self.some()))

    def op_empty(self):
        self.client.ask(query(self.random.choice(["", ";", " ; ;", "-- nothing"])))

    def op_several(self):
        parts = [self.some(0.08) for _ in range(self.random.randrange(2, 7))]
        self.client.ask(query(self.random.choice(["; ", ";\n", " ;; "]).join(parts)))

    def op_transaction(self):
        self.client.ask(query(self.random.choice(["begin", "commit", "rollback", "savepoint a", "rollback to savepoint a", "release savepoint a",
                                                  "begin; insert into t values (-1, 'z') on conflict do nothing; rollback"])))

    def op_leave_transaction(self):
        if self.client.last != b"I":
            self.client.ask(query(self.random.choice(["commit", "rollback"])))

    def op_unnamed(self):
        self.client.ask(*self.extended(self.some()), SYNC)

    def op_unnamed_with_values(self):
        binary = self.random.random() < 0.3
        arguments = (struct.pack("!i", 7), b"\x00\xff" if self.random.random() < 0.1 else b"bin") if binary else (7, self.random.choice(["it's", None, "ü"]))
        self.client.ask(parse("", "select $1::int, $2::text", (23, 25)), bind("", "", arguments, binary), execute(""), SYNC)

    def op_empty_unnamed(self):
        self.client.ask(*self.extended(EMPTY), SYNC)

    def op_unnamed_again(self):
        """Its life is up to the next Parse of it or the next simple query."""
        if self.upto_copy(bind("", ""), execute(""), SYNC):
            self.client.ask(COPY_DONE, SYNC)

    def op_prepare(self):
        name = self.random.choice([self.fresh(), self.fresh("a long name with spaces " * 4), *self.prepared])
        wanted = self.random.randrange(3)
        sql = {0: "select 1", 1: "select $1::text", 2: "update t set x = $1 where n = $2::int"}[wanted]
        # What fails in an aborted transaction or by its name is not prepared.
        if "1" in self.client.ask(parse(name, sql), describe("S", name), SYNC):
            self.prepared[name] = wanted

    def op_use_prepared(self):
        if not self.prepared:
            return self.op_prepare()
        messages = []
        for _ in range(self.random.randrange(1, 8)):
            name = self.random.choice(list(self.prepared))
            messages += [bind("", name, ["a", 1][: self.prepared[name]]), execute("")]
        self.client.ask(*messages, SYNC)

    def op_prepare_by_sql(self):
        name = self.fresh("sql")
        spelling = self.random.choice([name, name.upper(), f'"{name}"'])
        self.client.ask(query(f"prepare {spelling} as select 1, '{name}'"))
        self.client.ask(bind("", name), execute(""), SYNC)
        self.client.ask(query(f"execute {name}"))

    def op_deallocate(self):
        if self.prepared:
            name = self.random.choice(list(self.prepared))
            if "C" in self.client.ask(query(f'deallocate prepare "{name}"')):
                del self.prepared[name]
            self.client.ask(bind("", name), execute(""), SYNC)

    def op_deallocate_all(self):
        if "C" in self.client.ask(query("deallocate all")):
            self.prepared.clear()

    def op_discard_all(self):
        if self.client.last == b"I" and self.random.random() < 0.3:
            self.client.ask(query("discard all"))
            self.prepared.clear()
            self.client.ask(query("create temporary table t (n int primary key, x text)"))

    def op_close(self):
        if self.prepared:
            name = self.random.choice(list(self.prepared))
            if "3" in self.client.ask(close("S", name), close("P", "no such portal"), SYNC):
                del self.prepared[name]

    def op_unknown_names(self):
        self.client.ask(self.random.choice([bind("", "unknown"), execute("unknown"), describe("S", "unknown"), describe("P", "unknown")]),
                        *self.extended("select 'skipped'"), SYNC)

    def op_pipeline(self):
        messages = []
        syncs = self.random.randrange(1, 4)
        for _ in range(syncs):
            for _ in range(self.random.randrange(1, 5)):
                messages += self.extended(self.some(0.1))
                if self.random.random() < 0.2:
                    messages.append(FLUSH)
            messages.append(SYNC)
        self.client.ask(*messages, ready=syncs)

    def op_pipeline_of_queries(self):
        self.client.ask(query(self.some()), query(self.some()), *self.extended(self.some()), SYNC, query(self.some()), ready=4)

    def op_portal(self):
        portal = self.fresh("p")
        limits = [self.random.randrange(1, 30) for _ in range(self.random.randrange(1, 6))]
        self.client.ask(parse("", "select generate_series(1, 60)"), bind(portal, ""), *(execute(portal, limit) for limit in limits), FLUSH,
                        close("P", portal), *([execute(portal)] if self.random.random() < 0.2 else []), SYNC)

    def op_portals_in_a_transaction(self):
        self.op_leave_transaction()
        self.client.ask(query("begin"))
        first, second = self.fresh("p"), self.fresh("p")
        self.client.ask(parse("", "select generate_series(1, 9)"), bind(first, ""), bind(second, ""), execute(first, 4), SYNC)
        self.client.ask(execute(second, 2), execute(first, 4), execute(first, 4), SYNC)
        self.client.ask(query(self.random.choice(["commit", "rollback"])))
        self.client.ask(execute(second), SYNC)

    def op_cursor_by_sql(self):
        self.op_leave_transaction()
        name = self.fresh("c")
        self.client.ask(query("begin"))
        self.client.ask(query(f"declare {name} no scroll cursor for select generate_series(1, 20)"))
        self.client.ask(execute(name, 3), SYNC)
        self.client.ask(query(f"fetch 4 from {name}"))
        self.client.ask(query(f"close {name}"))
        self.client.ask(execute(name), SYNC)
        self.client.ask(query("commit"))

    def op_held_cursor(self):
        if self.client.last == b"I":
            name = self.fresh("h")
            self.client.ask(query(f"declare {name} cursor with hold for select generate_series(1, 20)"))
            self.client.ask(execute(name, 3), SYNC)
            self.client.ask(query(self.random.choice([f"close {name}", "close all"])))
            self.client.ask(execute(name), SYNC)

    def op_function(self):
        self.client.ask(call(ABS_INT4, ["-5"]) if self.random.random() < 0.7 else call(1, ["x"]))

    def rows(self):
        start = 1_000_000 + self.number * 100
        self.number += 1
        return [copy_data(f"{start + i}\tcopied\n".encode()) for i in range(self.random.randrange(1, 50))]

    def op_copy_in(self):
        if self.upto_copy(query("copy t from stdin")):
            data = self.rows()
            if self.random.random() < 0.2:
                data.append(copy_data(b"not a number\tx\n"))
            self.client.ask(*data, copy_fail("no more") if self.random.random() < 0.2 else COPY_DONE)

    def upto_copy(self, *messages):
        """Whether a copy has begun; if not, the answers have ended. The last message is a Sync where they need one."""
        self.client.send(*messages)
        while True:
            kind, body = self.client.next()
            if kind == "G":
                return True
            if kind == "E" and messages[-1] == FLUSH:
                self.client.send(SYNC)
            if kind == "Z":
                self.client.last = body
                return False

    def op_copy_in_extended(self):
        """A Sync within the copy is ignored by the server."""
        if self.upto_copy(*self.extended("copy t from stdin"), self.random.choice([SYNC, FLUSH])):
            within = [SYNC] if self.random.random() < 0.3 else []
            self.client.ask(*self.rows(), *within, FLUSH, *self.rows(), COPY_DONE, SYNC)

    def op_copy_in_sent_ahead(self):
        self.op_leave_transaction()
        if self.random.random() < 0.5:
            self.client.ask(query("copy t from stdin"), *self.rows(), COPY_DONE)
        else:
            self.client.ask(*self.extended("copy t from stdin"), *self.rows(), COPY_DONE, SYNC)

    def op_two_copies(self):
        self.op_leave_transaction()
        self.client.ask(query("copy t from stdin; select 1; copy t from stdin; copy t to stdout"), *self.rows(), COPY_DONE, *self.rows(), COPY_DONE)

    def op_copy_out(self):
        self.client.ask(query("copy t to stdout")) if self.random.random() < 0.5 else self.client.ask(*self.extended("copy t to stdout"), SYNC)

    def op_stray_copy_messages(self):
        """A server that is not copying takes no notice."""
        self.client.ask(copy_data(b"stray"), COPY_DONE, copy_fail("stray"), query(self.some()))

    def op_cancel(self):
        if self.random.random() < 0.15:
            self.client.send(query("select pg_sleep(30)"))
            while True:
                self.client.cancel()
                self.client.socket.settimeout(0.2)
                try:
                    self.client.until("Z")
                    break
                except TimeoutError:
                    continue
                finally:
                    self.client.socket.settimeout(60)
