// Bytes on the host, the text forms they come in, and the two ways in which a command ends badly.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace cofferdam {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;

// Exit code 2: an input that can't be read, or a wrong use of the program. The message names the mend.
class Unreadable : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

[[nodiscard]] std::string to_hex(ByteView bytes);
// Upper or lower case, an even number of digits, nothing else.
[[nodiscard]] std::optional<Bytes> from_hex(std::string_view text);
// RFC 4648, both alphabets, padding optional; white space is skipped.
[[nodiscard]] std::optional<Bytes> from_base64(std::string_view text);
[[nodiscard]] std::string to_base64(ByteView bytes);

[[nodiscard]] bool all_zero(ByteView bytes);
[[nodiscard]] bool equal(ByteView a, ByteView b);
[[nodiscard]] bool is_valid_utf8(ByteView bytes);
[[nodiscard]] inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
[[nodiscard]] inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// The whole of a file, or of standard input for "-". Throws Unreadable: missing, a folder, or longer than `limit`.
[[nodiscard]] Bytes read_file(const std::string& path, std::size_t limit);
class NotPrivate : public Unreadable {
 public:
  using Unreadable::Unreadable;
};
// A file with a secret. Throws NotPrivate when others than its owner have any right to it; but root's file may be read by the group that it
// has, if we are not root: so do system managers hand secrets to services.
[[nodiscard]] Bytes read_private_file(const std::string& path, std::size_t limit);
// Writes beside the target and renames, so that a failure leaves the old file. Throws Unreadable.
void write_file(const std::string& path, ByteView bytes);
// The same, for its owner alone from the first byte on.
void write_private_file(const std::string& path, ByteView bytes);

}  // namespace cofferdam
