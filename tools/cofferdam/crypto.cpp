#include "tools/cofferdam/crypto.hpp"

#include <mbedtls/asn1.h>
#include <mbedtls/ecdsa.h>
#include <mbedtls/md.h>
#include <mbedtls/oid.h>
#include <mbedtls/pk.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/sha256.h>
#include <mbedtls/x509_crt.h>
#include <sys/random.h>

#include <algorithm>
#include <chrono>
#include <set>

namespace cofferdam {
namespace {

constexpr std::size_t kMaxCertificate = 64 * 1024;
constexpr std::string_view kOidBasicConstraints = "2.5.29.19";
constexpr std::string_view kOidKeyUsage = "2.5.29.15";

struct CurveFacts {
  Curve curve;
  mbedtls_ecp_group_id group;
  Algorithm algorithm;
  mbedtls_md_type_t hash;
  std::size_t width;  // bytes of one coordinate
  std::string_view name;
  std::string_view signature_name;
};
constexpr std::array<CurveFacts, 3> kCurves{{
    {Curve::kP256, MBEDTLS_ECP_DP_SECP256R1, Algorithm::kEs256, MBEDTLS_MD_SHA256, 32, "P-256", "ecdsa-with-SHA256"},
    {Curve::kP384, MBEDTLS_ECP_DP_SECP384R1, Algorithm::kEs384, MBEDTLS_MD_SHA384, 48, "P-384", "ecdsa-with-SHA384"},
    {Curve::kP521, MBEDTLS_ECP_DP_SECP521R1, Algorithm::kEs512, MBEDTLS_MD_SHA512, 66, "P-521", "ecdsa-with-SHA512"},
}};
const CurveFacts& facts_of(Curve curve) {
  return *std::find_if(kCurves.begin(), kCurves.end(), [&](const CurveFacts& facts) { return facts.curve == curve; });
}

Bytes hash(mbedtls_md_type_t type, ByteView bytes) {
  const mbedtls_md_info_t* info = mbedtls_md_info_from_type(type);
  require(info != nullptr, "the hash is not built in");
  Bytes digest(mbedtls_md_get_size(info));
  require(mbedtls_md(info, bytes.data(), bytes.size(), digest.data()) == 0, "hashing failed");
  return digest;
}

class Number {
 public:
  Number() { mbedtls_mpi_init(&value_); }
  ~Number() { mbedtls_mpi_free(&value_); }
  Number(const Number&) = delete;
  Number& operator=(const Number&) = delete;
  mbedtls_mpi* get() { return &value_; }

 private:
  mbedtls_mpi value_;
};

class Point {
 public:
  explicit Point(const PublicKey& key) {
    mbedtls_ecp_group_init(&group);
    mbedtls_ecp_point_init(&point);
    good = mbedtls_ecp_group_load(&group, facts_of(key.curve).group) == 0 &&
           mbedtls_ecp_point_read_binary(&group, &point, key.point.data(), key.point.size()) == 0 &&
           mbedtls_ecp_check_pubkey(&group, &point) == 0;
  }
  ~Point() {
    mbedtls_ecp_point_free(&point);
    mbedtls_ecp_group_free(&group);
  }
  Point(const Point&) = delete;
  Point& operator=(const Point&) = delete;

