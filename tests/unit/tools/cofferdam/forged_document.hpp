// Attestation documents of a chain whose every key the test has, so that each of them can be wrong in one chosen way.
//
// Certificates are written by the firmware's own writer, documents by hand, so that the map can also be malformed.
#pragma once

#include <algorithm>
#include <array>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "firmware/attestation/platform_state.hpp"
#include "firmware/crypto/certificate.hpp"
#include "firmware/crypto/der_writer.hpp"
#include "firmware/measure/tcb_info.hpp"
#include "tools/cofferdam/cbor.hpp"
#include "tools/cofferdam/cose.hpp"
#include "tools/cofferdam/verify.hpp"

namespace forged {

using cofferdam::Bytes;
using cofferdam::ByteView;
using cofferdam::CborWriter;

inline constexpr std::int64_t kNow = 1'767'470'000;

inline crypto::P384KeyPair key_of(const std::string& who) {
  const ByteView bytes = cofferdam::as_bytes(who);
  return crypto::P384KeyPair::from_seed(crypto::sha384(bytes)).value();
}

// One certificate of the chain, with what is usual in it.
struct Link {
  std::string name;
  std::string unit;
  crypto::CertificateKind kind{crypto::CertificateKind::kAuthority};
  std::uint8_t path_length{};
  std::int64_t not_before{kNow - 1000};
  std::int64_t not_after{kNow + 1000};
  std::string issuer_name;  // empty: the one before
  std::string signer;       // whose key signs; empty: the one before
  std::vector<crypto::Extension> extensions;
  std::function<void(Bytes&)> edit;  // of the to-be-signed part's content, before it is signed again
};

inline std::vector<Link> honest_links() {
  std::vector<Link> links(5);
  links[0] = {.name = "root", .kind = crypto::CertificateKind::kRoot};
  links[1] = {.name = "manufacturer", .path_length = 2};
  links[2] = {.name = "device", .path_length = 1};
  links[3] = {.name = "monitor", .kind = crypto::CertificateKind::kLastAuthority, .path_length = 0};
  links[4] = {.name = "leaf", .kind = crypto::CertificateKind::kLeaf};
  return links;
}

inline Bytes certificate_of(const std::vector<Link>& links, std::size_t index) {
  const Link& link = links[index];
  const std::string before = links[index == 0 ? 0 : index - 1].name;
  const std::string issuer = link.issuer_name.empty() ? before : link.issuer_name;
  const crypto::P384KeyPair signer = key_of(link.signer.empty() ? before : link.signer);
  constexpr std::array<std::uint8_t, 1> kSerial{7};
  crypto::CertificateRequest request;
  request.issuer = {issuer, "Cofferdam", links[index == 0 ? 0 : index - 1].unit};
  request.subject = {link.name, "Cofferdam", link.unit};
  request.serial = kSerial;
  request.validity = {static_cast<std::uint64_t>(link.not_before), static_cast<std::uint64_t>(link.not_after)};
  request.kind = link.kind;
  request.path_length = link.path_length;
  request.subject_key = key_of(link.name).public_key();
  request.extensions = link.extensions;
  Bytes buffer(2048);
  const base::Bytes der = crypto::write_certificate(request, signer, buffer).value();
  Bytes certificate(der.begin(), der.end());
  if (!link.edit) return certificate;

  // The three fields of a certificate, the first of them edited and signed again.
  namespace tag = crypto::der;
  cofferdam::DerReader outer(certificate);
  cofferdam::DerReader fields(outer.take(cofferdam::kDerSequence));
  const ByteView content = fields.take(cofferdam::kDerSequence);
  const ByteView algorithm = fields.take(cofferdam::kDerSequence);
  Bytes edited(content.begin(), content.end());
  link.edit(edited);
  Bytes room(2048);
  crypto::DerWriter first(room);
  first.value(tag::kSequence, edited);
  const Bytes to_be_signed(first.result().value().begin(), first.result().value().end());
  const crypto::P384Signature raw = signer.sign(crypto::sha384(to_be_signed)).value();
  Bytes signature_room(128);
  crypto::DerWriter numbers(signature_room);
  numbers.integer(base::Bytes{raw}.subspan(48));
  numbers.integer(base::Bytes{raw}.first(48));
  numbers.wrap(tag::kSequence, signature_room.size());
  Bytes whole(2048);
  crypto::DerWriter writer(whole);
  writer.bit_string(numbers.result().value());
  writer.value(tag::kSequence, algorithm);
  writer.raw(to_be_signed);
  writer.wrap(tag::kSequence, whole.size());
  return {writer.result().value().begin(), writer.result().value().end()};
}

// An edit of a to-be-signed part that changes its extensions, each given as the content of its SEQUENCE.
inline std::function<void(Bytes&)> edit_extensions(const std::function<void(std::vector<Bytes>&)>& change) {
  return [change](Bytes& content) {
    constexpr int kExtensions = 0xa3;
    cofferdam::DerReader fields(content);
    ByteView last;
    while (fields.next_tag() != kExtensions) last = fields.take(fields.next_tag());
    const auto front = static_cast<std::size_t>(last.data() + last.size() - content.data());
    cofferdam::DerReader wrapped(fields.take(kExtensions));
    cofferdam::DerReader list(wrapped.take(cofferdam::kDerSequence));
    std::vector<Bytes> extensions;
    while (!list.at_end()) {
      const ByteView extension = list.take(cofferdam::kDerSequence);
      extensions.emplace_back(extension.begin(), extension.end());
    }
    change(extensions);
    Bytes room(2048);
    crypto::DerWriter writer(room);
    for (std::size_t i = extensions.size(); i-- > 0;) writer.value(crypto::der::kSequence, extensions[i]);
    writer.wrap(crypto::der::kSequence, room.size());
    writer.wrap(kExtensions, room.size());
    const base::Bytes rest = writer.result().value();
    content.resize(front);
    content.insert(content.end(), rest.begin(), rest.end());
  };
}

// What the document says; `write` of a part may be replaced.
struct Forgery {
  std::vector<Link> links{honest_links()};
  std::map<unsigned, Bytes> pcrs{default_pcrs()};
  std::optional<Bytes> nonce{Bytes{1, 2, 3, 4}};
  std::optional<Bytes> user_data;
  std::optional<Bytes> public_key;
  std::uint64_t timestamp{static_cast<std::uint64_t>(kNow) * 1000};
  Bytes protected_header{0xa1, 0x01, 0x38, 0x22};
  Bytes unprotected_header{0xa0};
  std::string signer{"leaf"};
  std::function<void(Bytes&)> edit_payload;    // before it is signed
  std::function<void(Bytes&)> edit_signature;  // after
  std::vector<Bytes> cabundle;                 // filled from links when empty
  Bytes prefix, suffix;                        // around the whole

