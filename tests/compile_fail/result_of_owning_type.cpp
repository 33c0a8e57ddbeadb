// A result holds plain values only: copying one runs no code.
// expect: (static assertion failed|static_assert failed)
#include <string>

#include "firmware/base/result.hpp"

#ifdef MISTAKE
base::Result<std::string> text() { return base::Error::kInternal; }
#else
base::Result<int> text() { return base::Error::kInternal; }
#endif