  mbedtls_ecp_group group;
  mbedtls_ecp_point point;
  bool good{false};
};

// Precondition: `digest` belongs to the curve's hash, `r` and `s` are read.
bool verify_digest(const PublicKey& key, ByteView digest, Number& r, Number& s) {
  Point point(key);
  return point.good &&
         mbedtls_ecdsa_verify(&point.group, digest.data(), digest.size(), &point.point, r.get(), s.get()) == 0;
}

std::int64_t unix_seconds(const mbedtls_x509_time& time) {
  const std::chrono::year_month_day date{std::chrono::year{time.year},
                                         std::chrono::month{static_cast<unsigned>(time.mon)},
                                         std::chrono::day{static_cast<unsigned>(time.day)}};
  require(date.ok(), "a validity date that does not exist");
  const std::chrono::sys_seconds seconds = std::chrono::sys_days{date} + std::chrono::hours{time.hour} +
                                           std::chrono::minutes{time.min} + std::chrono::seconds{time.sec};
  return seconds.time_since_epoch().count();
}

struct AttributeName {
  std::string_view oid, name, abbreviation;
};
constexpr std::array<AttributeName, 13> kAttributes{{
    {"2.5.4.3", "commonName", "CN"},
    {"2.5.4.4", "surname", "SN"},
    {"2.5.4.5", "serialNumber", "serialNumber"},
    {"2.5.4.6", "countryName", "C"},
    {"2.5.4.7", "localityName", "L"},
    {"2.5.4.8", "stateOrProvinceName", "ST"},
    {"2.5.4.9", "streetAddress", "street"},
    {"2.5.4.10", "organizationName", "O"},
    {"2.5.4.11", "organizationalUnitName", "OU"},
    {"2.5.4.12", "title", "title"},
    {"2.5.4.42", "givenName", "GN"},
    {"0.9.2342.19200300.100.1.25", "domainComponent", "DC"},
    {"1.2.840.113549.1.9.1", "emailAddress", "emailAddress"},
}};

using Attributes = std::vector<std::pair<std::string, std::string>>;

void add_attribute(Attributes& attributes, ByteView encoded_oid, ByteView value) {
  const std::string oid = dotted_oid(encoded_oid);
  const auto known = std::find_if(kAttributes.begin(), kAttributes.end(),
                                  [&](const AttributeName& attribute) { return attribute.oid == oid; });
  attributes.emplace_back(known == kAttributes.end() ? oid : std::string(known->name), printable(value));
}

Attributes attributes_of(const mbedtls_x509_name& name) {
  Attributes attributes;
  for (const mbedtls_x509_name* part = &name; part != nullptr && part->oid.p != nullptr; part = part->next) {
    add_attribute(attributes, {part->oid.p, part->oid.len}, {part->val.p, part->val.len});
  }
  return attributes;
}

// The content of a Name. For people only: what can't be read is left out.
Attributes readable_attributes_of(ByteView name) {
  Attributes attributes;
  try {
    for (DerReader sets(name); !sets.at_end();) {
      for (DerReader set(sets.take(kDerSet)); !set.at_end();) {
        DerReader part(set.take(kDerSequence));
        const ByteView oid = part.take(kDerObjectIdentifier);
        add_attribute(attributes, oid, part.take(part.next_tag()));
      }
    }
  } catch (const CryptoError&) {
  }
  return attributes;
}

std::string in_words(const Attributes& attributes) {
  std::string text;
  for (const auto& part : attributes) {
    const auto known = std::find_if(kAttributes.begin(), kAttributes.end(),
                                    [&](const AttributeName& attribute) { return attribute.name == part.first; });
    if (!text.empty()) text += ", ";
    text += (known == kAttributes.end() ? part.first : std::string(known->abbreviation)) + "=" + part.second;
  }
  return text;
}

std::vector<Extension> extensions_of(ByteView v3) {
  std::vector<Extension> extensions;
  std::set<std::string> seen;
  if (v3.empty()) return extensions;
    DerReader outer(v3);
  DerReader list(outer.take(kDerSequence));
  require(outer.at_end(), "malformed extensions");
  while (!list.at_end()) {
    DerReader fields(list.take(kDerSequence));
    Extension extension;
    extension.oid = dotted_oid(fields.take(kDerObjectIdentifier));
    require(seen.insert(extension.oid).second, "an extension stands twice");
    if (fields.next_tag() == MBEDTLS_ASN1_BOOLEAN) {
      const ByteView value = fields.take(MBEDTLS_ASN1_BOOLEAN);
      require(value.size() == 1 && value[0] == 0xff, "malformed DER: a BOOLEAN that is neither absent nor TRUE");
      extension.critical = true;
    }
    const ByteView value = fields.take(kDerOctetString);
    require(fields.at_end(), "malformed DER: an extension has too many fields");
    extension.value.assign(value.begin(), value.end());
    extensions.push_back(std::move(extension));
  }
  return extensions;
}

BasicConstraints basic_constraints_of(const Extension& extension) {
  BasicConstraints result{extension.critical, false, std::nullopt};
  DerReader outer(extension.value);
  DerReader fields(outer.take(kDerSequence));
  require(outer.at_end(), "malformed basicConstraints");
  if (fields.next_tag() == MBEDTLS_ASN1_BOOLEAN) {
    const ByteView value = fields.take(MBEDTLS_ASN1_BOOLEAN);
    // DER leaves a default out, but AWS's own leaves spell FALSE.
    require(value.size() == 1 && (value[0] == 0xff || value[0] == 0), "malformed basicConstraints");
    result.ca = value[0] == 0xff;
  }
  if (fields.next_tag() == MBEDTLS_ASN1_INTEGER) {
    const ByteView value = fields.take(kDerInteger);
    require(value.size() == 1 && value[0] < 0x80, "basicConstraints: a path length out of range");
    result.path_length = value[0];
  }
  require(fields.at_end(), "malformed basicConstraints");
  return result;
}

unsigned key_usage_of(const Extension& extension) {
  DerReader outer(extension.value);
  const ByteView bits = outer.take(kDerBitString);
  require(outer.at_end() && bits.size() >= 2 && bits.size() <= 3 && bits[0] < 8, "malformed keyUsage");
  return bits[1];
}

PublicKey public_key_of(const mbedtls_pk_context& context) {
  require(mbedtls_pk_can_do(&context, MBEDTLS_PK_ECKEY) == 1, "the key is not an elliptic-curve key");
  const mbedtls_ecp_keypair* pair = mbedtls_pk_ec(context);
  const mbedtls_ecp_group_id group = mbedtls_ecp_keypair_get_group_id(pair);
  const auto facts = std::find_if(kCurves.begin(), kCurves.end(),
                                  [&](const CurveFacts& candidate) { return candidate.group == group; });
  require(facts != kCurves.end(), "the key's curve is not P-256, P-384 or P-521");
  PublicKey key{facts->curve, Bytes(2 * facts->width + 1)};
  std::size_t size = 0;
  require(mbedtls_ecp_write_public_key(pair, MBEDTLS_ECP_PF_UNCOMPRESSED, &size, key.point.data(),
                                       key.point.size()) == 0 && size == key.point.size(), "a malformed public key");
  return key;
}

// As RFC 5280 4.1.2.5 writes it: YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ.
std::int64_t take_time(DerReader& fields) {
  const bool short_year = fields.next_tag() == MBEDTLS_ASN1_UTC_TIME;
  const ByteView digits = fields.take(short_year ? MBEDTLS_ASN1_UTC_TIME : MBEDTLS_ASN1_GENERALIZED_TIME);
  require(digits.size() == (short_year ? 13 : 15) && digits.back() == 'Z', "a malformed date");
  const auto pair = [&](std::size_t from_end) {
    const ByteView two = digits.subspan(digits.size() - from_end, 2);
    require(two[0] >= '0' && two[0] <= '9' && two[1] >= '0' && two[1] <= '9', "a malformed date");
    return 10 * (two[0] - '0') + (two[1] - '0');
  };
  const int year = pair(13);
  mbedtls_x509_time time{};
  time.year = (short_year ? (year < 50 ? 20 : 19) : pair(15)) * 100 + year;
  time.mon = pair(11);
  time.day = pair(9);
  time.hour = pair(7);
  time.min = pair(5);
  time.sec = pair(3);
  require(time.hour < 24 && time.min < 60 && time.sec < 60, "a time that does not exist");
  return unix_seconds(time);
}

constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kSignatureNames{{
    {"1.2.840.10045.4.3.2", "ecdsa-with-SHA256"},
    {"1.2.840.10045.4.3.3", "ecdsa-with-SHA384"},
    {"1.2.840.10045.4.3.4", "ecdsa-with-SHA512"},
    {"1.2.840.113549.1.1.11", "sha256WithRSAEncryption"},
    {"1.2.840.113549.1.1.12", "sha384WithRSAEncryption"},
    {"1.2.840.113549.1.1.13", "sha512WithRSAEncryption"},
}};

struct ParsedKey {
  ParsedKey() { mbedtls_pk_init(&value); }
  ~ParsedKey() { mbedtls_pk_free(&value); }
  ParsedKey(const ParsedKey&) = delete;
  ParsedKey& operator=(const ParsedKey&) = delete;
  mbedtls_pk_context value;
};

struct ParsedCertificate {
  ParsedCertificate() { mbedtls_x509_crt_init(&value); }
  ~ParsedCertificate() { mbedtls_x509_crt_free(&value); }
  ParsedCertificate(const ParsedCertificate&) = delete;
  ParsedCertificate& operator=(const ParsedCertificate&) = delete;
  mbedtls_x509_crt value;
};

}  // namespace

ByteView DerReader::take(int tag) {
  auto* position = const_cast<unsigned char*>(bytes_.data());  // mbedTLS moves the pointer, it never writes
  std::size_t length = 0;
  require(mbedtls_asn1_get_tag(&position, bytes_.data() + bytes_.size(), &length, tag) == 0, "malformed DER");
  const ByteView content(position, length);
  bytes_ = bytes_.subspan(static_cast<std::size_t>(position - bytes_.data()) + length);
  return content;
}

std::uint64_t DerReader::unsigned_integer(int tag) {
  const ByteView content = take(tag);
  require(!content.empty() && (content[0] & 0x80) == 0, "malformed DER: not an unsigned integer");
  require(content.size() == 1 || content[0] != 0 || (content[1] & 0x80) != 0, "malformed DER: a number with zeroes in front");
  require(content.size() <= 8 || (content.size() == 9 && content[0] == 0), "malformed DER: a number above 64 bits");
  std::uint64_t value = 0;
  for (const std::uint8_t byte : content) value = (value << 8) | byte;
  return value;
}

Digest256 sha256(ByteView bytes) {
  Digest256 digest{};
  require(mbedtls_sha256(bytes.data(), bytes.size(), digest.data(), 0) == 0, "hashing failed");
  return digest;
}

Digest384 sha384(ByteView bytes) {
  const Bytes digest = hash(MBEDTLS_MD_SHA384, bytes);
  Digest384 result{};
  std::copy(digest.begin(), digest.end(), result.begin());
  return result;
}

Digest384 extend(const Digest384& pcr, ByteView data) {
  Bytes input(pcr.begin(), pcr.end());
  input.insert(input.end(), data.begin(), data.end());
  return sha384(input);
}

std::string_view name_of(Curve curve) { return facts_of(curve).name; }
Algorithm algorithm_for(Curve curve) { return facts_of(curve).algorithm; }

std::string_view name_of(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::kEs256: return "ES256";
    case Algorithm::kEs384: return "ES384";
    case Algorithm::kEs512: return "ES512";
  }
  return "unknown";
}

