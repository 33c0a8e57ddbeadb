// What must hold whatever the input: a fuzzer stops where it does not, in every build.
#pragma once

#include <cstdio>
#include <cstdlib>

#define DEMAND(condition)                                                              \
  do {                                                                                 \
    if (!(condition)) {                                                                \
      std::fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                    \
    }                                                                                  \
  } while (false)
