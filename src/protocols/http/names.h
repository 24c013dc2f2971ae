// The names of an application: its own, and those that a browser on the person's machine knows it by. The main host is
// NAME.localhost, a further one ("alias") LABEL.NAME.localhost, with whatever port the person's web proxy has. A
// request that is for a real name (through the forward proxy) is answered with real names, and nothing is rewritten.
// Pure.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/tcp.h"
#include "protocols/http/links.h"
#include "protocols/http/message.h"

namespace portolan::protocols::http {

struct Host {
  std::string label;     // empty: the main one
  Authority real;        // as in its URLs
  std::size_t dial = 0;  // by which of the resource's addresses it is reached
};

// One request's view: which host it is for, and by which names its sender knows them all.
class View {
 public:
  enum class Form { kLocal, kReal };
  View(const std::vector<Host>& hosts, std::string_view app_scheme, std::size_t host, Form form, std::string scheme,
       std::string local_base);

  const Host& host() const { return (*hosts_)[host_]; }
  Form form() const { return form_; }
  // "https://wiki.example", as the application knows the host that is asked.
  std::string real_origin() const { return real_origin(host()); }
  std::string real_authority() const;
  std::string local_origin() const { return local_origin(host()); }

  // A URL of one of the hosts, by the other name; nothing for any other URL, and for relative ones.
  std::optional<std::string> to_local(std::string_view url) const;
  std::optional<std::string> to_real(std::string_view url) const;
  // For all links to the hosts in a text.
  std::vector<LinkReplacer::Pair> to_local_pairs() const;
  // The name, without a port, that a cookie's Domain becomes; nothing if the application may not set it.
  std::optional<std::string> cookie_domain(std::string_view domain) const;
  // Whether the browser's connection counts as one without TLS.
  bool plain() const { return scheme_ == "http"; }

 private:
  std::string real_origin(const Host& host) const;
  std::string local_origin(const Host& host) const;
  std::string local_name(const Host& host) const;

  const std::vector<Host>* hosts_;  // outlives it
  std::string app_scheme_;          // "https" where the application has TLS
  std::size_t host_;
  Form form_;
  std::string scheme_;      // of the browser's URLs
  std::string local_base_;  // "wiki.localhost:65230"
};

class Names {
 public:
  // The hosts of a resource: the main one first. `name` is the resource's.
  Names(std::string name, std::string app_scheme, std::vector<Host> hosts)
      : name_(std::move(name)), app_scheme_(std::move(app_scheme)), hosts_(std::move(hosts)) {}
  // Whom a request is for; Code::kDenied ("misdirected") if it is none of ours.
  Result<View> view_of(const RequestHead& head) const;
  const std::vector<Host>& hosts() const { return hosts_; }
  const std::string& app_scheme() const { return app_scheme_; }

 private:
  std::string name_;
  std::string app_scheme_;
  std::vector<Host> hosts_;
};

// The setting "aliases": "static=static.example, api=api.example:8443". An alias whose host and port are among
// `dialled` (hosts_of()) is reached there, any other where the main host is: the same server knows it by its name.
Result<std::vector<Host>> hosts_of_application(std::string_view main, std::string_view aliases,
                                               std::string_view app_scheme, const std::vector<net::Endpoint>& dialled);

}  // namespace portolan::protocols::http
