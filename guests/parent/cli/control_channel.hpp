// How a command talks to the enclave processes: one Unix socket for each, RUN_FOLDER/SLOT.sock; one request and its
// replies, each a JSON object on a line.
//
// Request: {"command": "info" | "describe" | "terminate", "metadata": bool}.
// Replies: {"stdout": TEXT}, {"stderr": TEXT}, and at the end {"status": N}, an error code or 0.
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "guests/parent/cli/environment.hpp"

namespace enclave_cli {

using Json = nlohmann::ordered_json;

inline constexpr std::size_t kLongestLine = 1 << 20;
inline constexpr std::chrono::milliseconds kInfoTime{5000};  // for an answer to "info", which a process knows at once

// False when the far end has gone.
bool send_line(int socket, const Json& line);

class LineReader {
 public:
  explicit LineReader(int socket) : socket_(socket) {}
  // Empty: the far end has gone, sent something else, or nothing whole in time.
  [[nodiscard]] std::optional<Json> next(std::chrono::milliseconds allowed);

 private:
  int socket_;
  std::string buffer_;
};

struct Answer {
  std::string out;
  std::string error;
  int status{-1};  // -1: none came
};
// Collects the replies to a request that was sent. `show`, when given, is told what is for standard error as it comes.
[[nodiscard]] Answer collect(int socket, std::chrono::milliseconds allowed, void (*show)(const std::string&) = nullptr);

[[nodiscard]] std::string socket_path(const std::string& run_folder, std::uint64_t slot_uid);
// Makes the folder (mode 0700) when it is missing, and listens. Throws Failure.
[[nodiscard]] Descriptor listen_at(const std::string& path);

struct EnclaveProcess {
  std::string path;
  Descriptor socket;
};
// A connection to each. Sockets that nobody listens at are removed (their process was killed); those that may not be
// opened are left, and counted in `refused`.
[[nodiscard]] std::vector<EnclaveProcess> connect_to_all(const std::string& run_folder, std::size_t& refused);

// The process of a full enclave ID ("i-...-enc0123"). Throws Failure E40 (no such form), E39 (nobody answers).
[[nodiscard]] EnclaveProcess connect_to(const std::string& run_folder, const std::string& enclave_id);

}  // namespace enclave_cli
