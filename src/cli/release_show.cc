// portolan release show: what a document says, and who has signed it.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/json.h"
#include "cli/exit.h"
#include "cli/release.h"
#include "cli/update_source.h"
#include "update/publish.h"

namespace portolan::cli {
namespace {

struct Options {
  std::string file;
  std::string tree;
};

struct Shown {
  std::string kind;
  json::Value document;
  std::vector<std::string> signed_by;
  std::optional<bool> accepted = {};  // by the tree's root document, if it was given
  std::optional<std::string> why = {};
};
BOOST_DESCRIBE_STRUCT(Shown, (), (kind, document, signed_by, accepted, why))

// Whether those who follow the tree would take it, and if not, why.
void judge(const Options& options, const ReleaseDocument& document, Shown& shown) {
  if (options.tree.empty()) return;
  const auto judged = [&]() -> Result<> {
    PL_TRY(const auto root, update::published_root(options.tree));
    const auto& keys = document.kind == update::Kind::kRoot ? root.root : root.release;
    return update::check_signatures(document.kind, document.envelope, keys,
                                    document.kind == update::Kind::kRoot ? "the root keys" : "the release keys");
  };
  const auto done = judged();
  shown.accepted = done.has_value();
  if (!done) shown.why = done.error().message;
}

void print_manifest(const Output& out, const update::Manifest& manifest) {
  out.line(fmt::format("Channel {}, manifest {}, made {}, expires {}, minimum version {}", manifest.channel,
                       manifest.sequence, to_rfc3339(manifest.made), to_rfc3339(manifest.expires),
                       manifest.minimum_version));
  Table table({{"VERSION"}, {"ROLLOUT", Align::kRight}, {"PLATFORM"}, {"BYTES", Align::kRight}, {"SHA-256"}});
  for (const auto& release : manifest.releases)
    for (const auto& file : release.files)
      table.add({release.version, fmt::format("{} %", release.rollout), file.platform, std::to_string(file.size),
                 file.sha256});
  out.table(table);
}

void print_root(const Output& out, const update::Root& root) {
  out.line(fmt::format("Root document {}, expires {}", root.version, to_rfc3339(root.expires)));
  Table table({{"PURPOSE"}, {"THRESHOLD", Align::kRight}, {"KEY"}});
  for (const auto& key : root.root.keys) table.add({"root", std::to_string(root.root.threshold), key});
  for (const auto& key : root.release.keys) table.add({"release", std::to_string(root.release.threshold), key});
  out.table(table);
}

Result<> show(Context& context, Options& options) {
  PL_TRY(const auto document, read_release_document(options.file));
  Shown shown{std::string(update::name_of(document.kind)), {}, {}};
  PL_TRY(shown.document, json::parse(document.envelope.document));
  for (const auto& signature : document.envelope.signatures) shown.signed_by.push_back(signature.key);
  judge(options, document, shown);
  if (context.out.json) {
    context.out.object(shown);
    return {};
  }
  if (document.kind == update::Kind::kManifest) {
    PL_TRY(const auto manifest, update::decode_manifest(document.envelope.document));
    print_manifest(context.out, manifest);
  } else {
    PL_TRY(const auto root, update::decode_root(document.envelope.document));
    print_root(context.out, root);
  }
  // Without a tree nobody has looked whether they fit.
  context.out.line(shown.signed_by.empty() ? "Not signed."
                                           : fmt::format("Bears signatures of {}", fmt::join(shown.signed_by, ", ")));
  if (shown.accepted)
    context.out.line(*shown.accepted ? "As the tree's root document wants it." : "Refused: " + *shown.why);
  return {};
}

}  // namespace

void add_release_show(CLI::App& release, Context& context) {
  CLI::App& app = add_command(release, context, "show", "what a document says, and who has signed it",
                              "portolan release show manifest.json --tree /srv/releases");
  auto options = std::make_shared<Options>();
  app.add_option("file", options->file, "a root document or a manifest, signed or not")->required();
  app.add_option("--tree", options->tree, "see whether its keys have signed");
  on_chosen(app, context, options, show);
}

}  // namespace portolan::cli