  static std::map<unsigned, Bytes> default_pcrs() {
    std::map<unsigned, Bytes> pcrs;
    for (unsigned i = 0; i < 16; ++i) pcrs[i] = Bytes(48, 0);
    for (const unsigned i : {0U, 1U, 2U, 4U}) pcrs[i] = Bytes(48, static_cast<std::uint8_t>(0x10 + i));
    return pcrs;
  }

  [[nodiscard]] Bytes payload() const {
    std::vector<Bytes> bundle = cabundle;
    if (bundle.empty()) {
      for (std::size_t i = 0; i + 1 < links.size(); ++i) bundle.push_back(certificate_of(links, i));
    }
    CborWriter writer;
    const auto optional = [&](const char* key, const std::optional<Bytes>& value) {
      if (!value) return;
      writer.text(key);
      writer.bytes(*value);
    };
    writer.map(6 + (nonce ? 1U : 0U) + (user_data ? 1U : 0U) + (public_key ? 1U : 0U));
    writer.text("module_id");
    writer.text("i-0bee92034f3d60691-enc01943c5eaab3ad6a");
    writer.text("digest");
    writer.text("SHA384");
    writer.text("timestamp");
    writer.unsigned_integer(timestamp);
    writer.text("pcrs");
    writer.map(pcrs.size());
    for (const auto& [index, value] : pcrs) {
      writer.unsigned_integer(index);
      writer.bytes(value);
    }
    writer.text("certificate");
    writer.bytes(certificate_of(links, links.size() - 1));
    writer.text("cabundle");
    writer.array(bundle.size());
    for (const Bytes& certificate : bundle) writer.bytes(certificate);
    optional("public_key", public_key);
    optional("user_data", user_data);
    optional("nonce", nonce);
    return writer.result();
  }

  [[nodiscard]] Bytes document() const {
    Bytes content = payload();
    if (edit_payload) edit_payload(content);
    return document_of(content);
  }
  // Any bytes under a good signature.
  [[nodiscard]] Bytes document_of(const Bytes& content) const {
    const crypto::P384KeyPair key = key_of(signer);
    const crypto::P384Signature made =
        key.sign(crypto::sha384(cofferdam::to_be_signed(protected_header, content))).value();
    Bytes signature(made.begin(), made.end());
    if (edit_signature) edit_signature(signature);
    CborWriter head;
    head.array(4);
    head.bytes(protected_header);
    CborWriter rest;
    rest.bytes(content);
    rest.bytes(signature);
    Bytes document = prefix;
    for (const Bytes& part : {head.result(), unprotected_header, rest.result(), suffix}) {
      document.insert(document.end(), part.begin(), part.end());
    }
    return document;
  }

  [[nodiscard]] cofferdam::VerifyOptions options() const {
    cofferdam::VerifyOptions result;
    result.anchors.roots = {certificate_of(honest_links(), 0)};
    result.time = kNow;
    return result;
  }
};

// The position of a byte sequence that must be there.
inline std::size_t find_in(ByteView bytes, ByteView part) {
  const auto found = std::search(bytes.begin(), bytes.end(), part.begin(), part.end());
  if (found == bytes.end()) throw std::logic_error("the bytes to change are not there");
  return static_cast<std::size_t>(found - bytes.begin());
}

}  // namespace forged
