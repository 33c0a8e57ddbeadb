// Many conversations at once, with random sizes, closes and drivers that lag, against a reference that knows what the
// bytes of each must be: what arrives is always a beginning of what was sent, and all of it where nobody cut the
// connection.
#include <gtest/gtest.h>

#include <array>
#include <map>
#include <random>

#include "tests/unit/firmware/vsock/world.hpp"

namespace {

using namespace vsock_test;

// Byte `position` of what this end of the conversation says.
[[nodiscard]] std::uint8_t said(std::uint32_t conversation, bool by_parent, std::uint64_t position) {
  std::uint64_t x = position * 0x9E37'79B9'7F4A'7C15U + conversation * 2U + (by_parent ? 1U : 0U);
  x ^= x >> 29;
  x *= 0xBF58'476D'1CE4'E5B9U;
  return static_cast<std::uint8_t>(x >> 56);
}

struct End {  // of one conversation, at one guest
  bool open = false;
  bool opened_ever = false;
  bool closing = false;  // has said SHUTDOWN
  bool reset = false;
  std::uint32_t sent = 0;
  std::uint32_t wanted = 0;  // how much it will say
  std::uint32_t received = 0;
  std::uint32_t announced = 0;  // fwd_cnt that the peer knows
  std::uint32_t peer_size = 0;
  std::uint32_t peer_forwarded = 0;
};

struct Conversation {
  std::size_t enclave;
  std::uint32_t parent_port;
  std::uint32_t enclave_port;
  bool parent_asks;
  bool cut = false;         // somebody reset it on purpose
  std::array<End, 2> ends;  // parent, enclave
};

class Talk {
 public:
  Talk(World& world, std::uint32_t seed, bool cuts) : world_(world), random_(seed), cuts_(cuts) {}

