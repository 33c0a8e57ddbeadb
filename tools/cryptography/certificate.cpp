#include <arpa/inet.h>
#include <openssl/x509v3.h>

#include <utility>

#include "tools/cryptography/key_state.hpp"

namespace cryptography {
namespace {

constexpr int kMostDays = 825;

void add_extension(X509* certificate, X509V3_CTX* context, int nid, const std::string& value) {
  using Extension = std::unique_ptr<X509_EXTENSION, Freed<X509_EXTENSION_free>>;
  const Extension extension(X509V3_EXT_conf_nid(nullptr, context, nid, value.c_str()));
  demand(extension && X509_add_ext(certificate, extension.get(), -1) == 1, "an extension is refused");
}

// "DNS:a,IP:1.2.3.4" is OpenSSL's configuration language: a name may not speak it.
std::string alternative_names(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    in_addr address{};
    const bool is_address = inet_pton(AF_INET, name.c_str(), &address) == 1;
    for (const char character : name) {
      const bool plain = (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
                         (character >= '0' && character <= '9') || character == '-' || character == '.' || character == '*';
      if (!plain) throw CryptographyError("'" + name + "' is neither a DNS name nor an IPv4 address");
    }
    if (name.empty() || name.size() > 253) throw CryptographyError("a name of a certificate has 1 to 253 characters");
    text += (text.empty() ? "" : ",") + std::string(is_address ? "IP:" : "DNS:") + name;
  }
  return text;
}

}  // namespace

std::string text_of(BIO* memory) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory, &data);
  std::string text(data, static_cast<std::size_t>(size));
  OPENSSL_cleanse(data, static_cast<std::size_t>(size));
  return text;
}

std::string issue(const CertificateRequest& request) {
  if (request.days < 1 || request.days > kMostDays) throw CryptographyError("a certificate lasts 1 to 825 days");
  if (request.common_name.empty() || request.common_name.size() > 64) {
    throw CryptographyError("a common name has 1 to 64 characters");
  }
  const Certificate certificate(X509_new());
  demand(certificate != nullptr, "no memory for a certificate");
  X509* raw = certificate.get();
  Bytes serial = random_bytes(16);
  serial[0] = static_cast<std::uint8_t>((serial[0] & 0x7F) | 0x40);  // RFC 5280 4.1.2.2: positive
  using Number = std::unique_ptr<BIGNUM, Freed<BN_free>>;
  const Number number(BN_bin2bn(serial.data(), static_cast<int>(serial.size()), nullptr));
  demand(number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(raw)) != nullptr, "the serial number is refused");

  const unsigned char* at = request.subject.spki().data();
  const KeyHandle subject(d2i_PUBKEY(nullptr, &at, static_cast<long>(request.subject.spki().size())));
  X509_NAME* name = X509_get_subject_name(raw);
  const auto* common_name = reinterpret_cast<const unsigned char*>(request.common_name.data());
  demand(subject && X509_set_version(raw, X509_VERSION_3) == 1 && X509_set_pubkey(raw, subject.get()) == 1 &&
             X509_gmtime_adj(X509_getm_notBefore(raw), -3600) != nullptr &&
             X509_time_adj_ex(X509_getm_notAfter(raw), request.days, 0, nullptr) != nullptr &&
             X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, common_name, static_cast<int>(request.common_name.size()), -1, 0) == 1,
         "the certificate can't be filled in");

  Certificate issuer;
  if (!request.issuer_pem.empty()) {
    const BioHandle bio(BIO_new_mem_buf(request.issuer_pem.data(), static_cast<int>(request.issuer_pem.size())));
    issuer.reset(bio ? PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr) : nullptr);
    demand(issuer != nullptr, "the issuer's certificate can't be read");
  }
  X509* signer = issuer ? issuer.get() : raw;
  demand(X509_set_issuer_name(raw, X509_get_subject_name(signer)) == 1, "the issuer is refused");

  X509V3_CTX context;
  X509V3_set_ctx(&context, signer, raw, nullptr, nullptr, 0);
  add_extension(raw, &context, NID_subject_key_identifier, "hash");
  if (issuer) add_extension(raw, &context, NID_authority_key_identifier, "keyid:always");
  switch (request.purpose) {
    case CertificatePurpose::kAuthority:
      add_extension(raw, &context, NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
      add_extension(raw, &context, NID_key_usage, "critical,keyCertSign,cRLSign");
      break;
    case CertificatePurpose::kServer:
      add_extension(raw, &context, NID_basic_constraints, "critical,CA:FALSE");
      add_extension(raw, &context, NID_key_usage, "critical,digitalSignature");
      add_extension(raw, &context, NID_ext_key_usage, "serverAuth");
      break;
    case CertificatePurpose::kClient:
      add_extension(raw, &context, NID_basic_constraints, "critical,CA:FALSE");
      add_extension(raw, &context, NID_key_usage, "critical,digitalSignature");
      add_extension(raw, &context, NID_ext_key_usage, "clientAuth");
      break;
  }
  if (!request.names.empty()) add_extension(raw, &context, NID_subject_alt_name, alternative_names(request.names));

  const SecretBytes key_bytes = request.signing_key.pkcs8();
  at = key_bytes.view().data();
  const KeyHandle key(d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(key_bytes.size())));
  demand(key && X509_sign(raw, key.get(), EVP_sha256()) > 0, "the certificate can't be signed");
  const BioHandle bio(BIO_new(BIO_s_mem()));
  demand(bio && PEM_write_bio_X509(bio.get(), raw) == 1, "the certificate can't be written");
  return text_of(bio.get());
}

std::string self_signed_pem(const PrivateKey& key, const std::string& common_name, const std::vector<std::string>& names, int days) {
  return issue({.subject = key.public_key(), .signing_key = key, .issuer_pem = {}, .common_name = common_name, .names = names,
                .days = days, .purpose = CertificatePurpose::kServer});
}

std::optional<Bytes> spki_of_certificate(ByteView der) {
  if (der.empty() || der.size() > 65536) return std::nullopt;
  const unsigned char* at = der.data();
  const Certificate certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  ERR_clear_error();
  if (!certificate || at != der.data() + der.size()) return std::nullopt;
  unsigned char* spki = nullptr;
  // The bytes as they stand in the certificate, also of a key kind that OpenSSL doesn't know.
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate.get()), &spki);
  if (size <= 0) return std::nullopt;
  Bytes bytes(spki, spki + size);
  OPENSSL_free(spki);
  return bytes;
}

}  // namespace cryptography
