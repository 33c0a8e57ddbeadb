// What the parent hands an enclave: the files of one folder, read-only, over streams. Nothing here is trusted by the enclave; the
// names that it asks for are not trusted here either.
//
// A stream carries one request, a line of at most 4096 bytes:
//   GET NAME    answered by "ok SIZE\n" and the file's bytes, or "error WHY\n"
//   SAY TEXT    a line for the operator; answered by "ok 0\n"
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

namespace parent_store {

inline constexpr std::size_t kLongestLine = 4096;

// Letters, digits, '.', '_', '-'; at most 128; no dot in front: a name of the folder itself, never a path.
[[nodiscard]] bool is_file_name(std::string_view name);

class FolderServer {
 public:
  // `said` gets the text of SAY with everything that a terminal could take for an order replaced by '?'. On many threads.
  // `request_time`: in which the whole line must be there.
  FolderServer(std::string folder, std::function<void(const std::string&)> said, std::chrono::milliseconds request_time = std::chrono::seconds(10))
      : folder_(std::move(folder)), said_(std::move(said)), request_time_(request_time) {}
  // Serves one stream to its end, for the time of its socket's send timeout. Does not close it.
  void serve(int socket) const;

 private:
  void send_file(int socket, const std::string& name) const;

  std::string folder_;
  std::function<void(const std::string&)> said_;
  std::chrono::milliseconds request_time_;
};

}  // namespace parent_store
