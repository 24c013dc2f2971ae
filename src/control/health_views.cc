#include "control/health_views.h"

#include <algorithm>
#include <array>

namespace portolan::control {
namespace {

struct Row {
  std::string_view code;
  std::string_view words;  // "NAME" stands for the resource's name
};
constexpr auto kRemedies = std::to_array<Row>({
    {"bad_credential",
     "the credential kept for this resource is wrong; set it with: portolan admin resources update NAME "
     "--ask-password"},
    {"credential_unreadable", "set it anew with: portolan admin resources update NAME --ask-password"},
    {"connection_refused",
     "nothing listens there: start the server, or correct the address with: portolan admin resources update NAME "
     "--host HOST --port PORT"},
    {"no_such_name", "correct the name with: portolan admin resources update NAME --host HOST"},
    {"no_database",
     "make the database, or name another with: portolan admin resources update NAME --setting database=DATABASE"},
    {"too_many_connections", "the server has no connection left for anybody: raise its limit, or end idle ones"},
    {"starting", "the server is starting or stopping: wait a moment"},
    {"tls_missing",
     "let the server speak TLS, or change it with: portolan admin resources update NAME --setting tls=prefer"},
    {"tls_name",
     "the server's certificate bears another name; say which with: portolan admin resources update NAME --setting "
     "tls_server_name=NAME-IN-IT"},
    {"tls_expired", "renew the server's certificate, and look at the clock of the node and of the server"},
    {"tls_untrusted",
     "give the authority that signed the server's certificate: portolan admin resources update NAME --setting-file "
     "tls_ca=FILE"},
    {"timeout", "is the server up, and does a firewall let the node through to it?"},
    {"node_down", "see: portolan admin nodes list"},
    {"not_supported", "bring the node to the version of the control plane"},
    {"not_understood",
     "upgrade the node, or let another one reach it: portolan admin resources update NAME --egress NODE"},
    {"client_certificate",
     "let the server trust the authority of the certificate (ssl_ca_file), or give another one: portolan admin "
     "resources "
     "update NAME --setting-file tls_certificate=FILE --tls-key-file FILE"},
});

}  // namespace

std::optional<std::string> remedy(std::string_view code, std::string_view resource) {
  const auto* row = std::ranges::find(kRemedies, code, &Row::code);
  if (row == kRemedies.end()) return std::nullopt;
  std::string words(row->words);
  constexpr std::string_view kPlace = "update NAME ";
  if (const auto at = words.find(kPlace); at != std::string::npos) words.replace(at + kPlace.size() - 5, 4, resource);
  return words;
}

}  // namespace portolan::control
