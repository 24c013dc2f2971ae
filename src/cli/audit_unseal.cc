#include "cli/audit_unseal.h"

#include <fmt/format.h>

#include "audit/spool_files.h"
#include "audit/spool_sealed.h"
#include "base/file.h"
#include "cli/exit.h"
#include "crypto/sealing.h"

namespace portolan::cli {
namespace {

constexpr std::size_t kSegmentLimit = 64 * 1024 * 1024;

struct Options {
  std::string file;
  std::string key_file;
};

Result<> run(Context& context, Options& options) {
  const std::filesystem::path path = options.file;
  const auto number = audit::segment_number(path.filename().string());
  if (!number)
    return wrong_usage("\"" + options.file + "\" is not named like a segment of an audit spool, NUMBER.spool.sealed");
  if (options.key_file.empty()) return wrong_usage("no key; give --key-file FILE, the node's audit.key");
  PL_TRY(const auto key, crypto::SealingKey::from_file(options.key_file, crypto::SealingKey::Create::kNo));
  PL_TRY(const std::string content, read_file(path, kSegmentLimit));
  auto unsealed = audit::unseal_segment(content, key, *number);
  if (!unsealed) return std::unexpected(std::move(unsealed).error().within("read " + options.file));
  std::string_view rest = unsealed->lines;
  while (const auto line = audit::take_line(rest)) context.out.line(*line);
  for (const std::uint64_t offset : unsealed->broken)
    context.out.warn(fmt::format("the record at offset {} cannot be read", offset));
  if (unsealed->broken.empty()) return {};
  return fail(Code::kInvalid,
              fmt::format("{}: {} of its records cannot be read", options.file, unsealed->broken.size()));
}

}  // namespace

void add_audit_unseal(CLI::App& group, Context& context) {
  CLI::App& app =
      add_command(group, context, "unseal", "what a segment of a node's audit spool holds, set aside or not",
                  "portolan audit unseal DATA/audit/000000000007.spool.sealed.bad --key-file DATA/audit.key");
  auto options = std::make_shared<Options>();
  app.add_option("file", options->file, "the segment; a copy keeps its name, whose number it is sealed for")
      ->required();
  app.add_option("--key-file", options->key_file, "the key that it is sealed with");
  on_chosen(app, context, options, run);
}

}  // namespace portolan::cli
