#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hal/host/machine.hpp"
#include "tests/scenario/development_identity.hpp"
#include "tests/scenario/enclave_images.hpp"

namespace {
TEST(Boot, Boots) {
  host::MachineConfig config;
  config.handover = support::handover_bytes();
  host::Machine machine(config);
  machine.boot();
  std::puts(machine.console().c_str());
  for (const auto& text : machine.failures()) std::puts(text.c_str());
  for (const auto& text : machine.violations()) std::puts(text.c_str());
  ASSERT_TRUE(machine.driven(base::CoreId{0}));
  const auto reply = machine.cpu(base::CoreId{0}).call(cofferdam_abi::Function::kVersion);
  EXPECT_EQ(reply.x[1], 0x10000U);
}
}  // namespace
