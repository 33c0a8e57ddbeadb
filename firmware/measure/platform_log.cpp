#include "firmware/measure/platform_log.hpp"

#include "firmware/crypto/sha384.hpp"

namespace measure {
namespace {

Digest extended(const Digest& value, const Digest& digest) {
  crypto::Sha384 hash;
  hash.update(value);
  hash.update(digest);
  return hash.finish();
}

}  // namespace

base::Result<PlatformBank> replay(std::span<const Event> events) {
  PlatformBank bank{};
  for (const Event& event : events) {
    if (event.pcr >= kPlatformPcrCount) return base::Error::kOutOfRange;
    bank[event.pcr] = extended(bank[event.pcr], event.digest);
  }
  return bank;
}

Digest digest_of(const PlatformBank& bank) {
  crypto::Sha384 hash;
  for (const Digest& value : bank) hash.update(value);
  return hash.finish();
}

base::Status PlatformLog::append(const Event& event) {
  if (event.pcr >= kPlatformPcrCount) return base::Error::kOutOfRange;
  MON_TRY(events_.push(event));
  bank_[event.pcr] = extended(bank_[event.pcr], event.digest);
  return {};
}

base::Status PlatformLog::record(PlatformPcr pcr, std::string_view name, const Digest& digest) {
  Event event{static_cast<std::uint32_t>(pcr), {}, digest};
  for (std::size_t i = 0; i < name.size() && i < event.name.size(); ++i) event.name[i] = name[i];
  return append(event);
}

base::Status PlatformLog::adopt(const Handover& handover) {
  if (!events_.empty()) return base::Error::kWrongState;
  for (std::uint32_t i = 0; i < handover.event_count && i < kMaxHandoverEvents; ++i) {
    MON_TRY(append(handover.events[i]));
  }
  return {};
}

}  // namespace measure
