#include "node/web_entrance.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "net/address_range.h"
#include "net/http/websocket.h"
#include "tunnel/web_dial.h"

namespace portolan::node {
namespace {

constexpr std::chrono::milliseconds kLook = std::chrono::seconds(2);  // whether the files are others by now

// An address of this machine's loopback, or the name of it. A name that only begins like one may be anywhere.
bool is_loopback(const std::string& host) {
  static constexpr std::array<std::string_view, 2> kLoopback = {"127.0.0.0/8", "::1"};
  return host == "localhost" || std::ranges::any_of(kLoopback, [&](std::string_view range) {
           return net::AddressRange::parse(range)->contains({host, 0});
         });
}

Result<std::shared_ptr<const net::TlsServer>> make_tls(const WebListen& web) {
  PL_TRY(const auto certificates, read_file(web.certificate_file));
  PL_TRY(auto chain, crypto::Certificate::all_from_pem(certificates));
  PL_TRY(auto pem, read_private_file(web.key_file));
  PL_TRY(auto key, crypto::PrivateKey::from_pem(Secret(std::move(pem))));
  net::TlsServerPurpose http;
  http.alpn = {"http/1.1"};
  http.identity = {std::move(chain), std::make_shared<const crypto::PrivateKey>(std::move(key))};
  net::TlsServerPurpose without = http;  // clients that offer no ALPN
  without.alpn = {};
  return net::TlsServer::make({std::move(http), std::move(without)}, net::TlsVersions::k12And13);
}

}  // namespace

WebEntrance::WebEntrance(const net::Executor& executor, const NodeOptions& options, OnPath on_path)
    : web_(*options.web),
      handshakes_(options.handshakes),
      limit_(options.handshake_limit),
      on_path_(std::move(on_path)),
      admission_(executor, {.waiting = 1024, .silence = options.handshake_limit},
                 [this](std::unique_ptr<net::TcpStream> stream) { begin(std::move(stream)); }),
      look_(executor),
      tasks_(executor) {}

Result<std::unique_ptr<WebEntrance>> WebEntrance::start(const net::Executor& executor, const NodeOptions& options,
                                                        OnPath on_path) {
  std::unique_ptr<WebEntrance> made(new WebEntrance(executor, options, std::move(on_path)));
  const WebListen& web = *options.web;
  if (!web.certificate_file.empty()) {
    PL_CHECK(made->load());
    made->look_again();
  } else if (!is_loopback(web.at.host)) {
    return fail(Code::kInvalid,
                "links over WebSocket without a certificate are for a proxy on this machine: listen on "
                "127.0.0.1, or give --web-certificate and --web-key");
  }
  PL_TRY(made->listener_,
         net::listen_tcp(executor, web.at, [self = made.get()](std::unique_ptr<net::TcpStream> stream) {
           self->admission_.add(std::move(stream));
         }));
  return made;
}

Result<> WebEntrance::load() {
  loaded_.clear();
  std::error_code ignored;
  for (const auto* file : {&web_.certificate_file, &web_.key_file})
    loaded_.push_back(std::filesystem::last_write_time(*file, ignored));
  auto tls = make_tls(web_);
  if (!tls)
    return std::unexpected(std::move(tls).error().within("certificate " + quoted(web_.certificate_file.string()) +
                                                         " with key " + quoted(web_.key_file.string())));
  tls_ = std::move(*tls);
  return {};
}

void WebEntrance::look_again() {
  look_.schedule(kLook, [this] {
    std::vector<std::filesystem::file_time_type> now;
    std::error_code ignored;
    for (const auto* file : {&web_.certificate_file, &web_.key_file})
      now.push_back(std::filesystem::last_write_time(*file, ignored));
    if (now != loaded_) {
      if (const auto loaded = load(); !loaded)
        log::error("keeping the old certificate for links over WebSocket", {{"why", loaded.error()}});
    }
    look_again();
  });
}

// As at the gateway's own port: beyond the cap the one that has taken longest makes room.
void WebEntrance::begin(std::unique_ptr<net::Stream> stream) {
  if (tasks_.size() >= handshakes_) tasks_.cancel_oldest();
  if (tasks_.size() < 2 * handshakes_ && !stopping_) tasks_.spawn("web-entrance", serve(std::move(stream)));
}

net::Task<> WebEntrance::serve(std::unique_ptr<net::Stream> stream) {
  const std::string peer = stream->describe();
  if (tls_) {
    const auto tls = tls_;
    auto shaken = co_await tls->accept(std::move(stream), limit_);
    if (!shaken) {
      log::debug("connection refused", {{"peer", peer}, {"why", shaken.error()}});
      co_return;
    }
    stream = std::move(*shaken);
  }
  auto path = co_await net::http::accept_websocket(std::move(stream), std::string(tunnel::kWebPath), limit_);
  if (!path) {
    log::debug("request refused", {{"peer", peer}, {"why", path.error()}});
    co_return;
  }
  if (!stopping_) on_path_(std::move(*path));
}

net::Task<> WebEntrance::stop() {
  stopping_ = true;
  close();
  look_.cancel();
  tasks_.cancel();
  co_await tasks_.join();
}

}  // namespace portolan::node
