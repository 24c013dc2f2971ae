// A part is what runs until it is told to stop: control plane, gateway, relay, agent. `portolan server|node|agent` run
// one in their process; `portolan dev` runs several, each with a thread and a loop of its own.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "net/event.h"
#include "net/loop.h"
#include "net/task.h"

namespace portolan::cli {

// On one loop. stop() before destruction.
class Part {
 public:
  virtual ~Part() = default;
  // Returns when the part wants to end by itself (the agent was told so by its API), with what its process ends with.
  // By default: when cancelled.
  virtual net::Task<Result<>> ended();
  virtual net::Task<> stop() = 0;
};

using StartPart = std::function<net::Task<Result<std::unique_ptr<Part>>>(net::Loop&)>;

// One part's life on one loop: begin, wait, stop in good order.
class PartLife {
 public:
  // `on_started` runs on the loop, with the part while it lives, or with why it did not start.
  using OnStarted = std::function<void(Result<Part*>)>;
  PartLife(net::Loop& loop, StartPart start, OnStarted on_started);

  // Until stop was requested, the part ended by itself, or it failed to start. Ends the loop.
  net::Task<> run();
  // On the loop.
  void request_stop();
  const Result<>& result() const { return result_; }

 private:
  net::Task<> begin();

  net::Loop& loop_;
  StartPart start_;
  OnStarted on_started_;
  std::unique_ptr<Part> part_;
  Result<> result_;
  bool over_ = false;
  net::Event changed_;
  net::TaskGroup tasks_;
};

// For a process that is one part: runs it until SIGINT or SIGTERM (a second one ends the process at once).
Result<> run_part(StartPart start, PartLife::OnStarted on_started);

// Before a long-running part begins: as many descriptors as the machine allows, no core dump with secrets in it.
void prepare_process();

}  // namespace portolan::cli
