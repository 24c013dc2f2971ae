// Inside net/http/ only: what one HTTP/2 connection of the server may hold and do. http2_connection.h says what each is
// for; what an operator may want to choose is in ServerOptions.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace portolan::net::http {

inline constexpr std::size_t kHeads = 1024 * 1024;
inline constexpr std::uint32_t kFreeWindow = 8 * 1024;
inline constexpr std::uint32_t kUploadWindow = 256 * 1024;
inline constexpr std::uint32_t kConnectionWindow = 1024 * 1024;
inline constexpr std::size_t kBodies = 1024 * 1024;
inline constexpr std::size_t kAnswers = 4 * 1024 * 1024;
inline constexpr std::size_t kQueuedFrames = 500;
// Bytes framed ahead of the stream below, and the piece that each time-out of a write is for.
inline constexpr std::size_t kBatch = 64 * 1024;

// How long a client may go on with a request that has been answered already.
inline constexpr std::chrono::milliseconds kUnwanted = std::chrono::seconds(1);
// Streams that end unanswered: more than a browser's user can abort.
inline constexpr double kEarlyResets = 500;
inline constexpr double kEarlyResetsPerSecond = 50;
// Frames that neither ask nor bring anything, and how many more of them (a WINDOW_UPDATE or two) a request or a frame
// of DATA sent may cause.
inline constexpr double kIdleFrames = 1'000;
inline constexpr double kIdleFramesPerSecond = 50;
inline constexpr double kIdleFramesPerRequest = 3;
inline constexpr double kIdleFramesPerData = 3;

}  // namespace portolan::net::http
