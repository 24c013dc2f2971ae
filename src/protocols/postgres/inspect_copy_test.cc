// Copies: what they carry, and which Sync the server takes while they run.
#include <gtest/gtest.h>

#include "protocols/postgres/inspect.h"
#include "protocols/postgres/test_inspect.h"

namespace portolan::protocols::postgres {
namespace {

std::vector<Case> cases() {
  return {
      {"copy in, simple",
       {{'c', query("copy t from stdin")},
        {'s', copy_in()},
        {'c', copy_data("1\n") + copy_data("2\n") + copy_done()},
        {'s', complete("COPY 2") + ready()},
        {'c', query("next")},
        {'s', complete("NEXT") + ready()}},
       {"copy t from stdin|COPY 2|2|-|-+4", "next|NEXT|-|-|-"}},
      {"two copies in one query",
       {{'c', query("copy a from stdin; copy b from stdin")},
        {'s', copy_in()},
        {'c', copy_data("1\n") + copy_done()},
        {'s', complete("COPY 1") + copy_in()},
        {'c', msg('f', z("no more"))},
        {'s', error("57014", "COPY from stdin failed") + ready()}},
       {"copy a from stdin; copy b from stdin|COPY 1|1|-|-+2",
        "copy a from stdin; copy b from stdin|-|-|57014|COPY from stdin failed#2+0"}},
      {"two copies in one query, the first sent ahead, a Sync within the second",
       {{'c', query("copy a from stdin; copy b from stdin") + copy_data("1\n") + copy_done()},
        {'s', copy_in() + complete("COPY 1") + copy_in()},
        {'c', sync() + copy_done() + query("next")},
        {'s', complete("COPY 0") + ready() + complete("NEXT") + ready()}},
       {"copy a from stdin; copy b from stdin|COPY 1|1|-|-+2", "copy a from stdin; copy b from stdin|COPY 0|0|-|-#2+0",
        "next|NEXT|-|-|-"}},
      {"copy in, extended: the Sync sent before the copy began is ignored by the server",
       {{'c', parse("", "copy t from stdin") + bind_to("", "") + execute("") + sync()},
        {'s', parsed() + bound() + copy_in()},
        {'c', copy_data("1\n") + sync() + msg('H') + copy_done() + sync()},
        {'s', complete("COPY 1") + ready()},
        {'c', query("next")},
        {'s', complete("NEXT") + ready()}},
       {"copy t from stdin|COPY 1|1|-|-+2", "next|NEXT|-|-|-"}},
      {"copy in, all sent ahead",
       {{'c', parse("", "copy t from stdin") + bind_to("", "") + execute("") + copy_data("1\n") + copy_done() + sync() +
                  query("next")},
        {'s', parsed() + bound() + copy_in() + complete("COPY 1") + ready() + complete("NEXT") + ready()}},
       {"copy t from stdin|COPY 1|1|-|-+2", "next|NEXT|-|-|-"}},
      {"copy in that fails at the server while the client still sends",
       {{'c', query("copy t from stdin")},
        {'s', copy_in()},
        {'c', copy_data("x\n")},
        {'s', error("22P02", "invalid input") + ready()},
        {'c', copy_data("2\n") + copy_done() + query("next")},
        {'s', complete("NEXT") + ready()}},
       {"copy t from stdin|-|-|22P02|invalid input+2", "next|NEXT|-|-|-"}},
      {"the same, extended",
       {{'c', parse("", "copy t from stdin") + bind_to("", "") + execute("") + sync()},
        {'s', parsed() + bound() + copy_in()},
        {'c', copy_data("x\n")},
        {'s', error("22P02", "invalid input")},
        {'c', copy_data("2\n") + copy_done() + sync() + query("next")},
        {'s', ready() + complete("NEXT") + ready()}},
       {"copy t from stdin|-|-|22P02|invalid input+2", "next|NEXT|-|-|-"}},
      {"copy out",
       {{'c', query("copy t to stdout")},
        {'s', copy_out() + copy_data("1\n") + copy_data("2\n") + copy_done() + complete("COPY 2") + ready()}},
       {"copy t to stdout|COPY 2|2|-|-+4"}},
      {"copies sent ahead, each with its own bytes",
       {{'c', query("a; b") + copy_data("12") + copy_data("3") + copy_done() + copy_data("4567") + copy_done() +
                  query("next")},
        {'s', copy_in() + complete("COPY 1") + copy_in() + complete("COPY 2") + ready() + complete("NEXT") + ready()}},
       {"a; b|COPY 1|1|-|-+3", "a; b|COPY 2|2|-|-#2+4", "next|NEXT|-|-|-"}},
      {"part of it sent ahead",
       {{'c', query("copy") + copy_data("12")},
        {'s', copy_in()},
        {'c', copy_data("345") + copy_done()},
        {'s', complete("COPY 1") + ready()}},
       {"copy|COPY 1|1|-|-+5"}},
      {"stray copy messages are nobody's",
       {{'c', copy_data("stray") + copy_done() + msg('f', z("stray")) + query("copy")},
        {'s', copy_in()},
        {'c', copy_data("1") + copy_done()},
        {'s', complete("COPY 1") + ready()}},
       {"copy|COPY 1|1|-|-+1"}},
      {"lost within a copy",
       {{'c', query("copy")}, {'s', copy_in()}, {'c', copy_data("123")}},
       {"copy|-|-|-|connection lost+3"}},
      {"copy both ways, then more results of the same query",
       {{'c', query("START_REPLICATION")},
        {'s', copy_both() + copy_data("wal")},
        {'c', copy_data("status")},
        {'s', copy_data("wal") + copy_done()},
        {'c', copy_done()},
        {'s', description() + row() + complete("START_STREAMING") + ready()},
        {'c', query("next")},
        {'s', complete("NEXT") + ready()}},
       {"START_REPLICATION|START_STREAMING|1|-|-+12", "next|NEXT|-|-|-"}},
      {"a copy that breaks off while a Sync is under way, which the server has read before",
       {{'c', parse("", "copy") + bind_to("", "") + execute("") + msg('H')},
        {'s', parsed() + bound() + copy_in()},
        {'c', copy_data("x") + sync()},
        {'s', error("57014", "cancelled")},
        {'c', copy_data("y") + copy_done() + sync() + query("next")},
        {'s', ready() + complete("NEXT") + ready()}},
       {"copy|-|-|57014|cancelled+1", "next|NEXT|-|-|-"}},
      {"the same, where the server reads it after",
       {{'c', parse("", "copy") + bind_to("", "") + execute("") + msg('H')},
        {'s', parsed() + bound() + copy_in()},
        {'c', copy_data("x") + sync()},
        {'s', error("57014", "cancelled") + ready()},
        {'c', copy_data("y") + copy_done() + sync() + query("next")},
        {'s', ready() + complete("NEXT") + ready()}},
       {"copy|-|-|57014|cancelled+1", "next|NEXT|-|-|-"}},
      {"the same, with what the server skips up to the Sync behind",
       {{'c', parse("", "copy") + bind_to("", "") + execute("") + msg('H')},
        {'s', parsed() + bound() + copy_in()},
        {'c', copy_data("x") + sync() + copy_done() + parse("", "skipped") + bind_to("", "") + execute("") + sync() +
                  query("next")},
        {'s', error("57014", "cancelled") + ready() + complete("NEXT") + ready()}},
       {"copy|-|-|57014|cancelled+1", "next|NEXT|-|-|-"}},
      {"the same, not skipped",
       {{'c', parse("", "copy") + bind_to("", "") + execute("") + msg('H')},
        {'s', parsed() + bound() + copy_in()},
        {'c', copy_data("x") + sync() + copy_done() + parse("", "run") + bind_to("", "") + execute("") + sync() +
                  query("next")},
        {'s', error("57014", "cancelled") + ready() + parsed() + bound() + complete("RUN") + ready() +
                  complete("NEXT") + ready()}},
       {"copy|-|-|57014|cancelled+1", "run|RUN|-|-|-", "next|NEXT|-|-|-"}},
      {"a simple copy that breaks off, Syncs under way: each is answered or not",
       {{'c', query("copy")},
        {'s', copy_in()},
        {'c', copy_data("x") + sync() + sync() + copy_done() + query("next")},
        {'s', error("57014", "cancelled") + ready() + ready() + complete("NEXT") + ready()}},
       {"copy|-|-|57014|cancelled+1", "next|NEXT|-|-|-"}},
  };
}

TEST(InspectCopy, Records) { expect_records(cases()); }

TEST(InspectCopy, CountsWhatAMebibyteOfSmallPiecesCarries) {
  std::string pieces;
  for (int i = 0; i < 1000; ++i) pieces += copy_data(std::string(1049, 'x'));
  for (const std::size_t cut : {7uz, 32'768uz}) {
    const auto in = run(
        {{'c', query("copy")}, {'s', copy_in()}, {'c', pieces + copy_done()}, {'s', complete("COPY 1000") + ready()}},
        cut);
    EXPECT_EQ(lines(in), std::vector<std::string>{"copy|COPY 1000|1000|-|-+1049000"});
    const auto out = run({{'c', query("copy")}, {'s', copy_out() + pieces + copy_done() + complete("COPY 1000")}}, cut);
    EXPECT_EQ(lines(out), std::vector<std::string>{"copy|COPY 1000|1000|-|-+1049000"});
  }
}

}  // namespace
}  // namespace portolan::protocols::postgres
