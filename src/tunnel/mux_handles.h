// What users of a mux hold: the handles of its streams and requests. Internal to mux*.cc.
#pragma once
#include <memory>

#include "tunnel/mux_core.h"

namespace portolan::tunnel {

std::unique_ptr<MuxStream> make_stream(std::shared_ptr<MuxCore> core, StreamPtr state);
std::unique_ptr<Incoming> make_incoming(std::shared_ptr<MuxCore> core, StreamPtr state, OpenRequest request);

}  // namespace portolan::tunnel
