// What the first process of an enclave takes from /cmd, /env, its list of modules and the kernel's command line.
#include "guests/enclave/init/boot_files.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <csignal>

#include <sys/wait.h>
#include <unistd.h>

namespace enclave_init {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(InitCommand, OneArgumentALine) {
  EXPECT_THAT(parse_command("/bin/sh\n-c\necho a  b").lines, ElementsAre("/bin/sh", "-c", "echo a  b"));
  EXPECT_THAT(parse_command("/bin/sh\n").lines, ElementsAre("/bin/sh"));
  EXPECT_THAT(parse_command("env\n\nlast\n").lines, ElementsAre("env", "", "last")) << "an empty line is an empty argument";
}

TEST(InitCommand, WithoutAProgramIsRefused) {
  for (const std::string& text : {std::string(), std::string("\n"), std::string("\n/bin/sh\n"), std::string("/bin/sh\0-c\n", 11),
                                  std::string(kMaxBootFile + 1, 'a'), std::string(2 * (kMaxLines + 1), '\n').replace(0, 1, "a")}) {
    const Lines command = parse_command(text);
    EXPECT_FALSE(command.problem.empty()) << text.size();
    EXPECT_THAT(command.lines, IsEmpty());
  }
  std::string most;
  for (std::size_t line = 0; line < kMaxLines; ++line) most += "a\n";
  EXPECT_EQ(parse_command(most).lines.size(), kMaxLines);
  EXPECT_THAT(parse_command(most + "a\n").problem, HasSubstr("4096 lines"));
}

TEST(InitEnvironment, KeepsWhatIsAnAssignmentAndHasAPath) {
  EXPECT_THAT(parse_environment("A=1\nB=x=y\nC=\nnonsense\n=x\n\nPATH=/opt\n").lines, ElementsAre("A=1", "B=x=y", "C=", "PATH=/opt"));
  EXPECT_THAT(parse_environment("A=1\n").lines, ElementsAre("A=1", testing::StartsWith("PATH=/usr/local/sbin:")));
  EXPECT_THAT(parse_environment("").lines, ElementsAre(testing::StartsWith("PATH=")));
  EXPECT_FALSE(parse_environment(std::string("A=\0", 3)).problem.empty());
}

TEST(InitEnvironment, ThePathIsSearchedInItsOrder) {
  EXPECT_THAT(search_path({"A=1", "PATH=/a:/b::/c:"}), ElementsAre("/a", "/b", "/c"));
  EXPECT_THAT(search_path({"PATH=/a", "PATH=/b"}), ElementsAre("/b"));
  EXPECT_THAT(search_path({"PATH="}), IsEmpty());
  EXPECT_EQ(search_path({}), search_path(parse_environment("").lines));
}

TEST(InitModules, NamesInOrderWithTheirParameters) {
  const Modules modules = parse_modules("# from the build\nvirtio_mmio\n  vsock # sockets\n\nnsm  debug=1 x=2 \n");
  EXPECT_EQ(modules.problem, "");
  ASSERT_EQ(modules.modules.size(), 3U);
  EXPECT_EQ(modules.modules[0].name, "virtio_mmio");
  EXPECT_EQ(modules.modules[1].name, "vsock");
  EXPECT_EQ(modules.modules[1].parameters, "");
  EXPECT_EQ(modules.modules[2].name, "nsm");
  EXPECT_EQ(modules.modules[2].parameters, "debug=1 x=2");
}

TEST(InitModules, ANameIsNoPath) {
  for (const char* text : {"../nsm", "a/b", "nsm.ko", "a\\b", "n\x01sm"}) {
    const Modules modules = parse_modules(std::string("vsock\n") + text + "\n");
    EXPECT_THAT(modules.problem, HasSubstr("names a module")) << text;
    EXPECT_THAT(modules.modules, IsEmpty());
  }
}

TEST(InitHeartbeat, IsWantedUnlessTheLastWordIsOff) {
  EXPECT_TRUE(wants_heartbeat(""));
  EXPECT_TRUE(wants_heartbeat("console=ttyS0 xcofferdam.heartbeat=off cofferdam.heartbeat=offx\n"));
  EXPECT_TRUE(wants_heartbeat("cofferdam.heartbeat=off cofferdam.heartbeat=on"));
  EXPECT_FALSE(wants_heartbeat("cofferdam.heartbeat=off"));
  EXPECT_FALSE(wants_heartbeat("a  cofferdam.heartbeat=on\tcofferdam.heartbeat=off\n"));
}

int wait_status_of(void (*body)()) {
  const pid_t child = ::fork();
  if (child == 0) {
    body();
    ::_exit(99);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return status;
}

TEST(InitEnd, SaysHowTheProgramEnded) {
  const int three = wait_status_of([] { ::_exit(3); });
  EXPECT_EQ(status_of(three), 3);
  EXPECT_EQ(describe_end(three), "program ended with status 3");
  const int killed = wait_status_of([] { ::raise(SIGKILL); });
  EXPECT_EQ(status_of(killed), 137);
  EXPECT_EQ(describe_end(killed), "program was ended by signal 9, status 137");
}

}  // namespace
}  // namespace enclave_init
