// portolan release root and create: documents to be signed.
#include <fmt/format.h>

#include "base/file.h"
#include "cli/exit.h"
#include "cli/release.h"
#include "update/publish.h"

namespace portolan::cli {
namespace {

struct RootOptions {
  std::string file;
  std::string tree;
  std::vector<std::string> root_keys;
  std::vector<std::string> release_keys;
  std::uint32_t root_threshold = 1;
  std::uint32_t release_threshold = 1;
  std::string life = "365d";
};

struct CreateOptions {
  std::string file;
  std::string tree;
  std::string channel = "stable";
  std::string version;
  std::vector<std::string> programs;
  std::uint32_t rollout = 100;
  std::string minimum_version;
  std::string notes;
  std::string life = "30d";
  std::size_t keep = 8;
};

struct Planned {
  std::string file;
  std::string kind;
  std::uint64_t number = 0;  // version of a root document, sequence of a manifest
  WallTime expires{};
};
BOOST_DESCRIBE_STRUCT(Planned, (), (file, kind, number, expires))

Result<update::KeySet> keys_in(const std::string& option, const std::vector<std::string>& files,
                               std::uint32_t threshold) {
  update::KeySet out;
  out.threshold = threshold;
  for (const std::string& file : files) {
    PL_TRY(const auto pem, read_file(file));
    auto keys = update::anchor_from(pem);
    if (!keys) return std::unexpected(std::move(keys).error().within(file));
    out.keys.insert(out.keys.end(), keys->keys.begin(), keys->keys.end());
  }
  auto checked = update::check_keys(out);
  if (!checked) return wrong_usage(option + ": " + std::move(checked).error().message);
  return out;
}

Result<> tell(const Output& out, const Planned& planned) {
  if (out.json) {
    out.object(planned);
    return {};
  }
  out.note(
      fmt::format("Wrote the {} {}, which expires at {}, to {}. Now: portolan release sign {} --key-file KEY, then "
                  "portolan release publish.",
                  planned.kind, planned.number, to_rfc3339(planned.expires), planned.file, planned.file));
  return {};
}

Result<> plan_root(Context& context, RootOptions& options) {
  PL_TRY(const auto life, document_life(options.life));
  update::RootPlan plan;
  PL_TRY(plan.root, keys_in("--root-key", options.root_keys, options.root_threshold));
  PL_TRY(plan.release, keys_in("--release-key", options.release_keys, options.release_threshold));
  plan.expires = Clock::real().wall() + life;
  PL_TRY(const auto envelope, update::plan_root(options.tree, plan));
  PL_CHECK(write_new_document(options.file, envelope));
  PL_TRY(const auto root, update::decode_root(envelope.document));
  return tell(context.out, {options.file, "root", root.version, root.expires});
}

Result<> create(Context& context, CreateOptions& options) {
  PL_TRY(const auto life, document_life(options.life));
  update::ReleasePlan plan;
  plan.channel = options.channel;
  plan.version = options.version;
  for (const std::string& program : options.programs) {
    const auto equals = program.find('=');
    if (equals == std::string::npos)
      return wrong_usage("--file " + quoted(program) + ": must be PLATFORM=PATH, such as linux-x86_64=build/portolan");
    if (!plan.programs.emplace(program.substr(0, equals), program.substr(equals + 1)).second)
      return wrong_usage("--file: two files for the platform " + quoted(program.substr(0, equals)));
  }
  plan.rollout = options.rollout;
  plan.keep = options.keep;
  if (!options.minimum_version.empty()) plan.minimum_version = options.minimum_version;
  if (!options.notes.empty()) plan.notes = options.notes;
  PL_TRY(const auto envelope, update::plan_release(options.tree, plan, Clock::real().wall(), life));
  PL_CHECK(write_new_document(options.file, envelope));
  PL_TRY(const auto manifest, update::decode_manifest(envelope.document));
  return tell(context.out, {options.file, "manifest", manifest.sequence, manifest.expires});
}

}  // namespace

void add_release_root(CLI::App& release, Context& context) {
  CLI::App& app = add_command(
      release, context, "root", "a root document, which says what keys sign: the first, or the next one of a tree",
      "portolan release root root.json --tree /srv/releases --root-key root.key.pub --release-key release.key.pub");
  auto options = std::make_shared<RootOptions>();
  app.add_option("document", options->file, "where to write the document, to be signed by the root keys")->required();
  app.add_option("--tree", options->tree, "the tree that it is for")->required();
  app.add_option("--root-key", options->root_keys, "public root key, PEM; repeat it for several")
      ->required()
      ->allow_extra_args(false);
  app.add_option("--release-key", options->release_keys, "public key that signs manifests; repeat it for several")
      ->required()
      ->allow_extra_args(false);
  app.add_option("--root-threshold", options->root_threshold, "how many root keys must sign")->check(one_to(16));
  app.add_option("--release-threshold", options->release_threshold, "how many release keys must sign")
      ->check(one_to(16));
  app.add_option("--life", options->life, "how long it is good")->capture_default_str();
  on_chosen(app, context, options, plan_root);
}

void add_release_create(CLI::App& release, Context& context) {
  CLI::App& app =
      add_command(release, context, "create", "a manifest with one version more, or with another rollout of a version",
                  "portolan release create manifest.json --tree /srv/releases --version 1.2.0 \\\n"
                  "    --file linux-x86_64=build/portolan --rollout 10");
  auto options = std::make_shared<CreateOptions>();
  app.add_option("manifest", options->file, "where to write the manifest, to be signed by the release keys")
      ->required();
  app.add_option("--tree", options->tree, "the tree that it is for; the programs are copied into it")->required();
  app.add_option("--version", options->version, "the version of the programs")->required();
  app.add_option("--file", options->programs,
                 "PLATFORM=PATH of a program; repeat it for several. None: the version is published, and gets another "
                 "rollout or notes")
      ->allow_extra_args(false);
  app.add_option("--channel", options->channel, "the channel to publish it in")->capture_default_str();
  app.add_option("--rollout", options->rollout, "percent of the installations that may have it")
      ->check(CLI::Range(0, 100))
      ->capture_default_str();
  app.add_option("--minimum-version", options->minimum_version,
                 "older ones take the update at once, whatever the rollout; as it was if it is not given");
  app.add_option("--notes", options->notes, "where people read what is new");
  app.add_option("--life", options->life, "how long the manifest is good: sign a new one before")
      ->capture_default_str();
  app.add_option("--keep", options->keep, "how many versions it names")->check(one_to(64))->capture_default_str();
  on_chosen(app, context, options, create);
}

}  // namespace portolan::cli
