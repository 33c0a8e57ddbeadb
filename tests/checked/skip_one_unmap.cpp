// What the checked image must notice: the parent's first loss of memory does not happen. For one test only.
#include "hal/stage2.hpp"

namespace checked {

base::Status real_unmap(base::PartitionId partition, base::Ipa ipa, base::FrameRange frames)
    asm("__real__ZN3hal6stage25unmapEN4base11PartitionIdENS1_3IpaENS1_10FrameRangeE");
base::Status sabotaged_unmap(base::PartitionId partition, base::Ipa ipa, base::FrameRange frames)
    asm("__wrap__ZN3hal6stage25unmapEN4base11PartitionIdENS1_3IpaENS1_10FrameRangeE");

constinit bool skipped = false;  // under the state lock

base::Status sabotaged_unmap(base::PartitionId partition, base::Ipa ipa, base::FrameRange frames) {
  if (partition != base::kParent || skipped) return real_unmap(partition, ipa, frames);
  skipped = true;
  return {};
}

}  // namespace checked
