// What llama-server starts with.
#include "guests/enclave/inference/model_process.hpp"

#include <gtest/gtest.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace {

// As llama-server's threads have it: a match of std::regex as long as a request must not end it.
TEST(ModelProcess, HasAStackForTheLongestMatch) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can start a process as nobody";
  char name[] = "/tmp/model-process-XXXXXX";
  const std::filesystem::path folder = ::mkdtemp(name);
  std::filesystem::permissions(folder, std::filesystem::perms::all);
  const std::string program = folder / "program", stack = folder / "stack";
  std::ofstream(program) << "#!/bin/sh\nulimit -s >" << stack << '\n';
  std::filesystem::permissions(program, std::filesystem::perms::all);
  inference::Service service;
  service.model = "measured";
  inference::ModelProcess process(service, 0, 8080, program.c_str());
  EXPECT_EQ(process.wait_for_end(), "with status 0");
  std::uint64_t kibibytes = 0;
  std::ifstream(stack) >> kibibytes;
  struct sysinfo machine{};
  ASSERT_EQ(::sysinfo(&machine), 0);
  EXPECT_EQ(kibibytes, std::min(inference::kStack, std::uint64_t{machine.totalram} * machine.mem_unit / 4 * 3) / 1024);
  std::filesystem::remove_all(folder);
}

}  // namespace
