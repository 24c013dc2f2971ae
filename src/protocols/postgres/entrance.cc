#include "protocols/postgres/entrance.h"

namespace portolan::protocols::postgres {
namespace {

// GSSENCRequest, SSLRequest, StartupMessage: a client asks for each encryption once.
constexpr int kPacketsBeforeStart = 3;
constexpr std::chrono::milliseconds kHandshakeLimit = std::chrono::seconds(10);
// The type of a TLS record that holds a handshake (RFC 8446 §5.1). As a length it would be far beyond every limit.
constexpr std::byte kTlsHandshake{0x16};

}  // namespace

Entrance::Entrance(std::unique_ptr<net::Stream> client, Tls tls) : tls_(std::move(tls)), client_(std::move(client)) {
  reader_.emplace(*client_);
}

net::Task<Result<Arrival>> Entrance::receive() {
  CO_CHECK(co_await reader_->fill(1));
  if (reader_->data().front() == kTlsHandshake) {
    CO_CHECK(co_await start_tls(TlsStart::kDirect));
  }
  for (int i = 0; i < kPacketsBeforeStart; ++i) {
    CO_CHECK(co_await reader_->fill(4));
    if (begins_like_http(reader_->data()))
      co_return fail(Code::kProtocol, "the client speaks HTTP, not PostgreSQL", std::string(kHttpRequest));
    CO_TRY(const std::size_t size, first_packet_size(reader_->data().first(4)));
    CO_TRY(const Bytes packet, co_await reader_->take(size));
    CO_TRY(FirstPacket first, parse_first_packet(packet));
    if (auto* startup = std::get_if<Startup>(&first)) co_return Arrival(std::move(*startup));
    if (auto* key = std::get_if<BackendKey>(&first)) co_return Arrival(*key);
    if (encrypted_) co_return fail(Code::kProtocol, "start-up packet: a request for encryption within TLS");
    if (std::holds_alternative<SslRequest>(first)) {
      CO_CHECK(co_await answer_ssl_request());
    } else {
      CO_CHECK(co_await net::write(*client_, as_bytes("N")));
    }
  }
  co_return fail(Code::kProtocol, "start-up packet: one request for encryption after another");
}

net::Task<Result<>> Entrance::answer_ssl_request() {
  if (!tls_.offered) co_return co_await net::write(*client_, as_bytes("N"));
  // What came in clear with the request would be taken for the client's word under TLS (CVE-2021-23214).
  if (!reader_->empty())
    co_return fail(Code::kProtocol, "the client sent bytes in clear text before the TLS handshake");
  CO_CHECK(co_await net::write(*client_, as_bytes("S")));
  co_return co_await start_tls(TlsStart::kAsked);
}

net::Task<Result<>> Entrance::start_tls(TlsStart start) {
  CO_TRY(const auto server, make_client_tls(tls_.resource, tls_.clock.wall(), start));
  Bytes head = reader_->take_rest();
  reader_.reset();
  auto below = net::prepend(std::move(head), std::move(client_));
  CO_TRY(client_, co_await server->accept(std::move(below), kHandshakeLimit));
  reader_.emplace(*client_);
  encrypted_ = true;
  co_return Result<>{};
}

std::unique_ptr<net::Stream> Entrance::take() {
  Bytes head = reader_->take_rest();
  reader_.reset();
  return net::prepend(std::move(head), std::move(client_));
}

}  // namespace portolan::protocols::postgres
