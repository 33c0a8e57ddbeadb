#include "tools/kms/condition_keys.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace kms {
namespace {

struct Known {
  std::string_view name;
  KeyType type;
};
constexpr std::array kKnown{
    Known{"aws:CurrentTime", KeyType::kDate},
    Known{"aws:EpochTime", KeyType::kDate},
    Known{"aws:PrincipalAccount", KeyType::kString},
    Known{"aws:PrincipalArn", KeyType::kArn},
    Known{"aws:SecureTransport", KeyType::kBool},
    Known{"kms:BypassPolicyLockoutSafetyCheck", KeyType::kBool},
    Known{"kms:CallerAccount", KeyType::kString},
    Known{"kms:CustomerMasterKeySpec", KeyType::kString},
    Known{"kms:CustomerMasterKeyUsage", KeyType::kString},
    Known{"kms:DataKeyPairSpec", KeyType::kString},
    Known{"kms:EncryptionAlgorithm", KeyType::kString},
    Known{"kms:EncryptionContextKeys", KeyType::kMany},
    Known{"kms:KeyOrigin", KeyType::kString},
    Known{"kms:KeySpec", KeyType::kString},
    Known{"kms:KeyUsage", KeyType::kString},
    Known{"kms:ReEncryptOnSameKey", KeyType::kBool},
    Known{"kms:RequestAlias", KeyType::kString},
    Known{"kms:ScheduleKeyDeletionPendingWindowInDays", KeyType::kNumber},
    Known{"kms:SigningAlgorithm", KeyType::kString},
    Known{"kms:ViaService", KeyType::kString},
    Known{"kms:RecipientAttestation:ImageSha384", KeyType::kString},
    Known{"cofferdam:RecipientAttestation:AgeSeconds", KeyType::kNumber},
    Known{"cofferdam:RecipientAttestation:BoardSha384", KeyType::kString},
    Known{"cofferdam:RecipientAttestation:BranchTargets", KeyType::kBool},
    Known{"cofferdam:RecipientAttestation:Cores", KeyType::kNumber},
    Known{"cofferdam:RecipientAttestation:Debug", KeyType::kBool},
    Known{"cofferdam:RecipientAttestation:Development", KeyType::kBool},
    Known{"cofferdam:RecipientAttestation:LaunchDigest", KeyType::kString},
    Known{"cofferdam:RecipientAttestation:Memory", KeyType::kNumber},
    Known{"cofferdam:RecipientAttestation:MemoryExclusive", KeyType::kBool},
    Known{"cofferdam:RecipientAttestation:ModuleId", KeyType::kString},
    Known{"cofferdam:RecipientAttestation:MonitorSha384", KeyType::kString},
    Known{"cofferdam:RecipientAttestation:PlatformDigest", KeyType::kString},
    Known{"cofferdam:RecipientAttestation:PointerAuthentication", KeyType::kBool},
    Known{"cofferdam:RecipientAttestation:PublicKeySha256", KeyType::kString},
    Known{"cofferdam:RecipientAttestation:RootSha256", KeyType::kString},
    Known{"cofferdam:RecipientAttestation:SecretBehindRom", KeyType::kBool},
    Known{"cofferdam:RecipientAttestation:SecurityVersion", KeyType::kNumber},
    Known{"cofferdam:RecipientAttestation:SharedMemory", KeyType::kNumber},
    Known{"cofferdam:RecipientAttestation:SmmuActive", KeyType::kBool},
    Known{"cofferdam:RecipientAttestation:UserData", KeyType::kString},
};
constexpr std::string_view kContext = "kms:encryptioncontext:";
struct Numbered {
  std::string_view prefix;
  unsigned count;
};
constexpr std::array kNumbered{Numbered{"kms:recipientattestation:pcr", 32},
                               Numbered{"cofferdam:recipientattestation:platformpcr", 8}};

bool is_number_below(std::string_view text, unsigned bound) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() && value < bound && text == std::to_string(value);
}

}  // namespace

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

std::optional<ConditionKey> find_condition_key(std::string_view name) {
  std::string lower = lower_case(name);
  if (lower.starts_with(kContext)) {
    if (lower.size() == kContext.size()) return std::nullopt;
    return ConditionKey{std::move(lower), KeyType::kString};
  }
  for (const Numbered& numbered : kNumbered) {
    if (lower.starts_with(numbered.prefix) && is_number_below(lower.substr(numbered.prefix.size()), numbered.count)) {
      return ConditionKey{std::move(lower), KeyType::kString};
    }
  }
  const auto found = std::find_if(kKnown.begin(), kKnown.end(), [&](const Known& known) { return lower_case(known.name) == lower; });
  if (found == kKnown.end()) return std::nullopt;
  return ConditionKey{std::move(lower), found->type};
}

}  // namespace kms
