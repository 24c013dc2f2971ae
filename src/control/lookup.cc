#include "control/lookup.h"

#include <utility>

namespace portolan::control {
namespace {

template <class Object>
const Object* find(const std::unordered_map<std::string, const Object*>& map, const std::string& key) {
  const auto found = map.find(key);
  return found == map.end() ? nullptr : found->second;
}

template <class Map>
const typename Map::mapped_type* by_id(const Map& map, std::string_view id) {
  const auto found = map.find(id);
  return found == map.end() ? nullptr : &found->second;
}

}  // namespace

Lookup::Lookup(store::DirectoryStore::SnapshotPtr snapshot, std::shared_ptr<const directory::AccessIndex> access)
    : snapshot_(std::move(snapshot)), access_(std::move(access)) {
  for (const auto& [id, sign_in] : snapshot_->sign_ins) {
    if (!sign_in.token_hash.empty()) by_token_[sign_in.token_hash] = &sign_in;
    if (!sign_in.certificate_serial.empty()) by_serial_[sign_in.certificate_serial] = &sign_in;
    for (const auto& held : sign_in.certificates) by_serial_[held.serial] = &sign_in;
    if (!sign_in.ended) by_account_[sign_in.account].push_back(&sign_in);
  }
  for (const auto& [id, token] : snapshot_->api_tokens) api_tokens_[token.token_hash] = &token;
}

const directory::AccessIndex& Lookup::access() const {
  if (!access_) access_ = std::make_shared<const directory::AccessIndex>(*snapshot_);
  return *access_;
}

const directory::SignIn* Lookup::sign_in_by_token(const std::string& hash) const { return find(by_token_, hash); }
const directory::ApiToken* Lookup::api_token(const std::string& hash) const { return find(api_tokens_, hash); }
const directory::SignIn* Lookup::sign_in_by_serial(const std::string& serial) const { return find(by_serial_, serial); }

const directory::SignIn* Lookup::lasting_sign_in(std::string_view account, std::string_view device,
                                                 WallTime now) const {
  const auto found = by_account_.find(std::string(account));
  if (found == by_account_.end()) return nullptr;
  const directory::SignIn* last = nullptr;
  for (const auto* sign_in : found->second) {
    if (sign_in->ends <= now || (!device.empty() && sign_in->device != device)) continue;
    if (!last || sign_in->ends > last->ends) last = sign_in;
  }
  return last;
}

const directory::Account* Lookup::account(std::string_view key) const {
  const auto* found = by_id(snapshot_->accounts, key);
  return found ? found : snapshot_->account_by_email(key);
}
const directory::Role* Lookup::role(std::string_view key) const {
  const auto* found = by_id(snapshot_->roles, key);
  return found ? found : snapshot_->role_by_name(key);
}
const directory::Resource* Lookup::resource(std::string_view key) const {
  const auto* found = by_id(snapshot_->resources, key);
  return found ? found : snapshot_->resource_by_name(key);
}
const directory::Node* Lookup::node(std::string_view key) const {
  const auto* found = by_id(snapshot_->nodes, key);
  return found ? found : snapshot_->node_by_name(key);
}

}  // namespace portolan::control
