#include "store/change.h"

#include <algorithm>

#include "base/id.h"
#include "base/json.h"
#include "store/kinds.h"
#include "store/object_names.h"
#include "store/rows.h"

namespace portolan::store {
namespace {

using directory::Snapshot;

// For messages: what people know the object by, and its id.
template <class Object>
std::string title(const Snapshot& snapshot, const Object& object) {
  const std::string name = object_name(snapshot, object);
  return std::string(kKind<Object>.label) + (name.empty() ? "" : " " + quoted(name)) + " (" + object.id + ")";
}

// Who or what acts, as people call it.
std::string actor_name(const Snapshot& snapshot, const std::string& actor) {
  const auto account = snapshot.accounts.find(actor);
  return account == snapshot.accounts.end() ? detail::name_or_id(snapshot.nodes, actor, &directory::Node::name)
                                            : account->second.email;
}

template <class Object>
Cell column(const Object& object, std::string_view name) {
  Cell cell;
  for_each_column<Object>([&](auto member) {
    if (member.name == name) cell = to_cell(object.*member.pointer);
  });
  return cell;
}

std::string shown(const Cell& cell) {
  if (const auto* number = std::get_if<long long>(&cell)) return std::to_string(*number);
  return quoted(std::holds_alternative<std::string>(cell) ? std::get<std::string>(cell) : "");
}

// Hashes and sealed secrets are of no use to a reader of activities, and of some to a thief.
constexpr std::string_view kSecretMembers[] = {"password_hash", "sealed_password", "sealed_tls_key", "token_hash",
                                               "sealed_key"};

template <class Object>
std::string without_secrets(const Object& object, const Object* before) {
  boost::json::value json = json::to_value(object);
  json.get_object().erase("revision");  // the activity's own
  const boost::json::value old = before ? json::to_value(*before) : boost::json::value(boost::json::object());
  for (const auto name : kSecretMembers) {
    auto* member = json.get_object().if_contains(name);
    if (!member || member->get_string().empty()) continue;
    const auto* old_member = old.get_object().if_contains(name);
    const bool changed = old_member && !old_member->get_string().empty() && *old_member != *member;
    *member = changed ? "(changed)" : "(set)";
  }
  return json::print(json);
}

// Ids of the objects whose `member` is `id`.
template <class Object>
std::vector<std::string> dependents(const Snapshot& snapshot, std::string Object::* member, std::string_view id) {
  std::vector<std::string> ids;
  for (const auto& [key, object] : snapshot.*kObjects<Object>)
    if (object.*member == id) ids.push_back(key);
  return ids;
}

template <class Dependent>
Result<> remove_dependents(Change& change, std::string Dependent::* member, const std::string& id) {
  for (const auto& dependent : dependents<Dependent>(change.now(), member, id))
    PL_CHECK(change.remove<Dependent>(dependent));
  return {};
}

// Takes it out of the lists of peering groups.
Result<> leave_groups(Change& change, std::vector<std::string> directory::PeeringGroup::* list, const std::string& id) {
  std::vector<directory::PeeringGroup> left;
  for (const auto& [key, group] : change.now().peering_groups)
    if (std::ranges::find(group.*list, id) != (group.*list).end()) left.push_back(group);
  for (auto& group : left) {
    std::erase(group.*list, id);
    PL_CHECK(change.put(std::move(group)));
  }
  return {};
}

template <class Object>
Result<> prepare_removal(Change&, const Object&) {
  return {};
}
template <>
Result<> prepare_removal(Change& change, const directory::Account& account) {
  PL_CHECK(remove_dependents(change, &directory::SignIn::account, account.id));
  PL_CHECK(remove_dependents(change, &directory::Device::account, account.id));
  PL_CHECK(remove_dependents(change, &directory::ApiToken::account, account.id));
  return remove_dependents(change, &directory::Membership::account, account.id);
}
template <>
Result<> prepare_removal(Change& change, const directory::Device& device) {
  return remove_dependents(change, &directory::SignIn::device, device.id);
}
template <>
Result<> prepare_removal(Change& change, const directory::Role& role) {
  PL_CHECK(remove_dependents(change, &directory::Membership::role, role.id));
  return remove_dependents(change, &directory::Grant::role, role.id);
}
template <>
Result<> prepare_removal(Change& change, const directory::PeeringGroup& group) {
  return leave_groups(change, &directory::PeeringGroup::peers, group.id);
}
template <>
Result<> prepare_removal(Change& change, const directory::Resource& resource) {
  PL_CHECK(leave_groups(change, &directory::PeeringGroup::resources, resource.id));
  return remove_dependents(change, &directory::Grant::resource, resource.id);
}
template <>
Result<> prepare_removal(Change& change, const directory::Node& node) {
  for (const auto& [id, resource] : change.now().resources)
    if (std::ranges::find(resource.egress_nodes, node.id) != resource.egress_nodes.end())
      return fail(Code::kConflict, title(change.now(), node) + " is an egress of " + title(change.now(), resource) +
                                       "; take it out of that resource first");
  return leave_groups(change, &directory::PeeringGroup::nodes, node.id);
}
template <>
Result<> prepare_removal(Change& change, const directory::Cluster& cluster) {
  for (const auto& [id, resource] : change.now().resources)
    if (std::ranges::find(resource.egress_nodes, cluster.id) != resource.egress_nodes.end())
      return fail(Code::kConflict, title(change.now(), cluster) + " is an egress of " + title(change.now(), resource) +
                                       "; take it out of that resource first");
  for (const auto& [id, node] : change.now().nodes)
    if (node.cluster == cluster.id && !node.revoked)
      return fail(Code::kConflict, title(change.now(), cluster) + " has the worker " + title(change.now(), node) +
                                       "; revoke its workers first");
  return remove_dependents(change, &directory::JoinToken::cluster, cluster.id);
}

}  // namespace

Result<> Change::Impl::checked(Result<> result) {
  if (!result && failure && result.error().code != Code::kConflict) failure = result;
  return result;
}

void Change::Impl::apply(Snapshots::Edit edit) {
  if (!after) {
    after = snapshots.writable();
    after->revision = before->revision + 1;
  }
  edit(*after);
  edits.push_back(std::move(edit));
}

template <class Object>
void Change::Impl::assign(const Object& object) {
  touched.push_back({kKind<Object>.table, object.id});
  apply([object](Snapshot& snapshot) { (snapshot.*kObjects<Object>).insert_or_assign(object.id, object); });
}
template <class Object>
void Change::Impl::erase(const std::string& id) {
  touched.push_back({kKind<Object>.table, id});
  apply([id](Snapshot& snapshot) { (snapshot.*kObjects<Object>).erase(id); });
}

Result<> Change::Impl::write_activity(std::string_view kind, std::string_view what, const Of& object,
                                      std::string old_json, std::string new_json) {
  const directory::Activity activity{.id = make_id("ac"),
                                     .revision = before->revision + 1,
                                     .time = clock.wall(),
                                     .actor = actor,
                                     .verb = std::string(kind) + "." + std::string(what),
                                     .object = object.id,
                                     .before = std::move(old_json),
                                     .after = std::move(new_json),
                                     .actor_name = actor_name(now(), actor),
                                     .object_name = object.name};
  Cells cells = to_cells(activity);
  cells.push_back(integer(++activities));
  const auto written = database.run("INSERT INTO activities (" + column_list<directory::Activity>() +
                                        ", number) VALUES (:id, :revision, :time, :actor, :verb, :object, :before, "
                                        ":after, :actor_name, :object_name, :number)",
                                    cells);
  if (!written) return std::unexpected(written.error());
  return {};
}

// Says which rule of the database the object broke. Asking again is simpler and surer than reading the database's
// message, which is another one for every kind of database.
template <class Object>
Error Change::Impl::explain_conflict(const Object& object) {
  const auto& kind = kKind<Object>;
  for (const UniqueKey& key : kind.unique) {
    const Cell first = column(object, key.first);
    std::string sql =
        std::string("SELECT id FROM ") + kind.table + " WHERE id <> :id AND " + std::string(key.first) + " = :first";
    Cells values = {text(object.id), first};
    if (!key.second.empty()) {
      sql += " AND " + std::string(key.second) + " = :second";
      values.push_back(column(object, key.second));
    }
    auto other = database.select_one(sql, values, "t");
    if (!other) continue;
    const auto& objects = now().*kObjects<Object>;
    const auto found = objects.find(text_in((*other)[0]));
    if (found == objects.end()) continue;
    const std::string other_title = title(now(), found->second);
    // Two columns are what it connects, which its name says.
    if (!key.second.empty()) return {Code::kConflict, "there is such a " + other_title + " already"};
    return {Code::kConflict,
            other_title + " already has " +
                (key.secret ? std::string("this token or key") : std::string(key.first) + " " + shown(first))};
  }
  for (const Reference& reference : kind.references) {
    const Cell id = column(object, reference.column);
    if (!database.select_one(std::string("SELECT id FROM ") + reference.table + " WHERE id = :id", {id}, "t"))
      return {Code::kInvalid,
              std::string(kind.label) + ": there is no " + std::string(reference.label) + " " + shown(id)};
  }
  return {Code::kConflict, title(now(), object) + " conflicts with another object"};
}

template <class Object>
Result<> Change::Impl::remove_only(const Object& object) {
  const auto& kind = kKind<Object>;
  const auto removed = database.run(std::string("DELETE FROM ") + kind.table + " WHERE id = :id", {text(object.id)});
  if (!removed) return std::unexpected(removed.error());
  PL_CHECK(write_activity(kind.verb, "deleted", {object.id, object_name(now(), object)},
                          without_secrets<Object>(object, nullptr), ""));
  erase<Object>(std::string(object.id));
  return {};
}

const Snapshot& Change::now() const { return impl_.now(); }

template <class Object>
Result<> Change::put(Object object) {
  const auto& kind = kKind<Object>;
  PL_CHECK(impl_.failure);
  if (!is_id(object.id, kind.prefix))
    return fail(Code::kInvalid, std::string(kind.label) + ": " + quoted(object.id) + " is no id of this kind");
  const auto& objects = impl_.now().*kObjects<Object>;
  const auto it = objects.find(object.id);
  const Object* old = it == objects.end() ? nullptr : &it->second;
  if constexpr (requires { object.revision; }) object.revision = old ? old->revision : 0;
  if (old && to_cells(*old) == to_cells(object)) return {};
  if constexpr (requires { object.revision; }) object.revision = impl_.before->revision + 1;
  Cells cells = to_cells(object);

  std::string sql = insert_into<Object>(kind.table);
  if (old) {
    sql = update<Object>(kind.table, "id = :old_id");
    cells.push_back(text(object.id));
  }
  if (auto written = impl_.database.run(sql, cells); !written) {
    if (written.error().code != Code::kConflict) return impl_.checked(std::unexpected(std::move(written).error()));
    return std::unexpected(impl_.explain_conflict(object));
  }
  PL_CHECK(impl_.checked(
      impl_.write_activity(kind.verb, old ? "updated" : "created", {object.id, object_name(impl_.now(), object)},
                           old ? without_secrets<Object>(*old, nullptr) : "", without_secrets(object, old))));
  impl_.assign(object);
  return {};
}

template <class Object>
Result<> Change::remove(std::string_view id) {
  PL_CHECK(impl_.failure);
  const auto& objects = impl_.now().*kObjects<Object>;
  const auto it = objects.find(id);
  if (it == objects.end())
    return fail(Code::kNotFound, "there is no " + std::string(kKind<Object>.label) + " " + quoted(id));
  const Object object = it->second;  // a copy: the snapshot changes below
  PL_CHECK(prepare_removal(*this, object));
  return impl_.checked(impl_.remove_only(object));
}

Result<> Change::note(std::string_view verb, const std::string& what, std::string name, std::string json) {
  PL_CHECK(impl_.failure);
  const auto dot = verb.find('.');
  PL_CHECK(impl_.checked(impl_.write_activity(verb.substr(0, dot), verb.substr(dot + 1), {what, std::move(name)},
                                              std::move(json), std::string())));
  impl_.apply([](Snapshot&) {});
  return {};
}

// A sealed value is a text member whose name begins with "sealed_", of whatever kind of object: none can be forgotten.
template <class Object>
Result<std::size_t> Change::Impl::reseal_kind(const Change::Again& again) {
  constexpr std::string_view kPrefix = "sealed_";
  std::size_t count = 0;
  const auto objects = now().*kObjects<Object>;  // a copy: the snapshot changes below
  for (const auto& [id, object] : objects) {
    Object resealed = object;
    Result<> result;
    for_each_column<Object>([&](auto member) {
      const std::string_view name = member.name;
      if constexpr (std::is_same_v<std::remove_cvref_t<decltype(object.*member.pointer)>, std::string>) {
        if (!result || !name.starts_with(kPrefix) || (object.*member.pointer).empty()) return;
        const std::string context =
            std::string(kKind<Object>.verb) + "/" + id + "/" + std::string(name.substr(kPrefix.size()));
        auto value = again(context, object.*member.pointer);
        if (!value) {
          result = std::unexpected(std::move(value).error().within(context));
          return;
        }
        resealed.*member.pointer = *value;
        const auto written = database.run(
            std::string("UPDATE ") + kKind<Object>.table + " SET \"" + std::string(name) + "\" = :value WHERE id = :id",
            {text(*value), text(id)});
        if (!written) result = std::unexpected(written.error());
        ++count;
      }
    });
    PL_CHECK(result);
    if (to_cells(resealed) != to_cells(object)) assign(resealed);
  }
  return count;
}

Result<std::size_t> Change::reseal(const std::string& old_key, const std::string& new_key, const Again& again) {
  PL_CHECK(impl_.failure);
  std::size_t count = 0;
#define PORTOLAN_STORE_RESEAL(Kind)                            \
  {                                                            \
    auto resealed = impl_.reseal_kind<directory::Kind>(again); \
    if (!resealed) {                                           \
      impl_.failure = std::unexpected(resealed.error());       \
      return std::unexpected(std::move(resealed).error());     \
    }                                                          \
    count += *resealed;                                        \
  }
  PORTOLAN_STORE_KINDS(PORTOLAN_STORE_RESEAL)
#undef PORTOLAN_STORE_RESEAL
  auto answers = reseal_kept_answers(impl_.database, again);
  if (!answers) {
    impl_.failure = std::unexpected(answers.error());
    return std::unexpected(std::move(answers).error());
  }
  count += *answers;
  const auto named = [](const std::string& id) { return json::print(boost::json::object{{"id", id}}); };
  PL_CHECK(
      impl_.checked(impl_.write_activity("sealing_key", "replaced", {new_key, ""}, named(old_key), named(new_key))));
  return count;
}

Result<> Change::set_setting(std::string_view name, std::string_view value) {
  PL_CHECK(impl_.failure);
  auto written = impl_.database.run(kWriteSetting, {text(name), text(value)});
  return impl_.checked(written ? Result<>() : std::unexpected(std::move(written).error()));
}

Result<std::optional<KeptAnswer>> Change::kept_answer(std::string_view key) const {
  return find_kept_answer(impl_.database, key);
}

Result<> Change::keep_answer(const KeptAnswer& answer, const KeptLimits& limits) {
  PL_CHECK(impl_.failure);
  return impl_.checked(store::keep_answer(impl_.database, answer, limits));
}

#define PORTOLAN_STORE_DEFINE(Kind)                                \
  template Result<> Change::put<directory::Kind>(directory::Kind); \
  template Result<> Change::remove<directory::Kind>(std::string_view);
PORTOLAN_STORE_KINDS(PORTOLAN_STORE_DEFINE)
#undef PORTOLAN_STORE_DEFINE

}  // namespace portolan::store
