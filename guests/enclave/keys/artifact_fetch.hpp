// An encrypted artifact from an untrusted stream into this enclave's memory. The file is handed over only when the
// whole message was authenticated: nobody can use a byte of one that turns out to be cut short, altered or another.
#pragma once

#include "guests/enclave/keys/kms_client.hpp"
#include "tools/artifact/decryptor.hpp"

namespace enclave_keys {

// The data key of the artifact whose encrypted data key is given; may throw.
using DataKeyOf =
    std::function<SecretBytes(const artifact::EncryptedDataKey& encrypted, const artifact::Context& context)>;
[[nodiscard]] DataKeyOf data_key_from(KmsClient& client);

struct FetchRequest {
  std::string name;            // of the file, for /proc; not a path
  artifact::Context required;  // the artifact's context must have all of it; it should name the artifact
  std::string key_arn;         // not empty: only the data key that is encrypted under this one
  std::uint64_t most_bytes{};  // of plaintext: the enclave's memory that may be spent
  // Called after each frame with the bytes of plaintext so far; may be empty.
  std::function<void(std::uint64_t)> progress;
};

// A sealed file in memory (memfd): nothing can write to it any more.
class MemoryFile {
 public:
  explicit MemoryFile(int file) : file_(file) {}
  ~MemoryFile();
  MemoryFile(MemoryFile&& other) noexcept : file_(other.file_), size_(other.size_) { other.file_ = -1; }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  [[nodiscard]] int descriptor() const { return file_; }
  // A path under which this process and its children can open it, while it lives.
  [[nodiscard]] std::string path() const;
  [[nodiscard]] std::uint64_t size() const { return size_; }

 private:
  friend MemoryFile fetch_and_decrypt(const artifact::Source&, const DataKeyOf&, const FetchRequest&);
  int file_;
  std::uint64_t size_{};
};

// Throws artifact::BadArtifact, what DataKeyOf and the source throw, std::runtime_error: no memory.
[[nodiscard]] MemoryFile fetch_and_decrypt(const artifact::Source& source, const DataKeyOf& data_key,
                                           const FetchRequest& request);

}  // namespace enclave_keys
