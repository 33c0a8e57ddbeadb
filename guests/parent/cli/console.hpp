// The console of a debug enclave: vsock CID 0 (the monitor), port 10000 + the enclave's CID.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "guests/parent/cli/boot_wait.hpp"

namespace enclave_cli {

inline constexpr std::uint32_t kMonitorCid = 0;
inline constexpr std::uint32_t kConsolePortOffset = 10000;

// Throws Failure E44.
[[nodiscard]] Descriptor connect_to_console(SocketFamily& sockets, std::uint64_t cid);

// Copies to `output` until the enclave ends, or until the time is over. Throws Failure E45, E46.
void copy_console(int console, int output, std::optional<Milliseconds> allowed);

// What the console holds now, at most the last `limit` lines; empty when it can't be reached. Waits while there comes
// more, at most two seconds.
[[nodiscard]] std::vector<std::string> last_words(SocketFamily& sockets, std::uint64_t cid, std::size_t limit = 20);

}  // namespace enclave_cli
