// Form 5 of the directory's tables: an activity says how those that it is about were called.
#pragma once
#include <string_view>

namespace portolan::store::migrations {

inline constexpr std::string_view kDirectory005[] = {
    R"(ALTER TABLE activities ADD COLUMN actor_name TEXT NOT NULL DEFAULT '')",
    R"(ALTER TABLE activities ADD COLUMN object_name TEXT NOT NULL DEFAULT '')",
};

}  // namespace portolan::store::migrations
