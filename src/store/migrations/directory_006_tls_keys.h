// Form 6 of the directory's tables: the key of the certificate that a resource is signed in to with.
#pragma once
#include <string_view>

namespace portolan::store::migrations {

inline constexpr std::string_view kDirectory006[] = {
    R"(ALTER TABLE resources ADD COLUMN sealed_tls_key TEXT NOT NULL DEFAULT '')",
};

}  // namespace portolan::store::migrations
