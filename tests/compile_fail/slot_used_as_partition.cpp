// An enclave's slot and its partition are two numbers.
// expect: (could not convert|no known conversion|cannot convert)
#include "firmware/base/ids.hpp"

bool enclave(base::SlotIndex slot) {
#ifdef MISTAKE
  return base::is_enclave(slot);
#else
  return base::is_enclave(base::partition_of(slot));
#endif
}
