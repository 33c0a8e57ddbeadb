// Whether an enclave that was started comes up: its first process connects to the parent's vsock port 9000, sends one
// byte 0xB7 and reads it back (aws-nitro-enclaves-sdk-bootstrap init/init.c; eif_loader/src/lib.rs).
//
// The listener stands before the enclave is started, or the first connection could be refused.
#pragma once

#include <chrono>
#include <cstdint>

#include "guests/parent/cli/environment.hpp"

namespace enclave_cli {

inline constexpr std::uint32_t kHeartbeatPort = 9000;
inline constexpr std::uint8_t kHeartbeat = 0xB7;

using Milliseconds = std::chrono::milliseconds;

// 90 s for each 6 GiB of image that is begun, and 90 s more for each full 100 GiB of memory.
[[nodiscard]] Milliseconds boot_time_allowed(std::uint64_t eif_size, std::uint64_t memory_size);

enum class BootResult : std::uint8_t {
  kReady,
  kEnded,  // the enclave ended first (POLLHUP)
  kTimedOut,
  kAbandoned,  // nobody waits any more: the command has gone
};

// starter: the command's end of its socket, or -1; signals: a descriptor that becomes readable when the process is to
// end, or -1.
[[nodiscard]] BootResult wait_for_boot(SocketFamily& sockets, int listener, int enclave, std::uint64_t cid, int starter,
                                       int signals, Milliseconds allowed);

}  // namespace enclave_cli
