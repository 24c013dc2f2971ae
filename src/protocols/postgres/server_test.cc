// The driver between real peers: psql and pgbench on one side, a throwaway PostgreSQL 15 on the other. A machine
// without them fails this test; it does not skip it.
#include <sys/wait.h>
#include <unistd.h>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <list>

#include <fmt/format.h>

#include "base/file.h"
#include "net/tcp.h"
#include "protocols/postgres/test_peer.h"

namespace portolan::protocols::postgres {
namespace {

struct Output {
  int status = -1;
  std::string text;
};

Output shell(const std::string& script) {
  Output out;
  FILE* pipe = popen(("exec 2>&1; export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8\n" + script).c_str(), "r");
  if (pipe == nullptr) return out;
  std::array<char, 4096> buffer;
  while (const std::size_t n = fread(buffer.data(), 1, buffer.size(), pipe)) out.text.append(buffer.data(), n);
  const int status = pclose(pipe);
  out.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return out;
}

// A server with scram, md5 and clear-text users and a certificate for "localhost", in a folder of its own. PostgreSQL
// refuses to run as root, so root's tests run it as user postgres.
class Server {
 public:
  Server() {
    std::string name = (std::filesystem::temp_directory_path() / "portolan-pg-XXXXXX").string();
    folder_ = mkdtemp(name.data());
    const std::string as = geteuid() == 0 ? "runuser -u postgres --" : "env";
    const std::string owner = geteuid() == 0 ? "-o postgres -g postgres" : "";
    as_ = as;
    std::ofstream(folder_ / "pg_hba.conf") << "local all all trust\n"
                                              "host all md5user 127.0.0.1/32 md5\n"
                                              "host all clearuser 127.0.0.1/32 password\n"
                                              "host all all 127.0.0.1/32 scram-sha-256\n";
    started_ = shell(fmt::format(R"(
      set -e; F={0}; D=$F/data; B=/usr/lib/postgresql/15/bin; cd /
      chmod 755 $F; install -d {1} -m 700 $D
      {2} $B/initdb -D $D -U admin -A trust -E UTF8 --no-sync >/dev/null
      install {1} -m 600 $F/pg_hba.conf $D/pg_hba.conf
      openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $F/server.key -out $F/server.crt \
        -subj /CN=localhost -days 2 -addext subjectAltName=DNS:localhost 2>/dev/null
      install {1} -m 600 $F/server.key $F/server.crt $D/
      for i in 1 2 3 4 5; do
        P=$((20000 + ($$ * 7 + i * 911) % 12000))
        {2} $B/pg_ctl -D $D -w -t 20 -l $D/log -o "-c listen_addresses=127.0.0.1 -c unix_socket_directories=$D -c ssl=on -c fsync=off -p $P" \
          start >/dev/null && break
      done
      echo $P > $F/port
      {2} psql -X -q -v ON_ERROR_STOP=1 -h $D -p $P -U admin postgres <<'SQL'
        create role app login password 'pencil';
        create role clearuser login password 'pencil';
        set password_encryption = md5;
        create role md5user login password 'pencil';
        create database main owner app;
SQL
      )",
                                 folder_.string(), owner, as));
    std::ifstream(folder_ / "port") >> port_;
  }
  ~Server() {
    shell(
        fmt::format("cd /; {} /usr/lib/postgresql/15/bin/pg_ctl -D {}/data -m immediate stop", as_, folder_.string()));
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  const Output& started() const { return started_; }
  std::uint16_t port() const { return port_; }
  std::string certificate() const { return read_file(folder_ / "server.crt").value_or(""); }
  // For a shell script: runs psql past Portolan, as the superuser.
  std::string direct() const {
    return fmt::format("{} psql -X -At -h {}/data -p {} -U admin main", as_, folder_.string(), port_);
  }

 private:
  std::filesystem::path folder_;
  std::string as_;
  Output started_;
  std::uint16_t port_ = 0;
};

net::Task<> serve_one(std::shared_ptr<testing::FakeSession> session, std::unique_ptr<net::Stream> stream,
                      Result<>& outcome) {
  const auto driver = make(*session);
  outcome = co_await driver->serve(std::move(stream));
}

net::Task<Result<std::unique_ptr<net::Stream>>> dial(std::uint16_t port) {
  CO_TRY(auto stream, co_await net::dial_tcp({"127.0.0.1", port}, 5s));
  co_return std::move(stream);
}

// Every connection to port() is a session of its own, all of the same account.
class Door {
 public:
  Door(const net::Executor& executor, const Server& server) : server_(server), pool_("shell", 1), group_(executor) {
    auto listening = net::listen_tcp(executor, {"127.0.0.1", 0},
                                     [this](std::unique_ptr<net::TcpStream> stream) { accept(std::move(stream)); });
    EXPECT_TRUE(listening);
    if (listening) listener_ = std::move(*listening);
    granted_.name = "billing";
    granted_.hosts = {{"127.0.0.1", server.port()}};
    granted_.username = "app";
    granted_.password = Secret("pencil");
    granted_.settings = {{"database", "main"}};
  }

