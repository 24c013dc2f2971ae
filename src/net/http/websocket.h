// WebSocket (RFC 6455) as a Stream over any Stream: for links where a network lets only HTTP pass (docs/wire.md, "Links
// over WebSocket"). Both roles. No extensions, no subprotocols.
//
// The bytes of the stream are the payload of binary messages; where these and their fragments begin and end means
// nothing, but for one: a message without a byte is the end of its direction, as TCP's FIN is, and the other direction
// goes on. (A Close could not say that: whoever gets one answers it at once and sends no more.) When both directions
// have ended, each side sends Close and half-closes the stream below. A Close before that, or the end of the stream
// below, is an error: what had been sent may be lost. A breach of the protocol ends the stream without a word.
//
// Nothing is collected: payload is passed on as it comes, in pooled blocks, and at most 64 KiB wait for the stream
// below. A ping is answered; of pings that come while the answer to one still waits, the last. None are sent: who
// needs to know whether the peer lives asks on a layer above.
#pragma once
#include <chrono>
#include <memory>
#include <string>

#include "net/stream.h"

namespace portolan::net::http {

// Asks for `path` (which needs no encoding) at `host` (name or name:port, for the Host header), and waits for the
// answer, all within `limit`. An answer that is none of a WebSocket is an error that says its status.
Task<Result<std::unique_ptr<Stream>>> connect_websocket(std::unique_ptr<Stream> below, std::string host,
                                                        std::string path, std::chrono::milliseconds limit);

// Reads one request within `limit`. Whatever is not the upgrade of this very path is answered and closed: 404 for any
// other path, method, or a request out of a web page (Origin); 426 for another version of WebSocket; 400 for what is
// malformed. The error is for logs.
Task<Result<std::unique_ptr<Stream>>> accept_websocket(std::unique_ptr<Stream> below, std::string path,
                                                       std::chrono::milliseconds limit);

}  // namespace portolan::net::http
