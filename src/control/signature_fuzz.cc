// Signatures come from strangers: whatever parses is within its limits and is signed as it came. The input is tried as
// it is and behind the words that no fuzzer would guess.
#include <cstdlib>

#include "control/signature.h"

namespace portolan::control {
namespace {

void try_input(const std::string& text) {
  const auto input = parse_signature_input(text);
  if (!input) return;
  if (input->nonce.size() < 16 || input->nonce.size() > 64 || !input->key.starts_with("at-")) std::abort();
  if ("sig1=" + input->parameters != text) std::abort();
  const std::string base = signature_base({}, *input);
  if (!base.ends_with("\n\"@signature-params\": " + input->parameters)) std::abort();
}

void try_bytes(const std::string& text) {
  if (const auto signature = parse_signature(text); signature && "sig1=:" + base64(*signature) + ":" != text)
    std::abort();
  net::http::Request request;
  request.headers["content-digest"] = text;
  if (check_digest(request) && text != "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:") std::abort();
}

}  // namespace
}  // namespace portolan::control

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace portolan::control;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const std::string components = R"(sig1=("@method" "@authority" "@path" "@query" "content-digest"))";
  const std::string headers =
      R"(sig1=("@method" "@authority" "@path" "@query" "content-digest" "if-match" "idempotency-key")";
  const std::string created = components + ";created=1800000000";
  for (const auto& before : {std::string(), components, headers, created, created + ";nonce=\"0123456789abcdef",
                             created + ";nonce=\"0123456789abcdef\";keyid=\"at-"})
    try_input(before + text);
  for (const auto* before : {"", "sig1=:", "sha-256=:"}) try_bytes(before + text);
  return 0;
}
