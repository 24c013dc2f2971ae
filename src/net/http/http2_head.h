// Inside net/http/ only: heads as HTTP/2 carries them, from fields to a Request and from a Response to fields (RFC 9113
// §8). Pure: no nghttp2, no I/O. nghttp2 refuses most of what the RFC calls malformed before it comes here; all of it
// is refused here again, so that what a request means never hangs on an option of a library.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/http/message.h"

namespace portolan::net::http {

// The head of a request while it arrives. Holds no more than the limits allow, whatever comes.
class FieldBlock {
 public:
  explicit FieldBlock(const Limits& limits) : limits_(limits) {}
  // One field, in the order of the wire. What is wrong with it is told by finish().
  void add(std::string_view name, std::string_view value);
  // A field that cannot be read.
  void spoil() { set_defect("malformed header"); }
  // Bytes of all fields so far, as RFC 9113 §6.5.2 counts them.
  std::size_t size() const { return size_; }

  struct Head {
    Request request;   // without its body; `host` is the authority, also where the client sent no Host header
    std::string host;  // as host_name() gives it
    bool head_only = false;
    std::optional<std::uint64_t> length;  // of the body, if it is announced
  };
  // The whole head; once. The error's reason says what to answer: refusal().
  Result<Head> finish();

 private:
  void add_pseudo(std::string_view name, std::string_view value);
  void set_defect(std::string what);
  Result<std::string> check_host();

  Limits limits_;
  std::optional<std::string> method_, scheme_, authority_, path_;
  Headers headers_;
  std::size_t size_ = 0;
  std::size_t count_ = 0;
  std::optional<Error> defect_;
};

using FieldList = std::vector<std::pair<std::string, std::string>>;

// Status and headers of an answer, `length` being that of its body where it is known. Fails on what would not come out
// as the same message at the other end; headers that have no meaning in HTTP/2 are left out.
Result<FieldList> encode_fields(const Response& response, std::optional<std::size_t> length);

}  // namespace portolan::net::http
