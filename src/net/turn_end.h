// The end of a loop's turn: where what one turn has collected goes on in one go, such as the records of a TLS stream
// or the frames of a mux. A layer that is flushed there may ask for the flush of the one below: that is still the same
// end, not another turn, which would look for new events between the layers.
#pragma once
#include <functional>

#include "net/task.h"

namespace portolan::net {

// Runs `work` on the executor's loop after the handlers that are ready now, never within this call. On that loop's
// thread only. Work that asks for more in its turn gives way to other handlers now and then; what is to give way at
// once calls post() (loop.h).
void at_turn_end(const Executor& executor, std::move_only_function<void()> work);

}  // namespace portolan::net
