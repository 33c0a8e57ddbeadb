// A new token, for development set-ups and tests: real tokens are initialised with their maker's tools.
#pragma once

#include <string>

#include "tools/pkcs11/token.hpp"

namespace pkcs11 {

// Initialises a slot of the module that has no initialised token: label (up to 32 bytes) and user PIN of `options`. What other
// tokens hold stays. Throws TokenError.
void make_token(const TokenOptions& options, const std::string& security_officer_pin);

}  // namespace pkcs11
