// portolan release: the documents as files, and publish, which puts them into the tree.
#include <fmt/format.h>

#include "base/file.h"
#include "cli/exit.h"
#include "cli/release.h"
#include "cli/update_source.h"
#include "update/publish.h"

namespace portolan::cli {
namespace {

constexpr std::chrono::hours kShortestLife{1};
constexpr std::chrono::hours kLongestLife{24 * 3660};

struct Options {
  std::string file;
  std::string tree;
};

struct Published {
  std::string kind;
  std::string path;
};
BOOST_DESCRIBE_STRUCT(Published, (), (kind, path))

Result<> publish(Context& context, Options& options) {
  PL_TRY(const auto document, read_release_document(options.file));
  auto done = update::publish(options.tree, document.envelope, Clock::real().wall());
  if (!done) return std::unexpected(as_failure(std::move(done).error()));
  const Published published{std::string(update::name_of(document.kind)), *done};
  if (context.out.json) {
    context.out.object(published);
    return {};
  }
  context.out.note(fmt::format("Published {} in {}.", published.path, options.tree));
  return {};
}

void add_publish(CLI::App& release, Context& context) {
  CLI::App& app =
      add_command(release, context, "publish", "put a signed document into the tree, if clients would take it",
                  "portolan release publish manifest.json --tree /srv/releases");
  auto options = std::make_shared<Options>();
  app.add_option("file", options->file, "the signed document")->required();
  app.add_option("--tree", options->tree, "the folder that the downloads service or a web server gives out")
      ->required();
  on_chosen(app, context, options, publish);
}

}  // namespace

Result<ReleaseDocument> read_release_document(const std::filesystem::path& file) {
  PL_TRY(const auto text, read_file(file, update::kManifestLimit));
  // A manifest may be larger than a root document; which it is stands inside.
  const auto read = [&text]() -> Result<ReleaseDocument> {
    PL_TRY(auto envelope, update::decode_envelope(update::Kind::kManifest, text));
    PL_TRY(const auto kind, update::kind_of(envelope));
    PL_TRY(envelope, update::decode_envelope(kind, text));
    return ReleaseDocument{kind, std::move(envelope)};
  };
  auto document = read();
  if (!document) return std::unexpected(std::move(document).error().within(file.string()));
  return document;
}

Result<> write_new_document(const std::filesystem::path& file, const update::Envelope& envelope) {
  std::error_code error;
  if (std::filesystem::exists(file, error)) return fail(Code::kConflict, file.string() + " is there already");
  return write_file(file, update::encode_envelope(envelope), Privacy::kPublic);
}

Result<std::chrono::seconds> document_life(const std::string& text) {
  auto life = parse_duration(text);
  if (!life) return wrong_usage("--life: " + std::move(life).error().message);
  if (*life < kShortestLife || *life > kLongestLife) return wrong_usage("--life: must be 1h to 3660d");
  return std::chrono::duration_cast<std::chrono::seconds>(*life);
}

void add_release(CLI::App& root, Context& context) {
  CLI::App& app = add_group(root, "release", "make, sign and publish releases");
  add_release_keys(app, context);
  add_release_root(app, context);
  add_release_create(app, context);
  add_publish(app, context);
  add_release_show(app, context);
}

}  // namespace portolan::cli
