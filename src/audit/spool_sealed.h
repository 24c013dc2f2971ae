// Sealed segments: what a node has on record and not yet handed over does not lie on its disk in clear text. The form,
// and what protects what: docs/wire-audit.md, "In the node's files", and docs/guide/audit.md, "On the relay".
//
// The first line says how the others are sealed:
//   CRC {"form":3,"key":"v1.…"}
// `key` is a random key of this segment alone, sealed (crypto/sealing.h) with that of the spool for the segment's
// number. Each line behind it is a record:
//   stuffed( N, 8 bytes ‖ AES-256-GCM of the line as it is handed over ‖ tag, 16 bytes ) and a newline
// with the nonce N, and authenticated with it the offset of the line in its file: no line can be altered, nor moved or
// repeated, without being seen. Stuffing leaves the newline to the end of the line, so that a torn tail is found as in
// any file of lines.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "audit/spool_line.h"
#include "base/bytes.h"
#include "base/result.h"
#include "crypto/aead.h"
#include "crypto/sealing.h"

namespace portolan::audit {

// Appends `bytes` to `out` without newlines, by consistent overhead byte stuffing (Cheshire and Baker, 1999): one byte
// more for each 254 and for what remains. Each run without a newline has its length, plus one, before it; the length
// that would be a newline is written as zero. Behind a run shorter than 254 stands a newline, but for the last one.
void stuff(std::string_view bytes, std::string& out);
// Fills `out`; false if these are not stuffed bytes.
bool unstuff(std::string_view stuffed, std::string& out);

// The first line of a segment.
struct SegmentHead {
  Secret key;        // of the segment
  std::string line;  // with its newline
};
// With a new key.
SegmentHead make_head(const crypto::SealingKey& spool, std::uint64_t segment);
// From the line without its newline. Code::kInvalid: it is broken; kDenied: it is whole, and sealed with another key or
// in a form that only a newer release knows.
Result<Secret> open_head(std::string_view line, const crypto::SealingKey& spool, std::uint64_t segment);

// Seals the lines of one segment, which nobody else writes. One thread at a time.
class LineSealer {
 public:
  explicit LineSealer(const Secret& key) : cipher_(key, crypto::Aead::Use::kSeal) {}
  // The line with its newline, for this offset in the file; good until the next call. Each call has a nonce of its own:
  // a line that could not be written is not written as it was.
  std::string_view seal(std::uint64_t offset, std::string_view handed);
  // How long it is at most.
  static std::size_t most(std::size_t handed);

 private:
  crypto::Aead cipher_;
  std::uint64_t next_ = 0;  // nonce
  std::string sealed_;
  std::string line_;
};

// Opens the lines of one segment. One thread at a time.
class LineOpener {
 public:
  explicit LineOpener(const Secret& key) : cipher_(key, crypto::Aead::Use::kOpen) {}
  // Appends to `handed` what the line at this offset holds, which is given without its newline; false, and nothing is
  // appended, if it is not as it was written there.
  bool open(std::uint64_t offset, std::string_view line, std::string& handed);

 private:
  crypto::Aead cipher_;
  std::string sealed_;
};

// What can be read of a whole segment: for who looks into a file that was set aside.
struct Unsealed {
  std::string lines;                  // as they are handed over
  std::vector<std::uint64_t> broken;  // offsets of lines that cannot be read, a torn one among them
};
// Errors are those of open_head().
Result<Unsealed> unseal_segment(std::string_view content, const crypto::SealingKey& spool, std::uint64_t segment);

// As scan() does it, of a sealed segment; `offset` is that of the piece in its file.
Scan scan_sealed(std::string_view bytes, std::uint64_t offset, std::size_t limit, LineOpener& opener);

}  // namespace portolan::audit
