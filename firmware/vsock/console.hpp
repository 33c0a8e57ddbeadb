// The console of debug enclaves, as the parent reads it: the monitor's end of connections to CID 0, port 10000 + CID.
//
// A debug enclave's last kConsoleSize bytes are kept; a reader begins at the oldest. What a reader sends is counted and
// thrown away: there is no console input. A production enclave has no port: its output goes nowhere.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "board_tables.hpp"
#include "firmware/base/byte_reader.hpp"
#include "firmware/base/ids.hpp"
#include "firmware/vsock/packet.hpp"

namespace vsock {

inline constexpr std::uint32_t kConsolePortBase = 10000;
inline constexpr std::size_t kConsoleSize = 32 * 1024;  // bytes kept for each enclave
inline constexpr std::size_t kReadersPerConsole = 2;
inline constexpr std::uint32_t kReaderCredit = 64 * 1024;  // what a reader may have on its way to nowhere

// All zero when nothing has begun. Who may call: as the switch.
class Consoles {
 public:
  // A debug enclave begins. Readers of an earlier one of this slot are due an RST.
  void begin(base::SlotIndex slot, std::uint32_t cid);
  void end(base::SlotIndex slot);                       // readers get the rest, then SHUTDOWN and RST
  void forget(base::SlotIndex slot);                    // the bytes go; readers get an RST
  void write(base::SlotIndex slot, std::uint8_t byte);  // ignored without a console, and after its end

  // A packet of the parent's to CID 0, of type stream and a known operation. False: an RST is its answer.
  [[nodiscard]] bool receive(const Header& header);
  void parent_gone();  // there are no readers any more

  // The next packet for the parent; `payload` is what is copied behind the header. At most `room` bytes of payload.
  // Nothing when nobody waits for anything that its credit allows. The state is as if it had been sent.
  struct Packet {
    Header header;
    std::size_t size;
  };
  [[nodiscard]] bool has_packet() const;
  [[nodiscard]] std::optional<Packet> next_packet(base::MutableBytes payload);

 private:
  struct Reader {
    std::uint64_t position;  // in the stream of all bytes ever written
    std::uint32_t parent_port;
    std::uint32_t console_port;
    std::uint32_t buffer_size;  // the reader's buf_alloc and fwd_cnt
    std::uint32_t forwarded;
    std::uint32_t sent;       // bytes sent to it, modulo 2^32
    std::uint32_t discarded;  // bytes received from it: our fwd_cnt
    bool used;
    bool response_due;
    bool credit_due;
    bool reset_due;
  };
  enum class State : std::uint8_t { kNone, kRunning, kEnded };
  struct Console {
    std::array<std::uint8_t, kConsoleSize> bytes;
    std::uint64_t written;  // bytes ever
    std::uint32_t cid;
    State state;
    std::array<Reader, kReadersPerConsole> readers;
  };

  [[nodiscard]] Console* console_of(std::uint32_t port);
  [[nodiscard]] static std::uint32_t credit_of(const Reader& reader);
  [[nodiscard]] static bool wants(const Console& console, const Reader& reader);
  [[nodiscard]] bool request(const Header& header);
  [[nodiscard]] static Packet answer(Console& console, Reader& reader, base::MutableBytes payload);

  std::array<Console, board::kMaxEnclaves> consoles_{};
  std::uint8_t turn_{};
  bool anybody_asked_{};  // false: there are no readers, which need not be looked for with every packet
};

}  // namespace vsock
