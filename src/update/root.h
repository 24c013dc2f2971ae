// Who may sign releases. A root document names the root keys, which are kept offline and sign nothing but root
// documents, and the release keys, which sign manifests. Its successor must be signed by the root keys of both, so that
// keys can be replaced one after the other and those who missed some documents catch up step by step (TUF §5.3).
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include <boost/describe.hpp>

#include "base/clock.h"
#include "update/envelope.h"

namespace portolan::update {

struct Root {
  std::string format;  // "portolan-root-1"
  std::uint64_t version = 1;
  WallTime expires{};
  KeySet root;
  KeySet release;
};
BOOST_DESCRIBE_STRUCT(Root, (), (format, version, expires, root, release))

inline constexpr std::string_view kRootFormat = "portolan-root-1";
inline constexpr std::uint64_t kMostRoots = 10'000;

// Strict; whatever it accepts can be used.
Result<Root> decode_root(std::string_view document);

// What a program knows before it has seen any document: root keys, and how many of them must have signed the first one.
// PEM, one block or several; a line "# threshold: N" may come before them, else it is 1.
Result<KeySet> anchor_from(std::string_view text);
// The keys that this program was built with; Code::kNotFound if it was built without.
Result<KeySet> builtin_anchor();

// A first document: signed by the anchor and by its own root keys.
Result<Root> first_root(const KeySet& anchor, std::string_view envelope);
// The one after `current`: its version is one higher, and the root keys of both have signed it.
Result<Root> next_root(const Root& current, std::string_view envelope);
// Of the newest only: those before may have ended long ago.
Result<> check_time(const Root& root, WallTime now);

}  // namespace portolan::update
