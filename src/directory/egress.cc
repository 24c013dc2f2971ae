#include "directory/egress.h"

namespace portolan::directory {
namespace {

// The same for resources that have the same egress nodes, whatever nodes there are.
std::string bound_by(const Resource& resource) {
  std::string key;
  for (const auto& id : resource.egress_nodes) key += id + ' ';
  return key;
}

}  // namespace

const EgressSets::Nodes& EgressSets::of(const Resource& resource) {
  const auto [at, is_new] = sets_.try_emplace(bound_by(resource));
  if (is_new) at->second = egress_nodes(snapshot_, resource);
  return at->second;
}

const EgressSets::Nodes* EgressSets::of_new(const Resource& resource) {
  const auto known = sets_.size();
  const Nodes& nodes = of(resource);
  return sets_.size() > known ? &nodes : nullptr;
}

}  // namespace portolan::directory
