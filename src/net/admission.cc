#include "net/admission.h"

#include <algorithm>

namespace portolan::net {

Admission::Admission(const Executor& executor, AdmissionLimits limits, OnSpoke on_spoke)
    : limits_(limits), on_spoke_(std::move(on_spoke)), timer_(executor) {}

void Admission::add(std::unique_ptr<TcpStream> stream) {
  if (waiting_.size() >= limits_.waiting) waiting_.erase(waiting_.begin());
  const std::uint64_t id = next_++;
  Entry& entry = waiting_.emplace(id, Entry{std::move(stream), std::chrono::steady_clock::now()}).first->second;
  entry.stream->on_readable([this, id] { spoke(id); });
  if (waiting_.size() == 1) schedule();
}

void Admission::spoke(std::uint64_t id) {
  const auto found = waiting_.find(id);
  if (found == waiting_.end()) return;
  auto stream = std::move(found->second.stream);
  waiting_.erase(found);
  on_spoke_(std::move(stream));
}

void Admission::close_silent() {
  const auto limit = std::chrono::steady_clock::now() - limits_.silence;
  while (!waiting_.empty() && waiting_.begin()->second.since <= limit) waiting_.erase(waiting_.begin());
  schedule();
}

void Admission::schedule() {
  if (waiting_.empty()) return;
  const auto due = waiting_.begin()->second.since + limits_.silence - std::chrono::steady_clock::now();
  const auto wait = std::chrono::duration_cast<std::chrono::milliseconds>(due) + std::chrono::milliseconds(1);
  timer_.schedule(std::max(wait, std::chrono::milliseconds(1)), [this] { close_silent(); });
}

}  // namespace portolan::net
