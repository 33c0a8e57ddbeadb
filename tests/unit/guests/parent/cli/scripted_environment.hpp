// A machine for the parent's CLI that a test scripts: a driver whose every step can refuse, pages that run out, vsock
// as Unix sockets in a folder, kernel files in memory. What was taken and not given back can be counted.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "guests/parent/cli/enclave_memory.hpp"
#include "guests/parent/cli/environment.hpp"

namespace enclave_cli::testing {

// A folder that goes with the test.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "cofferdam-cli-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// An enclave is one end of a socket pair: the far end, closed, is its end (POLLHUP).
class ScriptedDriver final : public EnclaveDriver {
 public:
  // Step names: create, image_offset, add_memory, add_cpu, start. After `after` successes the step answers -error.
  struct Refusal {
    std::string step;
    int error{};
    int after{};
  };
  std::optional<Refusal> refusal;
  std::uint64_t slot{0x19b0};
  std::uint64_t chosen_cid{16};
  bool ends_at_start{false};
  std::function<void(std::uint64_t cid)> on_start;  // what the enclave does
  // Seen:
  std::vector<std::pair<void*, std::uint64_t>> memory;
  std::vector<std::uint32_t> cpus;
  bool debug{};
  Descriptor far_end;

  int create(std::uint64_t& slot_uid) override {
    if (const int error = refused("create"); error != 0) return error;
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return -errno;
    far_end = Descriptor(pair[1]);
    slot_uid = slot;
    return pair[0];
  }
  int image_offset(int, std::uint64_t& offset) override {
    offset = 8 * kMiB;
    return refused("image_offset");
  }
  int add_memory(int, void* address, std::uint64_t size) override {
    if (const int error = refused("add_memory"); error != 0) return error;
    memory.emplace_back(address, size);
    return 0;
  }
  int add_cpu(int, std::uint32_t& cpu) override {
    if (const int error = refused("add_cpu"); error != 0) return error;
    if (cpu == 0) cpu = static_cast<std::uint32_t>(cpus.size()) + 1;
    cpus.push_back(cpu);
    return 0;
  }
  int start(int, bool with_debug, std::uint64_t& cid) override {
    if (const int error = refused("start"); error != 0) return error;
    if (cid == 0) cid = chosen_cid;
    debug = with_debug;
    if (on_start) on_start(cid);
    if (ends_at_start) far_end.reset();
    return 0;
  }
  // Whether the descriptor that create() answered is closed.
  [[nodiscard]] bool was_closed() const {
    char byte = 0;
    return !far_end || ::recv(far_end.get(), &byte, 1, MSG_DONTWAIT) == 0;
  }

 private:
  int refused(const std::string& step) {
    return refusal && refusal->step == step && refusal->after-- <= 0 ? -refusal->error : 0;
  }
};

class ScriptedPages final : public PageSource {
 public:
  std::vector<HugePages> pool{{.page_size = 2 * kMiB, .total = 64, .free = 64}};
  std::uint64_t lies{};  // pages of the smallest size that count as free and can't be had
  std::uint64_t held{};  // bytes that were mapped and not unmapped

  [[nodiscard]] std::vector<HugePages> kinds() override { return pool; }
  [[nodiscard]] void* map(std::uint64_t page_size, std::uint64_t size) override {
    for (HugePages& kind : pool) {
      const std::uint64_t count = size / page_size;
      if (kind.page_size != page_size) continue;
      if (count + (&kind == &pool.front() ? lies : 0) > kind.free) return nullptr;
      void* const address =
          ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (address == MAP_FAILED) return nullptr;
      kind.free -= count;
      held += size;
      mapped_[address] = page_size;
      return address;
    }
    return nullptr;
  }
  void unmap(void* address, std::uint64_t size) override {
    const auto region = std::prev(mapped_.upper_bound(address));
    for (HugePages& kind : pool) {
      if (kind.page_size == region->second) kind.free += size / kind.page_size;
    }
    held -= size;
    ::munmap(address, size);
  }

 private:
  std::map<void*, std::uint64_t> mapped_;  // start -> page size
};

// CID:PORT is a socket in a folder; whoever connects is `peer`.
class UnixVsock final : public SocketFamily {
 public:
  explicit UnixVsock(std::string folder) : folder_(std::move(folder)) {}
  std::uint32_t peer{16};
  int listen_error{};
  int emptied{};  // times that accept() found nobody

  int listen(std::uint32_t port) override { return listen_error != 0 ? -listen_error : listen_at(3, port); }
  int listen_at(std::uint32_t cid, std::uint32_t port) {
    Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const sockaddr_un address = address_of(cid, port);
    ::unlink(address.sun_path);
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return -errno;
    if (::listen(socket.get(), 8) != 0) return -errno;
    return socket.release();
  }
  int accept(int listener, std::uint32_t& peer_cid) override {
    peer_cid = peer;
    const int connection = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (connection >= 0) return connection;
    if (errno == EAGAIN) ++emptied;
    return -errno;
  }
  int connect(std::uint32_t cid, std::uint32_t port, int) override {
    Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_un address = address_of(cid, port);
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return -errno;
    return socket.release();
  }

 private:
  [[nodiscard]] sockaddr_un address_of(std::uint32_t cid, std::uint32_t port) const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = folder_ + '/' + std::to_string(cid) + ':' + std::to_string(port);
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    return address;
  }
  std::string folder_;
};

// Kernel files in memory. A write goes through `on_write` where a path has one; it answers 0 or -error.
class ScriptedFiles final : public KernelFiles {
 public:
  std::map<std::string, std::string> content;
  std::map<std::string, std::function<int(const std::string&)>> on_write;

  int read(const std::string& path, std::string& text) override {
    const auto found = content.find(path);
    if (found == content.end()) return -ENOENT;
    text = found->second;
    return 0;
  }
  int write(const std::string& path, const std::string& text) override {
    if (const auto found = on_write.find(path); found != on_write.end()) return found->second(text);
    if (!content.contains(path)) return -ENOENT;
    content[path] = text;
    return 0;
  }
  [[nodiscard]] std::vector<std::string> list(const std::string& folder) override {
    std::vector<std::string> names;
    for (const auto& [path, text] : content) {
      if (!path.starts_with(folder + '/')) continue;
      std::string name = path.substr(folder.size() + 1);
      name = name.substr(0, name.find('/'));
      if (names.empty() || names.back() != name) names.push_back(name);
    }
    return names;
  }
};

struct Machine {
  Folder folder;
  ScriptedDriver driver;
  ScriptedPages pages;
  UnixVsock sockets{folder.path()};
  ScriptedFiles files;
  Environment environment{
      driver, pages, sockets, files, {.run_folder = folder.path() + "/run", .log_folder = folder.path() + "/log"}};

  Machine() { files.content["/sys/module/nitro_enclaves/parameters/ne_cpus"] = "1-3\n"; }
};

}  // namespace enclave_cli::testing
