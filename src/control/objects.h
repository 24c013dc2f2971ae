// Changing one object of the directory: what is the same for every kind. Optimistic locking (RFC 9110 §13.1.1): a GET
// of one object says its revision as ETag, and a PATCH or DELETE with If-Match is done only if that is still its
// revision.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "control/routes.h"
#include "store/kinds.h"
#include "store/object_names.h"

namespace portolan::control {

// The revision in If-Match; none without the header or with "*". Code::kInvalid for anything else that is not an ETag
// of ours.
Result<std::optional<std::uint64_t>> wanted_revision(const net::http::Request& request);
// Code::kConflict, reason "stale" (412), when somebody has changed the object since.
Result<> check_revision(std::optional<std::uint64_t> wanted, std::uint64_t found, std::string_view label,
                        std::string_view key);

// `name` in a request: at most 200 bytes of UTF-8 without control characters.
Result<> check_text(std::string_view member, std::string_view text, std::size_t limit = 200);

// The object as it is in this change. Code::kNotFound without it.
template <class Object>
Result<Object> current(const store::Change& change, const std::string& id) {
  const auto& objects = change.now().*store::kObjects<Object>;
  const auto found = objects.find(id);
  if (found != objects.end()) return found->second;
  return fail(Code::kNotFound, "there is no " + std::string(store::kKind<Object>.label) + " " + quoted(id));
}

// What people call it; its id if they do not.
template <class Object>
std::string called(const store::Change& change, const Object& object) {
  std::string name = store::object_name(change.now(), object);
  return name.empty() ? object.id : name;
}

// Puts it and gives it as it is kept, with its revision.
template <class Object>
Result<Object> keep(store::Change& change, Object object) {
  const std::string id = object.id;
  PL_CHECK(change.put(std::move(object)));
  return current<Object>(change, id);
}

// Makes a new object by one change.
template <class Object>
net::Task<Result<Object>> make_object(Core& core, std::string actor, Object object) {
  auto made = std::make_shared<Object>(std::move(object));
  CO_CHECK(co_await core.change(std::move(actor), [made](store::Change& change) -> Result<> {
    PL_TRY(*made, keep(change, *made));
    return {};
  }));
  co_return *made;
}

// May look at what a change has come to, and undo it all by an error.
using AfterChange = std::function<Result<>(const store::Change&)>;

// Makes a new object and answers it, once for one Idempotency-Key. `view` gets it as it is kept, and the directory with
// it, on the store's thread: it owns what it touches. `before` may still complete it.
template <class Object>
net::Task<Answer> create_object(Core& core, const Exchange& exchange, Object object,
                                std::function<net::http::Response(const Object&, const directory::Snapshot&)> view,
                                std::function<Result<>(Object&, store::Change&)> before = {}) {
  auto make = [object = std::move(object), view = std::move(view),
               before = std::move(before)](store::Change& change) -> Answer {
    Object made = object;
    if (before) PL_CHECK(before(made, change));
    PL_TRY(made, keep(change, std::move(made)));
    return view(made, change.now());
  };
  co_return co_await answer_once(core, exchange, std::move(make));
}

// Changes one by `edit`, which gets it as it is when the change runs and may look at the rest; answers what is kept.
template <class Object>
net::Task<Result<Object>> edit_object(Core& core, const Exchange& exchange, std::string id,
                                      std::function<Result<>(Object&, store::Change&)> edit, AfterChange after = {}) {
  CO_TRY(const auto wanted, wanted_revision(exchange.call.request));
  auto kept = std::make_shared<Object>();
  auto work = [id = std::move(id), wanted, edit = std::move(edit), after = std::move(after),
               kept](store::Change& change) -> Result<> {
    PL_TRY(auto object, current<Object>(change, id));
    PL_CHECK(check_revision(wanted, object.revision, store::kKind<Object>.label, called(change, object)));
    PL_CHECK(edit(object, change));
    PL_TRY(*kept, keep(change, std::move(object)));
    return after ? after(change) : Result<>();
  };
  CO_CHECK(co_await change_as(core, exchange, std::move(work)));
  co_return *kept;
}

// Removes one, with what hangs on it.
template <class Object>
net::Task<Answer> remove_object(Core& core, Exchange exchange, std::string id, AfterChange after = {}) {
  CO_TRY(const auto wanted, wanted_revision(exchange.call.request));
  auto work = [id = std::move(id), wanted, after = std::move(after)](store::Change& change) -> Result<> {
    PL_TRY(const auto object, current<Object>(change, id));
    PL_CHECK(check_revision(wanted, object.revision, store::kKind<Object>.label, called(change, object)));
    PL_CHECK(change.remove<Object>(id));
    return after ? after(change) : Result<>();
  };
  CO_CHECK(co_await change_as(core, exchange, std::move(work)));
  co_return no_content();
}

}  // namespace portolan::control