bool verify(const PublicKey& key, Algorithm algorithm, ByteView message, ByteView signature) {
  const CurveFacts& facts = facts_of(key.curve);
  if (signature.size() != 2 * facts.width) return false;
  Number r;
  Number s;
  if (mbedtls_mpi_read_binary(r.get(), signature.data(), facts.width) != 0) return false;
  if (mbedtls_mpi_read_binary(s.get(), signature.data() + facts.width, facts.width) != 0) return false;
  const auto hashing = std::find_if(kCurves.begin(), kCurves.end(),
                                    [&](const CurveFacts& candidate) { return candidate.algorithm == algorithm; });
  return hashing != kCurves.end() && verify_digest(key, hash(hashing->hash, message), r, s);
}

const Extension* Certificate::extension(std::string_view oid) const {
  const auto found = std::find_if(extensions.begin(), extensions.end(),
                                  [&](const Extension& candidate) { return candidate.oid == oid; });
  return found == extensions.end() ? nullptr : &*found;
}

Certificate parse_certificate(ByteView der) {
  require(!der.empty() && der.size() <= kMaxCertificate, "an empty or oversized certificate");
  ParsedCertificate parsed;
  mbedtls_x509_crt& crt = parsed.value;
  // Extensions that mbedTLS does not know are taken here; whether an unknown one is critical, chain.cpp asks.
  const auto take_all = [](void*, const mbedtls_x509_crt*, const mbedtls_x509_buf*, int, const unsigned char*,
                           const unsigned char*) { return 0; };
  const int result = mbedtls_x509_crt_parse_der_with_ext_cb(&crt, der.data(), der.size(), 1, take_all, nullptr);
  if (result != 0) {
    throw CryptoError("not a well-formed X.509 certificate (mbedTLS error -0x" +
                      to_hex(std::array<std::uint8_t, 2>{static_cast<std::uint8_t>((-result) >> 8),
                                                         static_cast<std::uint8_t>(-result)}) + ")");
  }
  require(crt.raw.len == der.size(), "bytes follow after the certificate");

  Certificate certificate;
  certificate.der.assign(der.begin(), der.end());
  certificate.version = crt.version;
  certificate.serial = to_hex({crt.serial.p, crt.serial.len});
  certificate.subject_attributes = attributes_of(crt.subject);
  certificate.issuer_attributes = attributes_of(crt.issuer);
  certificate.subject = in_words(certificate.subject_attributes);
  certificate.issuer = in_words(certificate.issuer_attributes);
  certificate.subject_raw.assign(crt.subject_raw.p, crt.subject_raw.p + crt.subject_raw.len);
  certificate.issuer_raw.assign(crt.issuer_raw.p, crt.issuer_raw.p + crt.issuer_raw.len);
  certificate.not_before = unix_seconds(crt.valid_from);
  certificate.not_after = unix_seconds(crt.valid_to);
  certificate.key = public_key_of(crt.pk);
  const std::string algorithm = dotted_oid({crt.sig_oid.p, crt.sig_oid.len});
  if (algorithm == "1.2.840.10045.4.3.2") certificate.signature_algorithm = kCurves[0].signature_name;
  if (algorithm == "1.2.840.10045.4.3.3") certificate.signature_algorithm = kCurves[1].signature_name;
  if (algorithm == "1.2.840.10045.4.3.4") certificate.signature_algorithm = kCurves[2].signature_name;
  require(!certificate.signature_algorithm.empty(), "the signature algorithm is not ECDSA with SHA-2");
  // The signature is the last field of the certificate: a BIT STRING without unused bits.
  DerReader outer(certificate.der);
  DerReader fields(outer.take(kDerSequence));
  (void)fields.take(kDerSequence);
  (void)fields.take(kDerSequence);
  const ByteView bits = fields.take(kDerBitString);
  require(fields.at_end() && bits.size() > 1 && bits[0] == 0, "a malformed signature");
  certificate.signature.assign(bits.begin() + 1, bits.end());

  certificate.extensions = extensions_of({crt.v3_ext.p, crt.v3_ext.len});
  if (const Extension* extension = certificate.extension(kOidBasicConstraints)) {
    certificate.basic_constraints = basic_constraints_of(*extension);
  }
  if (const Extension* extension = certificate.extension(kOidKeyUsage)) {
    certificate.key_usage = key_usage_of(*extension);
  }
  return certificate;
}

