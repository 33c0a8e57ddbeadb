// Stage-2 address spaces: one per partition, used by its cores and by its devices.
//
// map/unmap change descriptors only (with break-before-make inside, Arm ARM D8.16.1); nothing is gone for
// certain until invalidate_* has returned. 4 KiB granule, 2 MiB blocks where they fit.
// Callers hold the state lock.
#pragma once

#include "firmware/base/effect.hpp"
#include "firmware/base/ids.hpp"
#include "firmware/base/result.hpp"

namespace hal::stage2 {

// Errors: kNoTables.
[[nodiscard]] base::Status create(base::PartitionId partition);
// Every descriptor invalid, TLBs and SMMU invalidated, table frames freed. Precondition: no core runs it.
void destroy(base::PartitionId partition);
// Errors: kNoTables (nothing mapped then). Precondition: the IPA range is unmapped.
[[nodiscard]] base::Status map(base::PartitionId partition, base::Ipa ipa, base::FrameRange frames,
                               base::Access access);
// Errors: kNoTables when a block must be split and no table frame is free (nothing unmapped then).
// Precondition: the whole range is mapped to exactly `frames`.
[[nodiscard]] base::Status unmap(base::PartitionId partition, base::Ipa ipa, base::FrameRange frames);
// Every core's TLB, all stages combined; returns when no core can use an old translation.
[[nodiscard]] base::Status invalidate(base::PartitionId partition, base::Ipa ipa, base::FrameCount count);
// What the tables say now. Errors: kNotOwned when the IPA is not mapped.
[[nodiscard]] base::Result<base::PhysAddr> translate(base::PartitionId partition, base::Ipa ipa);

}  // namespace hal::stage2
