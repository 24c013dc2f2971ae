#include "cli/audit_verify.h"

#include <algorithm>

#include <fmt/format.h>

#include "audit/verify.h"
#include "cli/calls.h"
#include "cli/exit.h"
#include "crypto/hash.h"

namespace portolan::cli {
namespace {

struct Options {
  std::string node;
  std::string since;
  std::string until;
  std::vector<std::string> keys;
};

// What came of one chain.
struct Verified {
  std::string node;
  std::string name;
  std::string chain;
  std::string key_sha256;  // of the node's public key
  std::uint64_t records = 0;
  std::uint64_t from = 0;  // numbers
  std::uint64_t to = 0;
  std::uint64_t signed_to = 0;
  std::vector<audit::Finding> findings;
  bool nothing = false;  // is on record in the time that was asked for; what was looked at lies around it
};
BOOST_DESCRIBE_STRUCT(Verified, (), (node, name, chain, key_sha256, records, from, to, signed_to, findings, nothing))

struct Question {
  std::optional<WallTime> since;
  std::optional<WallTime> until;
  WallTime now;

  // A record whose time cannot be read may be of any.
  bool is_about(const api::ChainedRecord& record) const {
    if (!since && !until) return true;
    const auto time = audit::time_of(record);
    return !time || ((!since || *time >= *since) && (!until || *time < *until));
  }
};

// Each page's entries go through `take`, until it wants no more.
template <class Entry>
net::Task<Result<>> each(api::ControlClient& control, std::string path, Query query,
                         std::function<bool(const Entry&)> take) {
  query["limit"] = "1000";
  for (;;) {
    CO_TRY(const auto page, co_await control.get<api::Page<Entry>>(path, query));
    for (const Entry& entry : page.items)
      if (!take(entry)) co_return Result<>{};
    if (!page.cursor) co_return Result<>{};
    query["cursor"] = *page.cursor;
  }
}

net::Task<Result<Verified>> verify_chain(api::ControlClient& control, api::ChainView view, Question question) {
  Verified out{view.node, view.name, view.chain, {}, 0, 0, 0, 0, {}, true};
  const auto key = crypto::PublicKey::from_pem(view.public_key);
  if (!key) {
    out.findings.push_back({"signature", view.node, view.chain, view.first, view.last, "the node's key is not known"});
    co_return out;
  }
  out.key_sha256 = hex(crypto::sha256(key->der()));
  const Query query{{"node", view.node}, {"chain", view.chain}};
  audit::Heads heads(view.node, view.chain, *key);
  CO_CHECK(co_await each<api::ChainHead>(control, "/v1/audit/heads", query, [&heads](const api::ChainHead& head) {
    heads.add(head);
    return true;
  }));
  const auto stretch = heads.stretch(question.since, question.until);
  audit::Verifier verifier(heads, stretch, question.now);
  Query behind = query;
  behind["cursor"] = std::to_string(stretch.after);
  CO_CHECK(co_await each<api::ChainedRecord>(control, "/v1/audit/chain", std::move(behind),
                                             [&](const api::ChainedRecord& record) {
                                               if (out.from == 0) out.from = record.number;
                                               if (out.nothing && question.is_about(record)) out.nothing = false;
                                               return verifier.add(record);
                                             }));
  verifier.finish();
  out.records = verifier.records();
  out.to = verifier.last();
  out.signed_to = verifier.signed_to();
  out.findings = heads.findings();
  out.findings.insert(out.findings.end(), verifier.findings().begin(), verifier.findings().end());
  co_return out;
}

// NODE=SHA256 as it was noted before: the control plane's word is then not taken for it.
Result<> check_keys(const std::vector<std::string>& expected, std::vector<Verified>& all) {
  for (const auto& pair : expected) {
    const auto equals = pair.find('=');
    if (equals == std::string::npos) return wrong_usage("--key: must be NODE=SHA256");
    const std::string node = pair.substr(0, equals);
    bool found = false;
    for (auto& chain : all) {
      if (chain.node != node && chain.name != node) continue;
      found = true;
      if (chain.key_sha256 != pair.substr(equals + 1))
        chain.findings.push_back(
            {"signature", chain.node, chain.chain, 0, 0, "the node's key is not the expected one"});
    }
    if (!found) return fail(Code::kNotFound, "--key: there is no chain of a node " + quoted(node));
  }
  return {};
}

std::string findings_text(std::size_t findings) {
  return findings == 1 ? "1 finding" : fmt::format("{} findings", findings);
}

std::string result_of(const Verified& chain) {
  if (!chain.findings.empty()) return findings_text(chain.findings.size());
  return chain.nothing ? "nothing is on record in that time" : "complete and unaltered";
}

void print(const Context& context, const std::vector<Verified>& all) {
  Table table({{"NODE"},
               {"CHAIN"},
               {"RECORDS", Align::kRight},
               {"FROM", Align::kRight},
               {"TO", Align::kRight},
               {"SIGNED TO", Align::kRight},
               {"KEY (SHA-256)"},
               {"RESULT"}});
  for (const auto& chain : all)
    table.add({chain.name, chain.chain, std::to_string(chain.records), std::to_string(chain.from),
               std::to_string(chain.to), std::to_string(chain.signed_to), chain.key_sha256.substr(0, 16),
               result_of(chain)});
  if (table.empty()) {
    context.out.note("Nothing on record.");
  } else {
    context.out.table(table);
  }
  for (const auto& chain : all)
    for (const auto& finding : chain.findings)
      context.out.line(fmt::format("{}: {} {} {}{}: {}", finding.kind, chain.name, finding.chain, finding.number,
                                   finding.to > finding.number ? fmt::format("-{}", finding.to) : "", finding.what));
}

Result<std::vector<Verified>> verify(const Context& context, const Options& options, const Question& question) {
  return ask_control<std::vector<Verified>>(
      [&](api::ControlClient& control) -> net::Task<Result<std::vector<Verified>>> {
        CO_TRY(const auto page, co_await control.get<api::Page<api::ChainView>>("/v1/audit/chains"));
        std::vector<Verified> all;
        bool known = options.node.empty();
        for (const auto& view : page.items) {
          if (!options.node.empty() && view.node != options.node && view.name != options.node) continue;
          known = true;
          if (view.chain.empty()) {
            context.out.warn(
                fmt::format("{} of {} without a chain: nothing can be proven of what came from a node, or to a control "
                            "plane, of an earlier release",
                            view.records == 1 ? "1 record" : fmt::format("{} records", view.records), view.name));
            continue;
          }
          CO_TRY(auto verified, co_await verify_chain(control, view, question));
          all.push_back(std::move(verified));
        }
        if (!known) co_return fail(Code::kNotFound, "there are no records of a node " + quoted(options.node));
        co_return all;
      });
}

Result<> run(Context& context, Options& options) {
  Question question{{}, {}, Clock::real().wall()};
  for (const auto& [name, text, into] : {std::tuple("--since", &options.since, &question.since),
                                         std::tuple("--until", &options.until, &question.until)}) {
    if (text->empty()) continue;
    auto moment = parse_moment(*text, question.now);
    if (!moment) return std::unexpected(std::move(moment).error().within(name));
    *into = *moment;
  }
  PL_TRY(auto all, verify(context, options, question));
  PL_CHECK(check_keys(options.keys, all));
  if (context.out.json) {
    for (const auto& chain : all) context.out.object(chain);
  } else {
    print(context, all);
  }
  std::size_t findings = 0;
  for (const auto& chain : all) findings += chain.findings.size();
  if (findings == 0) return {};
  return fail(Code::kInvalid, "the record is not complete and unaltered: " + findings_text(findings),
              "audit_not_proven");
}

}  // namespace

void add_audit_verify(CLI::App& group, Context& context) {
  const auto options = std::make_shared<Options>();
  CLI::App& app = add_command(group, context, "verify", "prove that the record is complete and unaltered",
                              "portolan audit verify --since 24h");
  app.add_option("--node", options->node, "what this node has put on record: name or id");
  app.add_option("--since", options->since,
                 "from here on: 2026-11-23T20:24:01Z, 2026-11-23, or how long ago, like 24h");
  app.add_option("--until", options->until, "before");
  app.add_option("--key", options->keys, "NODE=SHA256: the node's key must be this one, as noted before");
  on_chosen(app, context, options, run);
}

}  // namespace portolan::cli
