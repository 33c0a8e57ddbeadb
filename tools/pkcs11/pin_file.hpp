// A file with the user's PIN of a token, and nothing else.
#pragma once

#include <string>

namespace pkcs11 {

// Without the line's end. Throws cofferdam::Unreadable, also when others than the file's owner may read it.
[[nodiscard]] std::string pin_in_file(const std::string& path);

}  // namespace pkcs11
