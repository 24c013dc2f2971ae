#include "client/home.h"

#include <cstdlib>

#include "base/file.h"
#include "base/json.h"

namespace portolan::client {
namespace {

struct Connected {
  std::vector<std::string> names;
};
BOOST_DESCRIBE_STRUCT(Connected, (), (names))

std::unexpected<Error> not_signed_in() {
  return fail(Code::kUnauthenticated, "nobody is signed in here; run: portolan login ADDRESS", "not_signed_in");
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

}  // namespace

Result<Home> Home::from_environment() {
  if (const std::string home = environment("PORTOLAN_HOME"); !home.empty()) return Home(home);
  if (const std::string state = environment("XDG_STATE_HOME"); !state.empty())
    return Home(std::filesystem::path(state) / "portolan");
  if (const std::string user = environment("HOME"); !user.empty())
    return Home(std::filesystem::path(user) / ".local/state/portolan");
  return fail(Code::kInvalid,
              "neither PORTOLAN_HOME nor HOME is set; say where the client keeps its state with PORTOLAN_HOME");
}

Result<ClientState> Home::state() const {
  auto remembered_state = remembered();
  if (!remembered_state || remembered_state->account.empty()) return not_signed_in();
  return *remembered_state;
}

std::optional<ClientState> Home::remembered() const {
  const auto text = read_file(folder_ / "client.json");
  if (!text) return std::nullopt;
  auto state = json::decode<ClientState>(*text, json::Unknown::kIgnore);
  if (!state) return std::nullopt;
  return *state;
}

Result<Credentials> Home::credentials() const {
  PL_TRY(auto state, this->state());
  PL_TRY(const auto certificate_pem, read_file(folder_ / "certificate.pem"));
  PL_TRY(auto certificate, crypto::Certificate::from_pem(certificate_pem));
  PL_TRY(auto key_pem, read_private_file(folder_ / "device.key"));
  PL_TRY(auto key, crypto::PrivateKey::from_pem(Secret(std::move(key_pem))));
  if (!(certificate.public_key() == key.public_key()))
    return fail(Code::kInvalid,
                "the certificate in " + folder_.string() + " belongs to another key; run: portolan login");
  return Credentials{std::move(state), std::move(certificate), std::move(key)};
}

Result<Secret> Home::token() const {
  auto text = read_private_file(folder_ / "token");
  if (!text && text.error().code == Code::kNotFound) return not_signed_in();
  if (!text) return std::unexpected(std::move(text).error());
  return Secret(std::move(*text));
}

Result<> Home::save(const ClientState& state, const crypto::Certificate& certificate, const crypto::PrivateKey& key,
                    const Secret& token) const {
  PL_CHECK(make_folder(folder_, Privacy::kPrivate));
  PL_CHECK(write_file(folder_ / "device.key", key.pem().reveal(), Privacy::kPrivate));
  PL_CHECK(write_file(folder_ / "certificate.pem", certificate.pem(), Privacy::kPublic));
  PL_CHECK(write_file(folder_ / "token", token.reveal(), Privacy::kPrivate));
  return write_file(folder_ / "client.json", json::encode(state), Privacy::kPrivate);
}

// The key stays: whatever of the two files is there after a crash, it fits.
Result<> Home::save_renewed(const ClientState& state, const crypto::Certificate& certificate) const {
  PL_TRY(const auto there, credentials());
  if (there.state.account != state.account || there.state.device != state.device ||
      !(there.key.public_key() == certificate.public_key()))
    return fail(Code::kConflict, "somebody has signed in anew in " + folder_.string());
  PL_CHECK(write_file(folder_ / "certificate.pem", certificate.pem(), Privacy::kPublic));
  return write_file(folder_ / "client.json", json::encode(state), Privacy::kPrivate);
}

Result<> Home::sign_out() const {
  PL_TRY(ClientState state, this->state());
  state.account.clear();
  state.email.clear();
  state.admin = false;
  PL_CHECK(write_file(folder_ / "client.json", json::encode(state), Privacy::kPrivate));
  std::error_code ignored;
  for (const char* name : {"token", "certificate.pem", "device.key", "routes.json"})
    std::filesystem::remove(folder_ / name, ignored);
  return {};
}

std::vector<std::string> Home::connected() const {
  const auto text = read_file(folder_ / "connected.json");
  if (!text) return {};
  auto names = json::decode<Connected>(*text, json::Unknown::kIgnore);
  return names ? names->names : std::vector<std::string>{};
}

Result<> Home::save_connected(const std::vector<std::string>& names) const {
  return write_file(folder_ / "connected.json", json::encode(Connected{names}), Privacy::kPrivate);
}

}  // namespace portolan::client
