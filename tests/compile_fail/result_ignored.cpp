// A refusal can't be overlooked.
// expect: nodiscard
#include "firmware/base/address.hpp"

bool check() {
#ifdef MISTAKE
  base::FrameRange::from_bytes(0, 4096);
  return true;
#else
  return base::FrameRange::from_bytes(0, 4096).ok();
#endif
}
