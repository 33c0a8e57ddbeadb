// The monitor's own reach into frames that it does not keep mapped.
//
// The monitor's permanent map covers its own image, data and devices only. A frame of a partition is
// reached through a Window, which exists for one bounded piece of work on one core.
#pragma once

#include <cstdint>
#include <span>

#include "firmware/base/byte_reader.hpp"
#include "firmware/base/ids.hpp"

namespace hal {

// Precondition: `frames` lies in RAM and inside one 2 MiB block. One window a core and direction of use at
// a time: at most two per core (a copy has a source and a destination).
class Window {
 public:
  explicit Window(base::FrameRange frames);
  ~Window();
  Window(const Window&) = delete;
  Window& operator=(const Window&) = delete;
  [[nodiscard]] base::MutableBytes bytes() const { return bytes_; }

 private:
  base::MutableBytes bytes_;
  std::uint8_t index_;
};

void clean_frames(base::FrameRange frames);  // data cache, clean and invalidate to PoC (Arm: DC CIVAC; DSB)
void scrub_frames(base::FrameRange frames);  // zero, then clean_frames. Any length; linear in it
// Bytes through windows. Preconditions as Window, but any length inside RAM. An aligned range of 2, 4 or 8 bytes is one
// access: somebody else may write it meanwhile.
void read_bytes(base::PhysAddr from, base::MutableBytes to);
void write_bytes(base::PhysAddr to, base::Bytes from);

// Single frames that stay in this core's reach, for many small accesses to few frames. A place shows what show_frame()
// named last, until release_frames(), which is called before the lock is let go that keeps the frames' owners.
inline constexpr std::size_t kShownFrames = 32;
// Answers where its bytes are, or null on a machine that wants to see each access. Preconditions: place < kShownFrames, a
// frame of RAM.
[[nodiscard]] std::uint8_t* show_frame(std::size_t place, base::PhysAddr frame);
void release_frames();
// As read_bytes and write_bytes. Preconditions: the place shows a frame; offset + size <= base::kFrameSize.
void read_shown(std::size_t place, std::uint64_t offset, base::MutableBytes to);
void write_shown(std::size_t place, std::uint64_t offset, base::Bytes from);

}  // namespace hal
