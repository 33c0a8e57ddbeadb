// run-enclave: what the command does; its process does the rest (enclave_process.hpp).
#include <filesystem>
#include <iostream>

#include "guests/parent/cli/commands.hpp"
#include "guests/parent/cli/console.hpp"
#include "guests/parent/cli/control_channel.hpp"
#include "guests/parent/cli/enclave_process.hpp"
#include "guests/parent/cli/failure.hpp"

namespace enclave_cli {
namespace {

std::vector<std::string> names_taken(const Environment& environment) {
  std::vector<std::string> names;
  std::size_t refused = 0;
  for (const EnclaveProcess& process : connect_to_all(environment.places.run_folder, refused)) {
    if (!send_line(process.socket.get(), Json{{"command", "info"}})) continue;
    const Json json = Json::parse(collect(process.socket.get(), kInfoTime).out, nullptr, /*allow_exceptions=*/false);
    if (json.is_object() && json.contains("EnclaveName") && json["EnclaveName"].is_string())
      names.push_back(json["EnclaveName"]);
  }
  return names;
}

}  // namespace

int run_enclave(Environment& environment, RunRequest request) {
  check_cid(request.cid);
  check_cpu_choice(read_cpu_pool(environment.files), request.cpu_count, request.cpu_ids);
  request.name = free_name(request.name, request.eif_path, names_taken(environment));
  request.eif_path = std::filesystem::absolute(request.eif_path).string();  // its process works in another folder
  const Descriptor starter = spawn_enclave_process(environment, request);
  // The time is the enclave process's affair: it says when it gives up.
  const Answer answer = collect(starter.get(), std::chrono::hours(24 * 365),
                                [](const std::string& text) { std::cerr << text << std::flush; });
  if (answer.status < 0) {
    throw Failure(ErrorCode::kProcessConnection, "The enclave process ended without an answer.",
                  "Look into the log, and into dmesg: was it killed for want of memory?");
  }
  std::cout << answer.out << std::flush;
  if (answer.status != 0) return answer.status;  // its words were shown as they came
  if (!request.attach_console) return 0;
  const Json json = Json::parse(answer.out, nullptr, /*allow_exceptions=*/false);
  copy_console(connect_to_console(environment.sockets, json.at("EnclaveCID").get<std::uint64_t>()).get(), 1,
               std::nullopt);
  return 0;
}

}  // namespace enclave_cli
