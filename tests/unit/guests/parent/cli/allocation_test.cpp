// CPUs and hugepages on a scripted kernel: what is chosen, what a refusal says, and that a refusal leaves everything.
#include "guests/parent/cli/allocation.hpp"

#include <gtest/gtest.h>

#include "guests/parent/cli/failure.hpp"
#include "tests/unit/guests/parent/cli/scripted_environment.hpp"

namespace enclave_cli {
namespace {

const std::string kHuge = "/sys/kernel/mm/hugepages/hugepages-2048kB/";
const std::string kCpus = "/sys/devices/system/cpu/";

// A kernel whose pool of hugepages reaches `pages_there`, and a driver that keeps its rules about CPUs.
struct Kernel : ::testing::Test {
  testing::ScriptedFiles files;
  std::uint64_t pages_there{512};
  bool enclave_exists{false};
  std::string refused_pool;
  std::set<std::uint32_t> online{0, 1, 2, 3};

  Kernel() {
    set_pages(0);
    files.content[kHuge + "resv_hugepages"] = "0\n";
    files.content["/proc/buddyinfo"] =
        "Node 0, zone      DMA      1      0      0      0      0      0      0      0      0      4      2\n"
        "Node 0, zone   Normal   9000      0      0      0      0      0      0      0      0      1      0\n";
    files.content["/proc/meminfo"] =
        "MemTotal:        2000000 kB\nMemFree:          1 kB\nMemAvailable:    1048576 kB\n";
    files.content[kPoolFile] = "\n";
    show_online();
    files.on_write[kHuge + "nr_hugepages"] = [this](const std::string& text) {
      set_pages(std::min<std::uint64_t>(std::stoull(text), pages_there));
      return 0;
    };
    for (const char* path : {"/proc/sys/vm/compact_memory", "/proc/sys/vm/drop_caches"}) files.content[path] = "";
    files.on_write[kPoolFile] = [this](const std::string& text) {
      if (enclave_exists) return -EPERM;
      for (const std::uint32_t cpu : parse_cpu_list(files.content[kPoolFile])) online.insert(cpu);
      files.content[kPoolFile] = "\n";
      show_online();
      const CpuList list = parse_cpu_list(text);
      if (list.empty() || text == refused_pool) return -EINVAL;
      for (const std::uint32_t cpu : list) {
        if (cpu == 0 || !online.contains(cpu)) return -EINVAL;
      }
      for (const std::uint32_t cpu : list) online.erase(cpu);
      files.content[kPoolFile] = text + "\n";
      show_online();
      return 0;
    };
  }
  void set_pages(std::uint64_t count) {
    files.content[kHuge + "nr_hugepages"] = files.content[kHuge + "free_hugepages"] = std::to_string(count) + "\n";
  }
  void show_online() { files.content[kCpus + "online"] = cpu_list_text({online.begin(), online.end()}) + "\n"; }
  std::string refusal(const AllocationRequest& request, ErrorCode code) {
    try {
      allocate(files, request);
    } catch (const Failure& failure) {
      EXPECT_EQ(failure.code(), code);
      return text_of(failure);
    }
    ADD_FAILURE() << "it was not refused";
    return {};
  }
};

TEST_F(Kernel, SetsUpBothAndTheSameAgainChangesNothing) {
  allocate(files, {.cpu_count = 2, .cpu_ids = {}, .memory_mib = 512});
  EXPECT_EQ(files.content[kPoolFile], "2-3\n");
  EXPECT_EQ(files.content[kHuge + "nr_hugepages"], "256\n");
  files.on_write[kPoolFile] = files.on_write[kHuge + "nr_hugepages"] = [](const std::string&) {
    ADD_FAILURE() << "written again";
    return 0;
  };
  allocate(files, {.cpu_count = 2, .cpu_ids = {}, .memory_mib = 512});
  EXPECT_EQ(allocation_json(files).dump(),
            R"({"CPUIDs":[2,3],"MemoryMiB":512,"HugePages":[{"PageSizeKiB":2048,"Total":256,"Free":256}]})");
}

TEST_F(Kernel, TakesWholeCoresOfOneNodeAndNeverCpu0s) {
  online = {0, 1, 2, 3, 4, 5, 6, 7};
  show_online();
  for (std::uint32_t cpu = 0; cpu < 8; ++cpu) {
    const std::uint32_t first = cpu % 4;  // threads are 0/4, 1/5, 2/6, 3/7
    files.content[kCpus + "cpu" + std::to_string(cpu) + "/topology/thread_siblings_list"] =
        cpu_list_text({first, first + 4}) + "\n";
    files.content[kCpus + "cpu" + std::to_string(cpu) + (first < 2 ? "/node0/x" : "/node1/x")] = "";
  }
  allocate(files, {.cpu_count = 4, .cpu_ids = {}, .memory_mib = {}});
  EXPECT_EQ(files.content[kPoolFile], "2-3,6-7\n");
  const std::string text = refusal({.cpu_count = 5, .cpu_ids = {}, .memory_mib = {}}, ErrorCode::kInsufficientCpus);
  EXPECT_NE(text.find("4 can be given"), std::string::npos) << text;
  EXPECT_EQ(files.content[kPoolFile], "2-3,6-7\n");  // the pool from before stands again
}

TEST_F(Kernel, SaysHowManyPagesCameAndWhyAndGivesThemBack) {
  pages_there = 100;
  set_pages(10);
  const std::string text =
      refusal({.cpu_count = 2, .cpu_ids = {}, .memory_mib = 512}, ErrorCode::kInsufficientMemoryAvailable);
  EXPECT_NE(text.find("of 246 more pages of 2 MiB came 90"), std::string::npos) << text;
  EXPECT_NE(text.find("200 MiB would be free"), std::string::npos) << text;
  EXPECT_NE(text.find("free in the parent: 53 MiB, of it in pieces of 2 MiB and more: 18 MiB (fragmented)"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("hugepages=256"), std::string::npos) << text;
  EXPECT_EQ(files.content[kHuge + "nr_hugepages"], "10\n");
  EXPECT_EQ(files.content[kPoolFile], "\n");  // CPUs come after, and did not
}

TEST_F(Kernel, DoesNotTakeTheParentsLastMemory) {
  pages_there = 4096;
  const std::string text =
      refusal({.cpu_count = {}, .cpu_ids = {}, .memory_mib = 1000}, ErrorCode::kInsufficientMemoryAvailable);
  EXPECT_NE(text.find("the parent has 1024 MiB available and keeps 64 MiB"), std::string::npos) << text;
  EXPECT_EQ(files.content[kHuge + "nr_hugepages"], "0\n");
  allocate(files, {.cpu_count = {}, .cpu_ids = {}, .memory_mib = 960});
}

TEST_F(Kernel, CompactsMemoryBeforeItGivesUp) {
  pages_there = 100;
  files.on_write["/proc/sys/vm/compact_memory"] = [this](const std::string&) {
    pages_there = 512;
    return 0;
  };
  allocate(files, {.cpu_count = {}, .cpu_ids = {}, .memory_mib = 512});
  EXPECT_EQ(files.content[kHuge + "nr_hugepages"], "256\n");
}

TEST_F(Kernel, ARefusedPoolGivesTheMemoryBackAndTheOldPoolStands) {
  allocate(files, {.cpu_count = {}, .cpu_ids = {3}, .memory_mib = {}});
  refused_pool = "1-2";
  const std::string text = refusal({.cpu_count = {}, .cpu_ids = {1, 2}, .memory_mib = 64}, ErrorCode::kCpu);
  EXPECT_NE(text.find("1-2"), std::string::npos);
  EXPECT_NE(text.find("they were given back"), std::string::npos);
  EXPECT_EQ(files.content[kHuge + "nr_hugepages"], "0\n");
  EXPECT_EQ(files.content[kPoolFile], "3\n");
}

TEST_F(Kernel, NothingChangesWhileAnEnclaveExists) {
  allocate(files, {.cpu_count = 1, .cpu_ids = {}, .memory_mib = {}});
  enclave_exists = true;
  EXPECT_NE(refusal({.cpu_count = 2, .cpu_ids = {}, .memory_mib = 64}, ErrorCode::kCpu).find("terminate-enclave --all"),
            std::string::npos);
  EXPECT_EQ(files.content[kPoolFile], "3\n");
  EXPECT_EQ(files.content[kHuge + "nr_hugepages"], "0\n");
  EXPECT_THROW(release_all(files), Failure);
}

TEST_F(Kernel, ReleaseGivesEverythingBack) {
  allocate(files, {.cpu_count = 3, .cpu_ids = {}, .memory_mib = 64});
  EXPECT_EQ(online, (std::set<std::uint32_t>{0}));
  release_all(files);
  EXPECT_EQ(online.size(), 4U);
  EXPECT_EQ(files.content[kHuge + "nr_hugepages"], "0\n");
}

TEST_F(Kernel, WithoutTheDriverNothingIsTouched) {
  files.content.erase(kPoolFile);
  EXPECT_NE(refusal({.cpu_count = 1, .cpu_ids = {}, .memory_mib = 64}, ErrorCode::kFileOperation)
                .find("modprobe nitro_enclaves"),
            std::string::npos);
  EXPECT_EQ(files.content[kHuge + "nr_hugepages"], "0\n");
}

TEST(CpuLists, AreReadStrictly) {
  EXPECT_EQ(parse_cpu_list("1-3,7\n"), (CpuList{1, 2, 3, 7}));
  EXPECT_EQ(parse_cpu_list("\n"), CpuList{});
  EXPECT_EQ(cpu_list_text({7, 2, 1, 3}), "1-3,7");
  for (const char* text : {"a", "1-", "-1", "1,,2", "0x6", "99999999999", "1-9999"})
    EXPECT_THROW(static_cast<void>(parse_cpu_list(text)), Failure) << text;
  EXPECT_THROW(static_cast<void>(parse_cpu_list("3-1")), Failure);
}

TEST(CpuChoice, HasNitroClisCodes) {
  const auto code_of = [](const CpuList& pool, std::optional<std::uint32_t> count, const CpuList& ids) {
    try {
      check_cpu_choice(pool, count, ids);
    } catch (const Failure& failure) {
      return static_cast<int>(failure.code());
    }
    return 0;
  };
  EXPECT_EQ(code_of({1, 2, 3}, 3, {}), 0);
  EXPECT_EQ(code_of({1, 2, 3}, {}, {3, 1}), 0);
  EXPECT_EQ(code_of({1, 2, 3}, {}, {1, 1}), 20);
  EXPECT_EQ(code_of({1, 2, 3}, {}, {1, 4}), 21);
  EXPECT_EQ(code_of({1, 2, 3}, 4, {}), 22);
  EXPECT_EQ(code_of({}, 1, {}), 22);
  EXPECT_EQ(code_of({1}, 0, {}), 22);
}

}  // namespace
}  // namespace enclave_cli