Certificate parse_signer(ByteView der) {
  DerReader outer(der);
  DerReader parts(outer.take(kDerSequence));
  require(outer.at_end(), "bytes follow after the certificate");
  const ByteView to_be_signed = parts.take(kDerSequence);
  DerReader algorithm(parts.take(kDerSequence));
  const ByteView signature = parts.take(kDerBitString);
  require(parts.at_end(), "bytes follow after the certificate's signature");

  Certificate certificate;
  certificate.der.assign(der.begin(), der.end());
  const ByteView bits = signature.empty() ? signature : signature.subspan(1);  // without the count of unused ones
  certificate.signature.assign(bits.begin(), bits.end());
  try {  // for people only
    certificate.signature_algorithm = dotted_oid(algorithm.take(kDerObjectIdentifier));
  } catch (const CryptoError&) {
  }
  for (const auto& [oid, name] : kSignatureNames) {
    if (certificate.signature_algorithm == oid) certificate.signature_algorithm = name;
  }
  DerReader fields(to_be_signed);
  constexpr int kVersion = MBEDTLS_ASN1_CONTEXT_SPECIFIC | MBEDTLS_ASN1_CONSTRUCTED;
  if (fields.next_tag() == kVersion) (void)fields.take(kVersion);
  certificate.serial = to_hex(fields.take(kDerInteger));
  (void)fields.take(kDerSequence);
  certificate.issuer_attributes = readable_attributes_of(fields.take(kDerSequence));
  certificate.issuer = in_words(certificate.issuer_attributes);
  DerReader validity(fields.take(kDerSequence));
  certificate.not_before = take_time(validity);
  certificate.not_after = take_time(validity);
  require(validity.at_end(), "malformed dates");
  const ByteView subject = fields.take(kDerSequence);
  certificate.subject_attributes = readable_attributes_of(subject);
  certificate.subject = in_words(certificate.subject_attributes);
  ParsedKey key;
  auto* position = const_cast<unsigned char*>(subject.data() + subject.size());  // mbedTLS moves the pointer, it never writes
  require(mbedtls_pk_parse_subpubkey(&position, to_be_signed.data() + to_be_signed.size(), &key.value) == 0,
          "the key is not an elliptic-curve key that can be read");
  certificate.key = public_key_of(key.value);
  return certificate;
}

