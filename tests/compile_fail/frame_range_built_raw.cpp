// A range of frames is made by the checked function or, in the open, by trusted().
// expect: (is private|calling a private constructor)
#include "firmware/base/address.hpp"

base::FrameRange range() {
#ifdef MISTAKE
  return base::FrameRange{base::FrameNumber{1}, base::FrameCount{2}};
#else
  return base::FrameRange::trusted(base::FrameNumber{1}, base::FrameCount{2});
#endif
}
