// A new kind of access is handled everywhere or nothing builds.
// expect: not handled in switch
#include "firmware/base/effect.hpp"

int bits(base::Access access) {
  switch (access) {
    case base::Access::kReadWriteExecute:
      return 7;
    case base::Access::kReadWrite:
      return 6;
    case base::Access::kReadOnly:
      return 4;
    case base::Access::kMessages:
      return 2;
#ifndef MISTAKE
    case base::Access::kDevice:
      return 0;
#endif
  }
  return 0;
}
