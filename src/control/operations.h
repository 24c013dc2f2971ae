// What every route is for, takes and answers, in words and types: the OpenAPI document is made of this table and of
// permissions.cc, and the tests hold every answer against it. A route that lacks a row here fails a test.
#pragma once
#include <span>
#include <string_view>
#include <vector>

#include "base/json_schema.h"

namespace portolan::control {

using SchemaOf = json::Value (*)(json::Schemas&);
template <class T>
json::Value schema_of(json::Schemas& schemas) {
  return schemas.of<T>();
}

struct Parameter {
  std::string_view name;
  std::string_view description;
};

struct Operation {
  std::string_view route;
  std::string_view summary;
  SchemaOf request = nullptr;              // null: no body, or lines
  SchemaOf answer = nullptr;               // null: an answer without a body, or a page for people
  SchemaOf line = nullptr;                 // each line of the answer to ?watch=1; null: there is no watch
  SchemaOf request_line = nullptr;         // each line of a body that is lines
  std::vector<Parameter> parameters = {};  // of the query, `watch` apart
  bool html = false;                       // a page for people
  bool creates = false;                    // an object, once for one Idempotency-Key
};

std::span<const Operation> operations();
// The status of success: 201 for POSTs that make an object, 204 without a body, else 200.
int success_status(const Operation& operation);

}  // namespace portolan::control
