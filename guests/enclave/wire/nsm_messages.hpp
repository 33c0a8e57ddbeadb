// The Nitro Secure Module's requests and answers as bytes (aws-nitro-enclaves-nsm-api, src/api/mod.rs, in CBOR). Pure. Requests
// are encoded as AWS's library encodes them; answers are read strictly, in the one form that AWS's module gives them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nsm_wire {

using Text = std::string;  // of bytes

inline constexpr std::size_t kPcrBytes = 48;
inline constexpr std::size_t kRandomBytes = 256;

[[nodiscard]] Text random_request();
[[nodiscard]] Text description_request();
[[nodiscard]] Text describe_pcr_request(std::uint16_t index);
[[nodiscard]] Text extend_pcr_request(std::uint16_t index, std::string_view data);
[[nodiscard]] Text lock_pcr_request(std::uint16_t index);
[[nodiscard]] Text lock_pcrs_request(std::uint16_t range);
[[nodiscard]] Text attestation_request(std::optional<std::string_view> user_data, std::optional<std::string_view> nonce,
                                       std::optional<std::string_view> public_key);

// {"Error": NAME}, for comparing.
[[nodiscard]] Text error_answer(std::string_view name);
// "LockPCR" and "LockPCRs" alone, for comparing.
[[nodiscard]] Text plain_answer(std::string_view name);

// Nothing: the answer is anything else, one byte more included.
[[nodiscard]] std::optional<Text> read_random(std::string_view answer);  // 256 bytes
struct Pcr {
  bool locked{};
  Text value;  // 48 bytes
};
[[nodiscard]] std::optional<Pcr> read_pcr(std::string_view answer);
[[nodiscard]] std::optional<Text> read_extended(std::string_view answer);  // 48 bytes
[[nodiscard]] std::optional<Text> read_document(std::string_view answer);
struct Description {
  std::array<std::uint16_t, 3> version{};
  Text module_id, digest;
  std::uint16_t max_pcrs{};
  std::vector<std::uint16_t> locked_pcrs;
};
[[nodiscard]] std::optional<Description> read_description(std::string_view answer);

// Standard alphabet, padded.
[[nodiscard]] Text base64(std::string_view bytes);

}  // namespace nsm_wire
