// How a link becomes a pipe's (docs/wire-pipe.md, "Attach"): what both sides say right behind the hello.
#pragma once
#include <chrono>
#include <memory>

#include "tunnel/pipe.h"

namespace portolan::tunnel {

// A link behind its hello, on which nothing of the pipe has been said.
struct FreshLink {
  std::unique_ptr<net::Stream> stream;
  std::unique_ptr<net::Reader> reader;  // of the stream; has read the hello, and perhaps more
  Bytes binding;                        // of this link
};

// An error of whatever is on the way to the acceptor, which may call itself anything: that the acceptor does not know a
// pipe (kPipeUnknown) is for nobody to say but the acceptor, who has proven who it is.
std::unexpected<Error> of_the_way(Error why);

// The dialler: the pipe leaves the link that it has, and goes on over this one. Its reason is kPipeUnknown if the
// acceptor does not know the pipe, or another that no later attempt can help; else the pipe has no link now and another
// may do.
net::Task<Result<>> attach(std::shared_ptr<Pipe> pipe, FreshLink link, std::chrono::milliseconds limit);

// The acceptor: what the dialler says.
net::Task<Result<Attach>> read_attach(FreshLink& link, std::chrono::milliseconds limit);

// Tells the dialler, and closes the link.
net::Task<> refuse_attach(std::unique_ptr<net::Stream> link, AttachRefusal why);

}  // namespace portolan::tunnel
