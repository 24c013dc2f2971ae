// What a process tells its operator: a fixed message and key=value pairs, to standard error, as text or as JSON lines.
// Never a secret, never full SQL; foreign text is escaped here. Thread-safe.
#pragma once
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/result.h"

namespace portolan::log {

enum class Level { kDebug, kInfo, kWarn, kError };
enum class Format { kText, kJson };

// One key=value pair; takes text, numbers and booleans.
struct Field {
  std::string_view key;
  std::string value;
  Field(std::string_view k, std::string_view v) : key(k), value(v) {}
  Field(std::string_view k, const char* v) : key(k), value(v) {}
  Field(std::string_view k, const std::string& v) : key(k), value(v) {}
  Field(std::string_view k, bool v) : key(k), value(v ? "true" : "false") {}
  Field(std::string_view k, const Error& v) : key(k), value(v.message) {}
  template <class T>
    requires std::is_arithmetic_v<T>
  Field(std::string_view k, T v) : key(k), value(std::to_string(v)) {}
};
using Fields = std::initializer_list<Field>;

// Called once by main() before any thread starts. `part` ("gateway", "agent" …) begins every line of this process.
void configure(Level level, Format format, std::string part);
Result<Level> level_from(std::string_view name);

void debug(std::string_view message, Fields fields = {});
void info(std::string_view message, Fields fields = {});
void warn(std::string_view message, Fields fields = {});
void error(std::string_view message, Fields fields = {});

}  // namespace portolan::log
