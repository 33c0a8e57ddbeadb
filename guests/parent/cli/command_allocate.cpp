// allocate
#include <iostream>
#include <memory>

#include "guests/parent/cli/allocation.hpp"
#include "guests/parent/cli/commands.hpp"
#include "guests/parent/cli/enclave_json.hpp"
#include "guests/parent/cli/run_request.hpp"

namespace enclave_cli {

void add_allocate_command(CLI::App& application, Environment& environment, Run& run) {
  struct Options {
    std::uint32_t cpu_count{};
    std::string memory, cpu_ids;
    bool show{}, release{};
  };
  const auto options = std::make_shared<Options>();
  Options& o = *options;
  CLI::App* command = application.add_subcommand("allocate", "Set up CPUs and hugepages for enclaves, and print what there is (JSON)");
  command->footer("All of it or nothing: a refusal says which part failed and why, and leaves everything as it was. What is there already\n"
                  "counts. CPUs can't change while an enclave exists.");
  auto* count = command->add_option("--cpu-count", o.cpu_count, "CPUs in the pool; the last cores of the machine, never CPU 0");
  auto* ids = command->add_option("--cpu-ids", o.cpu_ids, "The pool itself, as 1-3,7");
  auto* memory = command->add_option("--memory", o.memory, "MiB in free hugepages, or with a unit (512M, 2G)");
  auto* show = command->add_flag("--show", o.show, "Change nothing");
  auto* release = command->add_flag("--release", o.release, "Give CPUs and free hugepages back to the parent");
  count->excludes(ids);
  for (CLI::Option* other : {count, ids, memory}) {
    show->excludes(other);
    release->excludes(other);
  }
  show->excludes(release);
  command->callback([=, &environment, &run] {
    if (count->count() + ids->count() + memory->count() + show->count() + release->count() == 0) {
      throw CLI::RequiredError("--cpu-count, --cpu-ids, --memory, --show or --release");
    }
    run = [=, &environment] {
      if (options->release) {
        release_all(environment.files);
      } else if (!options->show) {
        AllocationRequest request;
        if (count->count() != 0) request.cpu_count = options->cpu_count;
        if (ids->count() != 0) request.cpu_ids = parse_cpu_list(options->cpu_ids);
        if (memory->count() != 0) request.memory_mib = memory_in_mib(options->memory);
        allocate(environment.files, request);
      }
      std::cout << pretty(allocation_json(environment.files));
      return 0;
    };
  });
}

}  // namespace enclave_cli
