// Precompiled once for all modules: the standard containers and the narrow set of Asio headers behind net/task.h.
// Sources still include what they use; the no-pch check of `make lint` builds without this file.
#pragma once
#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <fmt/format.h>