  void add(std::size_t enclave, std::uint32_t number, bool parent_asks) {
    // Ports of both sides overlap between enclaves on purpose.
    conversations_.push_back({enclave, 1000 + number, 5000 + number % 7 + 100 * number, parent_asks, false, {}});
    for (End& end : conversations_.back().ends) end.wanted = static_cast<std::uint32_t>(random_() % 200'000);
  }

  void round() {
    for (std::uint32_t i = 0; i < conversations_.size(); ++i) {
      if (random_() % 2 == 0) speak(i);
    }
    for (int steps = static_cast<int>(random_() % 200); steps > 0; --steps) static_cast<void>(world_.vsock().step(1));
    listen(world_.parent(), true);
    for (std::size_t i = 0; i < 4; ++i) listen(world_.enclave(i), false);
  }

  [[nodiscard]] bool finished() const {
    return std::all_of(conversations_.begin(), conversations_.end(),
                       [](const Conversation& c) { return c.ends[0].reset && c.ends[1].reset; });
  }
  [[nodiscard]] const std::vector<Conversation>& conversations() const { return conversations_; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

 private:
  static constexpr std::uint32_t kWindow = 1U << 16;

  [[nodiscard]] bool send(std::uint32_t number, bool by_parent, Op op, std::uint32_t size = 0,
                          std::uint32_t flags = 0) {
    Conversation& c = conversations_[number];
    End& end = c.ends[by_parent ? 0 : 1];
    Header header = by_parent ? World::to_enclave(c.enclave, c.parent_port, c.enclave_port, op, size)
                              : World::to_parent(c.enclave, c.enclave_port, c.parent_port, op, size);
    header.flags = flags;
    header.buffer_size = kWindow;
    header.forwarded = end.received;
    Payload payload(size);
    for (std::uint32_t i = 0; i < size; ++i) payload[i] = said(number, by_parent, end.sent + i);
    Guest& guest = by_parent ? world_.parent() : world_.enclave(c.enclave);
    if (!guest.send(world_.vsock(), header, payload, 2048)) return false;
    end.announced = end.received;
    return true;
  }

  void speak(std::uint32_t number) {
    Conversation& c = conversations_[number];
    for (const bool by_parent : {true, false}) {
      End& end = c.ends[by_parent ? 0 : 1];
      if (end.reset) continue;
      if (!end.opened_ever) {
        if (c.parent_asks == by_parent && send(number, by_parent, Op::kRequest)) end.opened_ever = true;
        continue;
      }
      if (!end.open) continue;
      if (cuts_ && random_() % 400 == 0 && send(number, by_parent, Op::kReset)) {
        c.cut = end.reset = true;
        end.open = false;
        continue;
      }
      const std::uint32_t credit = end.peer_size - (end.sent - end.peer_forwarded);
      const auto most = static_cast<std::uint32_t>(random_() % 3 == 0 ? 60'000 : 1 + random_() % 600);
      const std::uint32_t size = std::min({end.wanted - end.sent, credit, most});
      if (size != 0) {
        if (send(number, by_parent, Op::kData, size)) {
          end.sent += size;
          bytes_ += size;
        }
      } else if (end.received - end.announced > kWindow / 4) {
        static_cast<void>(send(number, by_parent, Op::kCreditUpdate));
      } else if (by_parent && end.sent == end.wanted && !end.closing && finished_hearing(c)) {
        if (send(number, by_parent, Op::kShutdown, 0, 3)) end.closing = true;
      }
    }
  }
  // The parent closes when both have said and heard everything (its knowledge of the other's end is the test's).
  static bool finished_hearing(const Conversation& c) {
    return c.ends[0].received == c.ends[1].wanted && c.ends[1].received == c.ends[0].wanted;
  }

  void listen(Guest& guest, bool parent) {
    for (std::size_t budget = random_() % 64; budget > 0; --budget) {
      const auto packet = guest.receive();
      if (!packet) break;
      hear(*packet, parent);
    }
    guest.refill(world_.vsock(), random_() % 64);
  }

  void hear(const Packet& packet, bool by_parent) {
    const Header& header = packet.header;
    ASSERT_EQ(header.size, packet.payload.size());
    std::uint32_t number = 0;
    for (; number < conversations_.size(); ++number) {
      const Conversation& c = conversations_[number];
      const std::uint64_t cid = kFirstCid + c.enclave;
      if (by_parent
              ? header.source_cid == cid && header.source_port == c.enclave_port && header.target_port == c.parent_port
              : header.target_cid == cid && header.target_port == c.enclave_port &&
                    header.source_port == c.parent_port) {
        break;
      }
    }
    ASSERT_LT(number, conversations_.size()) << "a packet of no conversation";
    Conversation& c = conversations_[number];
    End& end = c.ends[by_parent ? 0 : 1];
    if (end.reset) return;  // under way when it was cut
    end.peer_size = header.buffer_size;
    end.peer_forwarded = header.forwarded;
    switch (static_cast<Op>(header.op)) {
      case Op::kRequest:
        ASSERT_FALSE(end.opened_ever);
        ASSERT_NE(c.parent_asks, by_parent);
        end.opened_ever = end.open = true;
        answers_.push_back({number, by_parent, Op::kResponse});
        break;
      case Op::kResponse:
        end.open = true;
        break;
      case Op::kReset:
        end.reset = true;
        end.open = false;
        break;
      case Op::kShutdown:
        answers_.push_back({number, by_parent, Op::kReset});
        end.reset = true;
        end.open = false;
        break;
      case Op::kData:
        for (const std::uint8_t byte : packet.payload)
          ASSERT_EQ(byte, said(number, !by_parent, end.received++)) << number;
        ASSERT_LE(end.received, c.ends[by_parent ? 1 : 0].sent);
        break;
      case Op::kCreditUpdate:
      case Op::kCreditRequest:
      case Op::kInvalid:
        break;
    }
    flush();
  }
  void flush() {
    std::vector<Reply> later;
    for (const Reply& reply : answers_) {
      if (!send(reply.number, reply.by_parent, reply.op)) later.push_back(reply);
    }
    answers_ = later;
  }

  struct Reply {
    std::uint32_t number;
    bool by_parent;
    Op op;
  };
  World& world_;
  std::mt19937 random_;
  bool cuts_;
  std::vector<Conversation> conversations_;
  std::vector<Reply> answers_;
  std::uint64_t bytes_{};

 public:
  void flush_answers() { flush(); }
};

void converse(std::uint32_t seed, bool cuts, Shape parent, Shape enclave) {
  World world(4, parent, enclave);
  world.refill_all();
  Talk talk(world, seed, cuts);
  for (std::uint32_t i = 0; i < 128; ++i) talk.add(i % 4, i, i % 2 == 0);
  int rounds = 0;
  for (; rounds < 10'000 && !talk.finished() && !::testing::Test::HasFatalFailure(); ++rounds) {
    talk.round();
    talk.flush_answers();
  }
  EXPECT_TRUE(talk.finished()) << seed;
  for (std::size_t i = 0; i < talk.conversations().size(); ++i) {
    const Conversation& c = talk.conversations()[i];
    EXPECT_TRUE(c.ends[0].reset && c.ends[1].reset)
        << i << (c.cut ? " cut," : "") << " opened " << c.ends[0].opened_ever << c.ends[1].opened_ever << " open "
        << c.ends[0].open << c.ends[1].open << " closing " << c.ends[0].closing << " sent " << c.ends[0].sent << " of "
        << c.ends[0].wanted << " and " << c.ends[1].sent << " of " << c.ends[1].wanted;
  }
  EXPECT_TRUE(world.broken().empty());
  std::size_t whole = 0;
  for (const Conversation& c : talk.conversations()) {
    if (c.cut) continue;
    ++whole;
    EXPECT_EQ(c.ends[0].received, c.ends[1].wanted);
    EXPECT_EQ(c.ends[1].received, c.ends[0].wanted);
  }
  EXPECT_EQ(whole == 128, !cuts);
  std::uint64_t carried = world.vsock().counters(base::kParent).bytes;
  for (std::size_t i = 0; i < 4; ++i) carried += world.vsock().counters(world.enclave(i).port()).bytes;
  EXPECT_TRUE(cuts || carried == talk.bytes());
}

TEST(VsockConversations, SixtyFourEachWayArriveWhole) {
  converse(1, false, {}, {});
  converse(2, false, {.ring = 64}, {.ring = 128, .receive_buffer = 3776});
}

TEST(VsockConversations, CutAtRandomTheyAreBeginningsOfWhatWasSaid) {
  for (std::uint32_t seed = 10; seed < 14; ++seed) converse(seed, true, {}, {.receive_buffer = 1000});
}

}  // namespace
