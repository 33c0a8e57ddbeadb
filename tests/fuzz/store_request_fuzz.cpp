// What an enclave asks of the parent's store: one answer of the known form, and of the file system only what lies in the folder.
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

#include "guests/parent/store/folder_server.hpp"
#include "tests/fuzz/demand.hpp"

namespace {

constexpr std::string_view kContent = "the content";

// A folder with a file, and another beside it that nobody may have.
std::string made_folder() {
  char name[] = "/tmp/store-fuzz-XXXXXX";
  const std::filesystem::path top = ::mkdtemp(name);
  std::filesystem::create_directory(top / "store");
  std::ofstream(top / "store/file") << kContent;
  std::ofstream(top / "secret") << "outside";
  std::filesystem::create_symlink("../secret", top / "store/link");
  static const struct Removed {
    std::filesystem::path path;
    ~Removed() { std::filesystem::remove_all(path); }
  } at_the_end{top};
  return top / "store";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::string folder = made_folder();
  std::string said;
  int times = 0;
  const parent_store::FolderServer server(folder, [&](const std::string& text) {
    said = text;
    ++times;
  });
  int ends[2] = {-1, -1};
  DEMAND(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  DEMAND(::send(ends[0], data, size, MSG_NOSIGNAL) == static_cast<ssize_t>(size));
  ::shutdown(ends[0], SHUT_WR);
  server.serve(ends[1]);
  ::close(ends[1]);
  std::string answer;
  char buffer[1024];
  for (ssize_t count = 0; (count = ::recv(ends[0], buffer, sizeof buffer, 0)) > 0;) answer.append(buffer, static_cast<std::size_t>(count));
  ::close(ends[0]);
  const std::string file = "ok " + std::to_string(kContent.size()) + "\n" + std::string(kContent);
  const bool error = answer.starts_with("error ") && answer.find('\n') == answer.size() - 1;
  DEMAND(answer.empty() || error || answer == "ok 0\n" || answer == file);
  DEMAND(times == (answer == "ok 0\n" ? 1 : 0));
  DEMAND(std::ranges::all_of(said, [](unsigned char c) { return c >= 0x20 && c <= 0x7E; }));
  return 0;
}
