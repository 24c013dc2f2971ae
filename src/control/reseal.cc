#include "control/reseal.h"

#include "base/file.h"
#include "base/id.h"
#include "control/authorities.h"

namespace portolan::control {

Result<Resealed> reseal(const ServerOptions& options, const SealingSource& next) {
  std::error_code ignored;
  const auto path = options.data / "directory.db";
  if (!std::filesystem::exists(path, ignored))
    return fail(Code::kNotFound, "there is no control plane's data in " + quoted(options.data.string()));
  PL_TRY(const auto lock, FolderLock::take(options.data, "server.lock"));
  PL_TRY(const auto store, store::DirectoryStore::open(path, {.clock = options.clock}));
  // With the old key, and in the form of this release.
  PL_TRY(const auto opened, open_authorities(*store, options));
  const std::string salt = make_token(16);
  auto key = read_sealing_key(next, options, crypto::SealingKey::Create::kIfMissing, salt);
  if (!key) return std::unexpected(std::move(key).error().within("new"));
  Resealed done{opened.sealing.id(), key->id(), 0};
  if (done.old_key == done.new_key)
    return fail(Code::kConflict, "the new sealing key is the one that is in use (" + done.new_key + "); give another");
  PL_CHECK(store->change("system", [&](store::Change& change) -> Result<> {
    PL_TRY(done.values,
           change.reseal(done.old_key, done.new_key,
                         [&](const std::string& context, const std::string& sealed) -> Result<std::string> {
                           PL_TRY(const Secret plain, opened.sealing.open(sealed, context));
                           return key->seal(plain, context);
                         }));
    PL_CHECK(change.set_setting(kSealingKeyId, done.new_key));
    PL_CHECK(change.set_setting(kSealingSince, to_rfc3339(options.clock.wall())));
    PL_CHECK(change.set_setting(kSealingScrub, "1"));
    return change.set_setting(kSealingSalt, salt);
  }));
  PL_CHECK(scrub_if_due(*store));
  return done;
}

}  // namespace portolan::control
