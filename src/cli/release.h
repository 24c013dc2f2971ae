// portolan release: what the makers of releases do, step by step, so that the keys can stay on a machine of their own.
#pragma once
#include <filesystem>
#include <string>

#include "cli/command.h"
#include "update/envelope.h"

namespace portolan::cli {

void add_release_root(CLI::App& release, Context& context);
void add_release_create(CLI::App& release, Context& context);
void add_release_keys(CLI::App& release, Context& context);  // keygen, sign
void add_release_show(CLI::App& release, Context& context);

struct ReleaseDocument {
  update::Kind kind = update::Kind::kManifest;
  update::Envelope envelope;
};
Result<ReleaseDocument> read_release_document(const std::filesystem::path& file);
// Refuses to write over a file.
Result<> write_new_document(const std::filesystem::path& file, const update::Envelope& envelope);

// A life like "30d", for documents: at least an hour, at most ten years.
Result<std::chrono::seconds> document_life(const std::string& text);

}  // namespace portolan::cli
