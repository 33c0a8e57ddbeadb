// What the parent's store (guests/parent/store) hands out, from the enclave's side. Nothing that comes is believed.
#pragma once

#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>

#include "guests/relay/address.hpp"
#include "guests/relay/stream_pair.hpp"

namespace inference {

// The store can't be reached, refuses, or sends something else; says which.
class StoreError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class StoredFile {
 public:
  // Asks for the file. Waits for a store that is just starting, for a minute.
  StoredFile(const relay::Address& store, const std::string& name);
  // On a stream that is there.
  StoredFile(relay::Descriptor store, std::string name);
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  // Reads on, piece by piece; 0 at the end. A file that is shorter than announced simply ends: who reads it must notice.
  std::size_t read(std::span<std::uint8_t> out);

 private:
  relay::Descriptor socket_;
  std::string name_;
  std::uint64_t size_{}, left_{};
};

// The whole of a small file. Throws StoreError: it is larger, or cut short.
[[nodiscard]] std::string whole_content(StoredFile& file, std::uint64_t most);
[[nodiscard]] std::string whole_file(const relay::Address& store, const std::string& name, std::uint64_t most);
// Tells the operator; nothing happens when nobody listens. Never a prompt, an answer or a key.
void say(const relay::Address& store, const std::string& text);

}  // namespace inference
