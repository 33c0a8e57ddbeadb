// A list that may be full can't be pushed to without looking.
// expect: nodiscard
#include "firmware/base/fixed_list.hpp"

bool push(base::FixedList<int, 4>& list) {
#ifdef MISTAKE
  list.push(1);
  return true;
#else
  return list.push(1).ok();
#endif
}
