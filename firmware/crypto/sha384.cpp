#include "firmware/crypto/sha384.hpp"

#include <mbedtls/sha512.h>

#include <new>
#include <type_traits>

namespace crypto {
namespace {

// mbedTLS's software and instruction variants can only refuse a null pointer; anything else would be a corrupted
// library, and a wrong digest must never leave this file.
void must_succeed(int result) {
  if (result != 0) __builtin_trap();
}

mbedtls_sha512_context* sha512_in(unsigned char* storage) {
  return std::launder(reinterpret_cast<mbedtls_sha512_context*>(storage));
}

}  // namespace

static_assert(std::is_trivially_copyable_v<Sha384>);
static_assert(std::is_trivially_copyable_v<mbedtls_sha512_context>);

void Sha384::update(base::Bytes data) {
  static_assert(sizeof(mbedtls_sha512_context) <= kContextSize && alignof(mbedtls_sha512_context) <= 8);
  mbedtls_sha512_context* context = sha512_in(context_.data());
  if (!started_) {
    must_succeed(mbedtls_sha512_starts(context, /*is384=*/1));
    started_ = true;
  }
  must_succeed(mbedtls_sha512_update(context, data.data(), data.size()));
}

Digest Sha384::finish() const {
  Sha384 fork = *this;
  if (!fork.started_) fork.update({});
  std::array<unsigned char, 64> output{};  // mbedTLS's interface names 64 bytes; SHA-384 fills 48
  must_succeed(mbedtls_sha512_finish(sha512_in(fork.context_.data()), output.data()));
  Digest digest{};
  for (std::size_t i = 0; i < digest.size(); ++i) digest[i] = output[i];
  return digest;
}

Digest sha384(base::Bytes data) {
  Sha384 hash;
  hash.update(data);
  return hash.finish();
}

}  // namespace crypto
