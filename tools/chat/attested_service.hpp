// A model's service whose enclave has proven, over the very connection that is used, what it is.
//
// The enclave makes its TLS key and a certificate that nobody signs; a document of its machine states the SHA-256 of the key's
// SubjectPublicKeyInfo as user_data, and the caller's nonce. verify() checks the document and that binding. Until it has returned,
// nothing but the nonce is sent; from the first connection on, only that key is spoken to.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "tools/chat/answer.hpp"
#include "tools/cofferdam/verify.hpp"

namespace chat {

struct ServiceAddress {
  std::string host;  // a name, an IPv4 address, or an IPv6 address without brackets
  int port{};
};
// "HOST:PORT" or "[IPV6]:PORT". Throws cofferdam::Unreadable.
[[nodiscard]] ServiceAddress parse_address(const std::string& text);

// Throws Refused (tls-key) unless the document's user_data is the digest of the connection's key.
void check_binding(const cofferdam::Document& document, const cofferdam::Digest256& key);

struct Verified {
  cofferdam::Report report;      // accepted
  cofferdam::Digest256 tls_key;  // SHA-256 of the SubjectPublicKeyInfo
};

class AttestedService {
 public:
  // `demands`: anchors, policies and evidence; its time and nonce are chosen at verify().
  AttestedService(const ServiceAddress& address, std::chrono::seconds timeout, cofferdam::VerifyOptions demands);
  ~AttestedService();
  AttestedService(const AttestedService&) = delete;
  AttestedService& operator=(const AttestedService&) = delete;

  // Throws Refused with what is wrong: the connection, the document, the binding.
  [[nodiscard]] Verified verify();
  // Sends a chat completions request (JSON, "stream": true) and feeds `answer` until it is complete. `api_key` is printable ASCII. Throws
  // Refused; std::logic_error before verify() has returned.
  void ask(const std::string& request, std::string_view api_key, Answer& answer);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace chat
