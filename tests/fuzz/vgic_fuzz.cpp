// A virtual interrupt controller with a guest and devices that the input drives: the same three runs as
// tests/model/vgic_random_test.cpp, chosen by the first byte.
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>

#include "tests/fuzz/demand.hpp"
#include "tests/model/vgic_lockstep.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::span<const std::uint8_t> choices(data + 1, size - 1);
  const auto run = data[0] % 3 == 0   ? vgic_model::run_lockstep
                   : data[0] % 3 == 1 ? vgic_model::run_late
                                      : vgic_model::run_hostile;
  const std::string difference = run(choices);
  if (!difference.empty()) std::fprintf(stderr, "%s\n", difference.c_str());
  DEMAND(difference.empty());
  return 0;
}
