// Why a conversation does not begin, or ends: one word for scripts, one sentence for people.
#pragma once

#include <stdexcept>
#include <string>

namespace chat {

class Refused : public std::runtime_error {
 public:
  // `code` is a verifier's (tools/cofferdam/refusal.hpp) or one of: connection, service, not-a-document, tls-key, stream.
  Refused(std::string code, const std::string& message) : std::runtime_error(message), code_(std::move(code)) {}
  [[nodiscard]] const std::string& code() const { return code_; }

 private:
  std::string code_;
};

}  // namespace chat
