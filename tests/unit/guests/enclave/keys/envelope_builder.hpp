// CMS envelopes in every form that a key service may send, and in forms that none may.
#pragma once

#include <initializer_list>

#include "tools/cryptography/cryptography.hpp"

namespace test_data {

using cofferdam::Bytes;
using cofferdam::ByteView;

inline Bytes joined(std::initializer_list<Bytes> parts) {
  Bytes all;
  for (const Bytes& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}
inline Bytes element(std::uint8_t tag, const Bytes& content) {
  Bytes out{tag};
  if (content.size() >= 0x100) {
    out.insert(out.end(),
               {0x82, static_cast<std::uint8_t>(content.size() >> 8), static_cast<std::uint8_t>(content.size())});
  } else if (content.size() >= 0x80) {
    out.insert(out.end(), {0x81, static_cast<std::uint8_t>(content.size())});
  } else {
    out.push_back(static_cast<std::uint8_t>(content.size()));
  }
  return joined({out, content});
}
inline Bytes open_ended(std::uint8_t tag, const Bytes& content) { return joined({{tag, 0x80}, content, {0, 0}}); }

struct EnvelopeForm {
  bool indefinite{true};
  std::size_t chunk{1000};  // 0: one primitive piece
  Bytes hash_parameters{0x05, 0x00};
  Bytes oaep_extra;  // behind the OAEP parameters
  Bytes version{2};
  std::size_t recipients{1};
  Bytes attributes;  // behind the content
};

inline Bytes envelope(ByteView plaintext, const cryptography::PublicKey& key, const EnvelopeForm& form = {}) {
  const auto wrap = [&](std::uint8_t tag, const Bytes& content) {
    return form.indefinite ? open_ended(tag, content) : element(tag, content);
  };
  const Bytes content_key(32, 0x33), iv(16, 0x44);
  const Bytes sha256 = element(
      0x30, joined({element(0x06, {0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01}), form.hash_parameters}));
  const Bytes mgf1 = element(0x06, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08});
  const Bytes oaep = element(
      0x30, joined({element(0x06, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x07}),
                    element(0x30, joined({element(0xa0, sha256), element(0xa1, element(0x30, joined({mgf1, sha256}))),
                                          form.oaep_extra}))}));
  const cryptography::Digest256 identifier = cryptography::sha256(key.spki());
  const Bytes recipient =
      element(0x30, joined({element(0x02, {2}), element(0x80, Bytes(identifier.begin(), identifier.end())), oaep,
                            element(0x04, key.encrypt_oaep(cryptography::Hash::kSha256, content_key).value())}));
  Bytes recipients;
  for (std::size_t i = 0; i < form.recipients; ++i) recipients = joined({recipients, recipient});

  const Bytes ciphertext = cryptography::encrypt_cbc(content_key, iv, plaintext);
  Bytes content;
  if (form.chunk == 0) {
    content = element(0x80, ciphertext);
  } else {
    for (std::size_t at = 0; at < ciphertext.size(); at += form.chunk) {
      const ByteView piece = ByteView(ciphertext).subspan(at, std::min(form.chunk, ciphertext.size() - at));
      content = joined({content, element(0x04, Bytes(piece.begin(), piece.end()))});
    }
    content = wrap(0xa0, content);
  }
  const Bytes algorithm =
      element(0x30, joined({element(0x06, {0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2a}), element(0x04, iv)}));
  const Bytes encrypted =
      wrap(0x30, joined({element(0x06, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01}), algorithm, content}));
  const Bytes data =
      wrap(0x30, joined({element(0x02, form.version), element(0x31, recipients), encrypted, form.attributes}));
  return wrap(0x30, joined({element(0x06, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x03}), wrap(0xa0, data)}));
}

}  // namespace test_data