  // Runs a script in which $PSQL goes through Portolan and $DIRECT does not.
  net::Task<Output> run(std::string script) {
    sessions_.clear();
    outcomes_.clear();
    Output out;
    const std::string whole = fmt::format(
        "PSQL='psql -X -At -v VERBOSITY=verbose -h 127.0.0.1 -p {0}'; PORT={0}; DIRECT='{1}'; export "
        "PGUSER=somebody\n{2}",
        listener_->local().port, server_.direct(), script);
    const auto ran = co_await pool_.run([&out, whole] { out = shell(whole); });
    EXPECT_TRUE(ran);
    co_await group_.join();
    co_return out;
  }
  // The records of all sessions of the last run, in order.
  std::vector<audit::Query> records() const {
    std::vector<audit::Query> out;
    for (const auto& session : sessions_) out.insert(out.end(), session->queries_.begin(), session->queries_.end());
    return out;
  }
  std::vector<std::string> lines() const {
    std::vector<std::string> out;
    for (const auto& q : records())
      out.push_back(q.text + "|" + q.tag.value_or("-") + "|" + (q.rows ? std::to_string(*q.rows) : "-") + "|" +
                    q.error_code.value_or("-"));
    return out;
  }
  const std::list<Result<>>& outcomes() const { return outcomes_; }

  Granted granted_;

 private:
  void accept(std::unique_ptr<net::Stream> stream) {
    auto session = std::make_shared<testing::FakeSession>();
    session->granted_ = granted_;
    session->cancels_ = cancels_;
    session->use_real_clock_ = true;
    session->dial_ = [port = granted_.hosts.front().port](std::size_t) { return dial(port); };
    sessions_.push_back(session);
    group_.spawn("session", serve_one(session, std::move(stream), outcomes_.emplace_back()));
  }

