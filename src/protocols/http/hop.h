// What of a message's fields is for the next hop alone, and what of a request may not come from a client at all
// (RFC 9110 §7.6.1). Pure.
#pragma once
#include "protocols/http/message.h"

namespace portolan::protocols::http {

// Takes out what belongs to the connection it came on: the fields of the standard's list and those that Connection
// names. Fails if Connection names what decides about the message itself.
Result<> drop_hop_by_hop(Fields& fields);
// Takes out what tells who is at the other end, for whom we alone may speak: Forwarded, X-Forwarded-… and the like, in
// any spelling.
void drop_forwarded(Fields& fields);
// Of trailers only what cannot change the meaning of the message that has been acted on already: no framing, no
// addresses, no credentials, no cookies (RFC 9110 §6.5.1).
void keep_harmless_trailers(Fields& trailers);

// Whether the request asks to become a WebSocket (RFC 6455 §4.2.1). Any other upgrade, and one that is not whole, is an
// error.
Result<bool> wants_websocket(const RequestHead& head, Framing framing);
// Whether the answer 101 is to that.
Result<> check_switched(const ResponseHead& head);
// Whether the client waits for leave to send its body; an expectation that is not known is an error (417).
Result<bool> expects_continue(const RequestHead& head);

}  // namespace portolan::protocols::http
