// Form 4 of the directory's tables: answers that are given again when the same request comes again.
#pragma once
#include <string_view>

namespace portolan::store::migrations {

inline constexpr std::string_view kDirectory004[] = {
    R"(CREATE TABLE kept_answers (
         key TEXT PRIMARY KEY, account TEXT NOT NULL, answer TEXT NOT NULL, made BIGINT NOT NULL))",
    R"(CREATE INDEX kept_answers_by_account ON kept_answers (account, made))",
    R"(CREATE INDEX kept_answers_by_age ON kept_answers (made))",
};

}  // namespace portolan::store::migrations
