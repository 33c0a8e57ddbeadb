// A guest's address is not a physical address.
// expect: (could not convert|no known conversion|cannot convert)
#include "firmware/base/address.hpp"

base::FrameNumber frame() {
#ifdef MISTAKE
  return base::frame_of(base::Ipa{0x1000});
#else
  return base::frame_of(base::PhysAddr{0x1000});
#endif
}
