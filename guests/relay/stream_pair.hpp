// One stream carried between two sockets: bytes both ways, an end of one way carried over as an end of that way only, a
// break carried over as a break. It never blocks and never holds more than two buffers, so that whoever reads slowly stops whoever
// sends to him and nobody else.
#pragma once

#include <unistd.h>

#include <array>
#include <cstdint>
#include <memory>
#include <utility>

namespace relay {

class Descriptor {
 public:
  explicit Descriptor(int file = -1) : file_(file) {}
  ~Descriptor() { reset(); }
  Descriptor(Descriptor&& other) noexcept : file_(std::exchange(other.file_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) reset(std::exchange(other.file_, -1));
    return *this;
  }
  [[nodiscard]] int get() const { return file_; }
  void reset(int file = -1) {
    if (file_ >= 0) ::close(file_);
    file_ = file;
  }

 private:
  int file_;
};

enum class Side : std::uint8_t { kAccepted, kConnected };
[[nodiscard]] constexpr Side other(Side side) { return side == Side::kAccepted ? Side::kConnected : Side::kAccepted; }

class StreamPair {
 public:
  StreamPair(Descriptor accepted, Descriptor connected);
  struct Wish {
    bool read, write;
  };
  // What has to be waited for on a side; both false: nothing, and the descriptor must not be polled at all (a hang-up would
  // be reported again and again).
  [[nodiscard]] Wish wish(Side side) const;
  // Moves what can be moved without waiting. False: a side broke, and nothing more will move.
  [[nodiscard]] bool move();
  [[nodiscard]] bool done() const { return ways_[0].ended && ways_[1].ended; }
  // It has ended, and the other side has all that it sent.
  [[nodiscard]] bool ended(Side side) const { return ways_[index(side)].ended; }
  [[nodiscard]] int descriptor(Side side) const { return sockets_[index(side)].get(); }
  // Bytes that were moved in all, both ways.
  [[nodiscard]] std::uint64_t moved() const { return moved_; }
  // Makes closing them tell the peers that the stream broke (TCP: a reset), so that what is cut off doesn't look like an end.
  void break_off();

 private:
  static constexpr std::size_t kBuffer = 64 * 1024;
  // From one side to the other; ways_[0] goes from accepted to connected.
  struct Way {
    std::unique_ptr<std::array<char, kBuffer>> buffer;
    std::size_t begin{}, end{};
    bool read_ended{};  // the sender's end was read
    bool ended{};       // and handed on, with everything before it
  };
  static constexpr std::size_t index(Side side) { return static_cast<std::size_t>(side); }
  [[nodiscard]] bool move(Way& way, int from, int to);

  std::array<Descriptor, 2> sockets_;
  std::array<Way, 2> ways_;
  std::uint64_t moved_{};
};

}  // namespace relay