bool is_signed_by(const Certificate& certificate, const PublicKey& issuer) {
  const CurveFacts& facts = facts_of(issuer.curve);
  if (certificate.signature_algorithm != facts.signature_name) return false;
  DerReader outer(certificate.der);
  DerReader fields(outer.take(kDerSequence));
  // What is signed is the first field with its own tag and length.
  const ByteView content = fields.take(kDerSequence);
  const std::size_t start = 1 + 1 + (certificate.der[1] < 0x80 ? 0U : certificate.der[1] & 0x7fU);
  const ByteView to_be_signed(certificate.der.data() + start,
                              static_cast<std::size_t>(content.data() + content.size() - certificate.der.data()) - start);
  Number r;
  Number s;
  try {
    DerReader signature(certificate.signature);
    DerReader numbers(signature.take(kDerSequence));
    if (!signature.at_end()) return false;
    for (Number* number : {&r, &s}) {
      const ByteView value = numbers.take(kDerInteger);
      if (value.empty() || value.size() > facts.width + 1 || (value[0] & 0x80) != 0) return false;
      if (mbedtls_mpi_read_binary(number->get(), value.data(), value.size()) != 0) return false;
    }
    if (!numbers.at_end()) return false;
  } catch (const CryptoError&) {
    return false;
  }
  return verify_digest(issuer, hash(facts.hash, to_be_signed), r, s);
}

