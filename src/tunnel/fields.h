// A header block for nghttp2, which copies it when it is submitted; until then the fields borrow their text.
#pragma once
#include <string_view>
#include <vector>

#include <nghttp2/nghttp2.h>

#include "net/http/message.h"

namespace portolan::tunnel {

class Fields {
 public:
  Fields(std::string_view name, std::string_view value) { add(name, value); }

  void add(std::string_view name, std::string_view value, std::uint8_t flags = NGHTTP2_NV_FLAG_NONE) {
    const auto bytes = [](std::string_view text) {
      return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
    };
    fields_.push_back(nghttp2_nv{bytes(name), bytes(value), name.size(), value.size(), flags});
  }
  // Assertions and the like never come twice: in the table they would only push useful entries out.
  void add(const net::http::Headers& headers) {
    for (const auto& [name, value] : headers) add(name, value, NGHTTP2_NV_FLAG_NO_INDEX);
  }
  void add(net::http::Headers&&) = delete;
  const nghttp2_nv* data() const { return fields_.data(); }
  std::size_t size() const { return fields_.size(); }

 private:
  std::vector<nghttp2_nv> fields_;
};

}  // namespace portolan::tunnel