  const Server& server_;
  net::BlockingPool pool_;
  std::shared_ptr<testing::FakeSession::Cancels> cancels_ = std::make_shared<testing::FakeSession::Cancels>();
  std::vector<std::shared_ptr<testing::FakeSession>> sessions_;
  std::list<Result<>> outcomes_;
  std::unique_ptr<net::Listener> listener_;
  net::TaskGroup group_;
};

using Lines = std::vector<std::string>;

net::Task<> queries(Door& door) {
  auto out = co_await door.run("$PSQL -c \"select 1; select 2\" -c 'create table t (a int, b text)'");
  EXPECT_EQ(out.text, "1\n2\nCREATE TABLE\n");
  EXPECT_EQ(door.lines(), (Lines{"select 1; select 2|SELECT 1|1|-", "select 1; select 2|SELECT 1|1|-",
                                 "create table t (a int, b text)|CREATE TABLE|-|-"}));
  for (const auto& outcome : door.outcomes()) EXPECT_TRUE(outcome) << net::testing::describe_failure(outcome);

  out = co_await door.run(
      "printf '1\\tx\\n2\\ty\\n3\\tz\\n' | $PSQL -c '\\copy t from pstdin'; $PSQL -c '\\copy t to pstdout' -c 'boom'");
  expect_contains(out.text, {"COPY 3", "1\tx\n2\ty\n3\tz\n", "42601", "syntax error"});
  EXPECT_EQ(door.lines(), (Lines{"COPY  t FROM STDIN |COPY 3|3|-", "COPY  t TO STDOUT |COPY 3|3|-", "boom|-|-|42601"}));

  out = co_await door.run("$PSQL -c 'listen ch' -c \"select pg_notify('ch', 'ping')\"");
  expect_contains(out.text, {"Asynchronous notification \"ch\" with payload \"ping\""});

  out = co_await door.run(
      "$PSQL -c \"select current_user, current_database(), (select ssl from pg_stat_ssl where pid = "
      "pg_backend_pid())\"");
  EXPECT_EQ(out.text, "app|main|t\n") << "TLS is preferred";
}

net::Task<> signing_in(Door& door, const Server& server) {
  const Granted before = door.granted_;
  door.granted_.username = "md5user";
  auto out = co_await door.run("$PSQL -c 'select current_user'");
  EXPECT_EQ(out.text, "md5user\n");
  // A password in clear text only under TLS that nobody in between can decide about.
  door.granted_.username = "clearuser";
  for (const char* weak : {"disable", "prefer"}) {
    door.granted_.settings["tls"] = weak;
    out = co_await door.run("$PSQL -c 'select current_user'");
    expect_contains(out.text,
                    {"Portolan: sign in as \"clearuser\" to resource \"billing\"", "clear text", "set tls to require"});
  }
  door.granted_.settings["tls"] = "require";
  out = co_await door.run("$PSQL -c 'select current_user'");
  EXPECT_EQ(out.text, "clearuser\n");
  door.granted_ = before;

  door.granted_.password = Secret("wrong");
  out = co_await door.run("$PSQL -c 'select 1'");
  EXPECT_EQ(out.status, 2);
  expect_contains(out.text, {"Portolan: sign in as \"app\" to resource \"billing\"",
                             "password authentication failed for user \"app\"", "hop: resource"});
  door.granted_ = before;

  door.granted_.settings = {
      {"database", "main"}, {"tls", "verify-full"}, {"tls_ca", server.certificate()}, {"tls_server_name", "localhost"}};
  out = co_await door.run("$PSQL -c 'select 1'");
  EXPECT_EQ(out.text, "1\n");
  door.granted_.settings["tls_server_name"] = "elsewhere.example";
  out = co_await door.run("$PSQL -c 'select 1'");
  expect_contains(out.text, {"Portolan: reach resource \"billing\"", "hop: resource"});
  door.granted_.settings = {{"tls", "verify-ca"}};
  out = co_await door.run("$PSQL -c 'select 1'");
  expect_contains(out.text, {"Portolan: reach resource \"billing\""});
  door.granted_ = before;

  door.granted_.settings = {{"database", "main"}, {"tls", "require"}, {"channel_binding", "require"}};
  out = co_await door.run("$PSQL -c 'select 1'");
  EXPECT_EQ(out.text, "1\n");
  door.granted_.username = "md5user";
  out = co_await door.run("$PSQL -c 'select 1'");
  expect_contains(out.text, {"without channel binding, which the resource's settings require"});
  door.granted_ = before;

  out = co_await door.run("$PSQL -d elsewhere -c 'select 1'");
  expect_contains(out.text, {"opens only the database \"main\", not \"elsewhere\""});
  out = co_await door.run("PGSSLMODE=require $PSQL -c 'select 1'");
  expect_contains(out.text, {"server does not support SSL"});
  door.granted_.settings["client_tls"] = "offer";
  out = co_await door.run("PGSSLMODE=require $PSQL -c 'select 1'");
  EXPECT_EQ(out.text, "1\n");
  door.granted_ = before;
}

net::Task<> cancelling(Door& door) {
  const auto out = co_await door.run(R"(
    $PSQL -c 'select pg_sleep(30)' & p=$!
    until $DIRECT -c "select count(*) from pg_stat_activity where state = 'active' and query = 'select pg_sleep(30)'" | grep -q 1; do :; done
    kill -INT $p; wait $p)");
  expect_contains(out.text, {"canceling statement due to user request"});
  EXPECT_EQ(door.lines(), (Lines{"select pg_sleep(30)|-|-|57014"}));
}

net::Task<> benchmarks(Door& door) {
  auto out = co_await door.run("pgbench -q -i -s 1 -h 127.0.0.1 -p $PORT main 2>&1");
  EXPECT_EQ(out.status, 0) << out.text;
  std::size_t copies = 0;
  for (const auto& q : door.records()) {
    EXPECT_FALSE(q.error) << q.text << ": " << *q.error;
    if (q.tag == "COPY 100000") ++copies;
  }
  EXPECT_EQ(copies, 1u);
  for (const char* mode : {"simple", "extended", "prepared"}) {
    out = co_await door.run(fmt::format("pgbench -n -M {} -c 2 -t 20 -h 127.0.0.1 -p $PORT main 2>&1", mode));
    EXPECT_EQ(out.status, 0) << out.text;
    std::size_t inserts = 0;
    for (const auto& q : door.records()) {
      EXPECT_FALSE(q.error) << q.text << ": " << *q.error;
      if (q.tag == "INSERT 0 1" && q.text.starts_with("INSERT INTO pgbench_history")) ++inserts;
    }
    EXPECT_EQ(inserts, 40u) << mode;
  }
}

net::Task<> run_all(const Server& server, net::Loop& loop) {
  {
    Door door(co_await net::this_executor(), server);
    co_await queries(door);
    co_await signing_in(door, server);
    co_await cancelling(door);
    co_await benchmarks(door);
  }
  loop.stop();
}

TEST(RealServer, PsqlAndPgbenchThroughTheDriver) {
  const Server server;
  ASSERT_EQ(server.started().status, 0) << server.started().text;
  net::Loop loop;
  net::TaskGroup group(loop.executor());
  group.spawn("test", run_all(server, loop));
  net::Timer limit(loop.executor());
  limit.schedule(40s, [&loop] {
    ADD_FAILURE() << "the test took too long";
    loop.stop();
  });
  loop.run();
}

}  // namespace
}  // namespace portolan::protocols::postgres
