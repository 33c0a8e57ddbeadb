#include "guests/enclave/keys/artifact_fetch.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace enclave_keys {
namespace {

void write_all(int file, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(file, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0)
      throw std::runtime_error(std::string("no room for the artifact in memory: ") + std::strerror(errno));
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

const artifact::EncryptedDataKey& wanted_key(const artifact::Header& header, const std::string& key_arn) {
  const auto found = std::ranges::find_if(header.data_keys, [&](const artifact::EncryptedDataKey& key) {
    return key.provider == artifact::kKmsProvider && (key_arn.empty() || key.information == key_arn);
  });
  if (found == header.data_keys.end()) {
    throw artifact::BadArtifact("none of its data keys is encrypted under " +
                                (key_arn.empty() ? "a key service's key" : key_arn));
  }
  return *found;
}

}  // namespace

MemoryFile::~MemoryFile() {
  if (file_ >= 0) ::close(file_);
}

std::string MemoryFile::path() const { return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(file_); }

DataKeyOf data_key_from(KmsClient& client) {
  return [&client](const artifact::EncryptedDataKey& encrypted, const artifact::Context& context) {
    return client.decrypt(encrypted.ciphertext, encrypted.information, context, {}, artifact::kDataKey);
  };
}

MemoryFile fetch_and_decrypt(const artifact::Source& source, const DataKeyOf& data_key, const FetchRequest& request) {
  artifact::Decryptor decryptor(source);
  decryptor.require(request.required);
  const artifact::EncryptedDataKey& encrypted = wanted_key(decryptor.header(), request.key_arn);
  decryptor.unlock(data_key(encrypted, decryptor.header().context).view());
  MemoryFile file(::memfd_create(request.name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (file.descriptor() < 0)
    throw std::runtime_error(std::string("can't make a file in memory: ") + std::strerror(errno));
  while (const auto frame = decryptor.next()) {
    if (decryptor.bytes_given() > request.most_bytes) {
      throw artifact::BadArtifact("it is longer than the " + std::to_string(request.most_bytes) +
                                  " bytes that it may take");
    }
    write_all(file.descriptor(), *frame);
    if (request.progress) request.progress(decryptor.bytes_given());
  }
  file.size_ = decryptor.bytes_given();
  if (::fcntl(file.descriptor(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0 ||
      ::lseek(file.descriptor(), 0, SEEK_SET) != 0) {
    throw std::runtime_error(std::string("can't seal the file in memory: ") + std::strerror(errno));
  }
  return file;
}

}  // namespace enclave_keys
