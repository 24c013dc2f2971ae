#include <algorithm>
#include <stdexcept>

#include "net/http/server.h"

namespace portolan::net::http {
namespace {

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> segments;
  while (!path.empty()) {  // path begins with the slash of its first segment
    const auto end = std::min(path.find('/', 1), path.size());
    segments.emplace_back(path.substr(1, end - 1));
    path.remove_prefix(end);
  }
  return segments;
}

bool is_argument(std::string_view segment) { return segment.starts_with('{') && segment.ends_with('}'); }

bool fits(const std::vector<std::string>& pattern, const std::vector<std::string>& path) {
  return std::ranges::equal(pattern, path, [](const std::string& wanted, const std::string& found) {
    return is_argument(wanted) ? !found.empty() : wanted == found;
  });
}

// What is compared to find the most literal pattern: the shape, in which a literal segment comes before an argument.
std::vector<bool> shape(const std::vector<std::string>& pattern) {
  std::vector<bool> out;
  for (const auto& segment : pattern) out.push_back(is_argument(segment));
  return out;
}

}  // namespace

void Router::add(std::string_view method, std::string_view pattern, Handler handler) {
  if (!pattern.starts_with('/') || !handler) throw std::logic_error("bad route " + std::string(pattern));
  routes_.push_back({std::string(method), std::string(pattern), split(pattern), std::move(handler), {}});
}

void Router::add_stream(std::string_view method, std::string_view pattern, StreamHandler handler) {
  if (!pattern.starts_with('/') || !handler) throw std::logic_error("bad route " + std::string(pattern));
  routes_.push_back({std::string(method), std::string(pattern), split(pattern), {}, std::move(handler)});
}

std::vector<std::string> Router::routes() const {
  std::vector<std::string> out;
  for (const auto& route : routes_) out.push_back(route.method + " " + route.pattern);
  return out;
}

// The path alone selects the most literal of the patterns that fit; the method then selects among the routes of that
// shape.
Router::Match Router::match(std::string_view method, std::string_view path) const {
  const auto segments = split(path);
  std::vector<const Route*> best;
  for (const auto& route : routes_) {
    if (!fits(route.segments, segments)) continue;
    if (!best.empty() && shape(best.front()->segments) < shape(route.segments)) continue;
    if (!best.empty() && shape(route.segments) < shape(best.front()->segments)) best.clear();
    best.push_back(&route);
  }
  const auto with_method = [&](std::string_view wanted) {
    const auto found =
        std::ranges::find(best, wanted, [](const Route* route) { return std::string_view(route->method); });
    return found == best.end() ? nullptr : *found;
  };
  const Route* chosen = with_method(method);
  if (!chosen && method == "HEAD") chosen = with_method("GET");
  Match match;
  if (!chosen) {
    for (const Route* route : best) match.allowed.push_back(route->method);
    if (with_method("GET") && !with_method("HEAD")) match.allowed.emplace_back("HEAD");
    return match;
  }
  if (chosen->handler) match.handler = &chosen->handler;
  if (chosen->stream_handler) match.stream_handler = &chosen->stream_handler;
  for (std::size_t i = 0; i < segments.size(); ++i)
    if (is_argument(chosen->segments[i])) match.arguments.push_back(segments[i]);
  return match;
}

}  // namespace portolan::net::http
