// run-enclave
#include <csignal>
#include <filesystem>
#include <iostream>
#include <memory>

#include "guests/parent/cli/commands.hpp"
#include "guests/parent/cli/console.hpp"
#include "guests/parent/cli/control_channel.hpp"
#include "guests/parent/cli/enclave_process.hpp"
#include "guests/parent/cli/failure.hpp"

namespace enclave_cli {
namespace {

constexpr std::chrono::milliseconds kInfoTime{5000};

struct Options {
  std::string memory, config;
  std::uint32_t cpu_count{};
  double boot_timeout{};
  RunRequest request;
};

std::vector<std::string> names_taken(const Environment& environment) {
  std::vector<std::string> names;
  std::size_t refused = 0;
  for (const EnclaveProcess& process : connect_to_all(environment.places.run_folder, refused)) {
    if (!send_line(process.socket.get(), Json{{"command", "info"}})) continue;
    const Json json = Json::parse(collect(process.socket.get(), kInfoTime).out, nullptr, /*allow_exceptions=*/false);
    if (json.is_object() && json.contains("EnclaveName") && json["EnclaveName"].is_string()) names.push_back(json["EnclaveName"]);
  }
  return names;
}

int run_enclave(Environment& environment, RunRequest request) {
  check_cid(request.cid);
  check_cpu_choice(read_cpu_pool(environment.files), request.cpu_count, request.cpu_ids);
  request.name = free_name(request.name, request.eif_path, names_taken(environment));
  request.eif_path = std::filesystem::absolute(request.eif_path).string();  // its process works in another folder
  const Descriptor starter = spawn_enclave_process(environment, request);
  // The time is the enclave process's affair: it says when it gives up.
  const Answer answer = collect(starter.get(), std::chrono::hours(24 * 365), [](const std::string& text) { std::cerr << text << std::flush; });
  if (answer.status < 0) {
    throw Failure(ErrorCode::kProcessConnection, "The enclave process ended without an answer.",
                  "Look into the log, and into dmesg: was it killed for want of memory?");
  }
  std::cout << answer.out << std::flush;
  if (answer.status != 0) return answer.status;  // its words were shown as they came
  if (!request.attach_console) return 0;
  const Json json = Json::parse(answer.out, nullptr, /*allow_exceptions=*/false);
  copy_console(connect_to_console(environment.sockets, json.at("EnclaveCID").get<std::uint64_t>()).get(), 1, std::nullopt);
  return 0;
}

}  // namespace

void add_run_command(CLI::App& application, Environment& environment, Run& run) {
  const auto options = std::make_shared<Options>();
  Options& o = *options;
  CLI::App* command = application.add_subcommand("run-enclave", "Start an enclave and print what it is (JSON)");
  command->footer("Give --eif-path, --memory and one of --cpu-count and --cpu-ids, or --config. The enclave runs on when the command ends;\n"
                  "a command that is interrupted before that gives the start up.");
  auto* count = command->add_option("--cpu-count", o.cpu_count, "Number of CPUs; the driver chooses them from the pool");
  auto* ids = command->add_option("--cpu-ids", o.request.cpu_ids, "The CPUs, of the pool")->expected(1, -1)->delimiter(',');
  auto* memory = command->add_option("--memory", o.memory, "Memory in MiB, or with a unit (512M, 2G); rounded up to hugepages");
  auto* eif = command->add_option("--eif-path", o.request.eif_path, "The enclave image")->type_name("FILE");
  auto* cid = command->add_option("--enclave-cid", o.request.cid, "vsock CID of the enclave (default: the monitor chooses)");
  auto* debug = command->add_flag("--debug-mode", o.request.debug, "With a console; measurements in documents are zero then");
  command->add_flag("--attach-console", o.request.attach_console, "Show the console after the start; implies --debug-mode");
  auto* name = command->add_option("--enclave-name", o.request.name, "Name (default: the image's file name)");
  auto* config = command->add_option("--config", o.config, "JSON with these settings: eif_path, memory_mib, cpu_count or cpu_ids,\n"
                                     "enclave_cid, debug_mode, attach_console, enclave_name")->type_name("FILE");
  auto* timeout = command->add_option("--boot-timeout", o.boot_timeout, "Seconds to wait for the enclave's heartbeat (default: 90, more for large images)")
                      ->check(CLI::Range(0.1, 86'400.0));
  count->excludes(ids);
  for (CLI::Option* other : {count, ids, memory, eif, cid, debug, name}) config->excludes(other);
  command->callback([=, &environment, &run] {
    if (config->count() == 0) {
      if (eif->count() == 0) throw CLI::RequiredError("--eif-path");
      if (memory->count() == 0) throw CLI::RequiredError("--memory");
      if (count->count() == 0 && ids->count() == 0) throw CLI::RequiredError("--cpu-count or --cpu-ids");
    }
    run = [=, &environment] {
      RunRequest request = options->request;
      if (config->count() != 0) {
        std::vector<std::string> ignored;
        const bool attach = request.attach_console;
        request = request_from_config(options->config, ignored);
        if (attach) request.attach_console = request.debug = true;
        for (const std::string& key : ignored) std::cerr << "Warning: " << options->config << ": the key \"" << key << "\" is not known and ignored.\n";
      } else {
        request.memory_mib = memory_in_mib(options->memory);
        if (count->count() != 0) request.cpu_count = options->cpu_count;
        request.debug = request.debug || request.attach_console;
        if (cid->count() != 0 && request.cid == 0) std::cerr << "The enclave's CID is 0: the monitor chooses one.\n";
      }
      if (timeout->count() != 0) request.boot_timeout = Milliseconds(static_cast<std::int64_t>(options->boot_timeout * 1000));
      return run_enclave(environment, request);
    };
  });
}

}  // namespace enclave_cli
