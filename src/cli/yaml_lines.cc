#include "cli/yaml_lines.h"

namespace portolan::cli {

void YamlLines::begin_member(std::string_view name, std::size_t line) {
  const auto at = static_cast<std::uint32_t>(names_.size());
  names_ += name;
  begin({static_cast<std::uint32_t>(line), 0, at, static_cast<std::uint32_t>(name.size())});
}

void YamlLines::begin_entry(std::size_t index, std::size_t line) {
  begin({static_cast<std::uint32_t>(line), 0, kEntry, static_cast<std::uint32_t>(index)});
}

void YamlLines::begin(Place place) {
  open_.push_back(static_cast<std::uint32_t>(places_.size()));
  places_.push_back(place);
  places_.back().end = static_cast<std::uint32_t>(places_.size());
}

void YamlLines::end() {
  places_[open_.back()].end = static_cast<std::uint32_t>(places_.size());
  open_.pop_back();
}

std::size_t YamlLines::matched(const Place& place, std::string_view path, bool outermost) const {
  std::string step;
  if (place.name == kEntry) {
    step = "[" + std::to_string(place.size) + "]";
  } else {
    if (!outermost) step = ".";
    step += std::string_view(names_).substr(place.name, place.size);
  }
  if (!path.starts_with(step)) return 0;
  const bool whole = path.size() == step.size() || path[step.size()] == '.' || path[step.size()] == '[';
  return whole ? step.size() : 0;
}

// What is not on the path is passed over with all that it holds. A name may itself have a dot in it, so that more than
// one value can match a step: the one that leads furthest is the answer.
std::size_t YamlLines::of(std::string_view path) const {
  struct Around {
    std::size_t end;
    std::size_t matched;
  };
  std::vector<Around> around = {{places_.size(), 0}};
  std::size_t furthest = 0;
  std::size_t line = 0;
  for (std::size_t i = 0; i < places_.size();) {
    while (around.back().end <= i) around.pop_back();
    const Place& place = places_[i];
    const std::size_t before = around.back().matched;
    const std::size_t step = matched(place, path.substr(before), around.size() == 1);
    if (step == 0) {
      i = place.end;
      continue;
    }
    if (before + step > furthest) {
      furthest = before + step;
      line = place.line;
    }
    around.push_back({place.end, before + step});
    ++i;
  }
  return line;
}

}  // namespace portolan::cli
