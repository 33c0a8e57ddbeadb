// Owners of OpenSSL's objects, for the files of this folder only.
#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

#include "tools/cryptography/cryptography.hpp"

namespace cryptography {

template <auto free_function>
struct Freed {
  template <typename T>
  void operator()(T* object) const {
    free_function(object);
  }
};
using KeyHandle = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>>;
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, Freed<EVP_CIPHER_CTX_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using BioHandle = std::unique_ptr<BIO, Freed<BIO_free_all>>;

// OpenSSL's own reason behind `what`; its queue is empty afterwards.
[[noreturn]] void fail(const std::string& what);
inline void demand(bool holds, const char* what) {
  if (!holds) fail(what);
}
[[nodiscard]] const EVP_MD* digest_of(Hash hash);

}  // namespace cryptography
