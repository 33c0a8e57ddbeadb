// The third frame is not three frames.
// expect: (no match for|invalid operands to binary)
#include "firmware/base/address.hpp"

bool less(base::FrameNumber frame, base::FrameCount count) {
#ifdef MISTAKE
  return frame < count;
#else
  return frame < base::FrameNumber{count.value};
#endif
}
