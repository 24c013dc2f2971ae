// Inside net/http/ only: a WebSocket after its handshake, as a Stream (websocket.h).
#pragma once
#include <memory>
#include <optional>

#include "net/http/websocket_frames.h"
#include "net/loop.h"
#include "net/outbox.h"
#include "net/ready_slot.h"
#include "net/stream.h"

namespace portolan::net::http {

class WebSocketStream final : public Stream {
 public:
  WebSocketStream(std::unique_ptr<Stream> below, WebSocketRole role);

  Result<Chunk> try_read() override;
  Result<std::size_t> try_write(ByteView bytes) override;
  Result<> shutdown_send() override;
  std::size_t unsent() const override { return out_.pending() + below_->unsent(); }
  void on_readable(Ready ready) override;
  void on_writable(Ready ready) override;
  void cancel_readable() override;
  void cancel_writable() override { writable_.cancel(); }
  const Executor& executor() const override { return below_->executor(); }
  std::string describe() const override { return "websocket " + below_->describe(); }

 private:
  // Whether there is something in in_ now, or why there is not.
  enum class Filled { kYes, kWaits, kFailed };
  Filled fill();
  void take_event(FrameReader::Event event);
  void fail_reading(Error error);
  void append(FrameKind kind, ByteView payload);
  void append_close();
  void answer_ping();
  void flush();
  void failed_below(Error error);
  bool can_write() const;
  void progress();

  std::unique_ptr<Stream> below_;
  const WebSocketRole role_;
  FrameReader frames_;
  Buffer in_;   // lent, and not yet taken
  Outbox out_;  // whole frames
  ReadySlot readable_;
  ReadySlot writable_;
  Timer settle_;
  std::optional<Bytes> pong_;  // an answer that waits for room
  bool waiting_below_ = false;
  bool half_closed_ = false;
  bool peer_ended_ = false;
  bool close_sent_ = false;   // appended
  bool below_ended_ = false;  // half-closed
  std::uint64_t end_at_ = 0;  // of out_: our end and all before it
  std::optional<Error> read_error_;
  std::optional<Error> write_error_;
};

}  // namespace portolan::net::http
