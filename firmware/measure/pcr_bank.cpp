#include "firmware/measure/pcr_bank.hpp"

namespace measure {

base::Result<Digest> PcrBank::extend(std::uint32_t index, base::Bytes data) {
  if (!exists(index)) return base::Error::kOutOfRange;
  if (locked(index)) return base::Error::kDenied;
  crypto::Sha384 hash;
  hash.update(registers_[index]);
  hash.update(data);
  registers_[index] = hash.finish();
  return registers_[index];
}

base::Status PcrBank::lock(std::uint32_t index) {
  if (!exists(index)) return base::Error::kOutOfRange;
  if (locked(index)) return base::Error::kDenied;
  locked_ |= std::uint32_t{1} << index;
  return {};
}

base::Status PcrBank::lock_range(std::uint32_t count) {
  if (count > kCount) return base::Error::kOutOfRange;
  locked_ |= static_cast<std::uint32_t>((std::uint64_t{1} << count) - 1);
  return {};
}

}  // namespace measure