struct PrivateKey::State {
  State() { mbedtls_pk_init(&key); }
  ~State() { mbedtls_pk_free(&key); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  mbedtls_pk_context key;
};

namespace {

// For blinding against timing; deterministic ECDSA needs no randomness for its result.
int blinding(void*, unsigned char* output, std::size_t size) {
  while (size > 0) {
    const ssize_t count = ::getrandom(output, size, 0);
    if (count <= 0) return MBEDTLS_ERR_ECP_RANDOM_FAILED;
    output += count;
    size -= static_cast<std::size_t>(count);
  }
  return 0;
}

}  // namespace

PrivateKey::PrivateKey(ByteView file) : state_(std::make_unique<State>()) {
  Bytes terminated(file.begin(), file.end());
  terminated.push_back(0);  // mbedTLS wants PEM with its NUL
  const bool pem = as_text(file).find("-----BEGIN") != std::string_view::npos;
  require(as_text(file).find("ENCRYPTED") == std::string_view::npos,
          "the key is encrypted; decrypt it first: openssl pkey -in KEY -out PLAIN");
  const int result = mbedtls_pk_parse_key(&state_->key, terminated.data(), terminated.size() - (pem ? 0 : 1), nullptr, 0,
                                          blinding, nullptr);
  mbedtls_platform_zeroize(terminated.data(), terminated.size());
  require(result == 0, "not a private key: expected PEM or DER, SEC1 or PKCS#8");
  public_key_ = public_key_of(state_->key);
}

PrivateKey::~PrivateKey() = default;

Bytes PrivateKey::sign(ByteView message) const {
  const CurveFacts& facts = facts_of(public_key_.curve);
  const Bytes digest = hash(facts.hash, message);
  mbedtls_ecp_keypair* pair = mbedtls_pk_ec(state_->key);
  Number r;
  Number s;
  Number secret;
  mbedtls_ecp_group group;
  mbedtls_ecp_group_init(&group);
  const bool good = mbedtls_ecp_export(pair, &group, secret.get(), nullptr) == 0 &&
                    mbedtls_ecdsa_sign_det_ext(&group, r.get(), s.get(), secret.get(), digest.data(), digest.size(),
                                               facts.hash, blinding, nullptr) == 0;
  mbedtls_ecp_group_free(&group);
  require(good, "signing failed");
  Bytes signature(2 * facts.width);
  require(mbedtls_mpi_write_binary(r.get(), signature.data(), facts.width) == 0 &&
              mbedtls_mpi_write_binary(s.get(), signature.data() + facts.width, facts.width) == 0, "signing failed");
  return signature;
}

}  // namespace cofferdam
