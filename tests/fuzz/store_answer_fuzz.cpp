// What the parent's store sends to an enclave instead of a file: no more is taken than was announced, and nothing that is larger than
// the enclave wants.
#include <sys/socket.h>

#include <array>

#include "guests/enclave/inference/store_client.hpp"
#include "tests/fuzz/demand.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::uint64_t kMost = 1000;
  if (size == 0) return 0;
  const std::string_view sent(reinterpret_cast<const char*>(data) + 1, size - 1);
  int ends[2] = {-1, -1};
  DEMAND(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  const relay::Descriptor store(ends[1]);
  relay::Descriptor enclave(ends[0]);
  DEMAND(::send(store.get(), sent.data(), sent.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(sent.size()));
  ::shutdown(store.get(), SHUT_WR);
  try {
    inference::StoredFile file(std::move(enclave), "model");
    DEMAND(sent.starts_with("ok "));
    const std::string_view content = sent.substr(sent.find('\n') + 1);
    if (data[0] % 2 == 0) {
      const std::string whole = inference::whole_content(file, kMost);
      DEMAND(whole.size() == file.size() && whole.size() <= kMost && content.starts_with(whole));
      return 0;
    }
    std::array<std::uint8_t, 100> piece{};
    std::string all;
    for (std::size_t count = 0; (count = file.read(std::span(piece).first(1 + data[0] % piece.size()))) > 0;) {
      all.append(reinterpret_cast<const char*>(piece.data()), count);
    }
    DEMAND(all.size() <= file.size() && content.starts_with(all));
  } catch (const inference::StoreError&) {
  }
  return 0;
}
