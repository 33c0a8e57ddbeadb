// describe-enclaves | terminate-enclave | console
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <system_error>
#include <string>
#include <thread>
#include <vector>

#include "guests/parent/cli/commands.hpp"
#include "guests/parent/cli/console.hpp"
#include "guests/parent/cli/control_channel.hpp"
#include "guests/parent/cli/enclave_json.hpp"
#include "guests/parent/cli/failure.hpp"

namespace enclave_cli {
namespace {

constexpr std::chrono::milliseconds kDescribeTime{600'000};   // an image may still be being measured
constexpr std::chrono::milliseconds kLastWords{3000};
constexpr std::chrono::milliseconds kTerminateTime{600'000};  // the monitor scrubs all of the memory

void show(const std::string& text) { std::cerr << text << std::flush; }

Answer ask(const EnclaveProcess& process, const Json& request, std::chrono::milliseconds allowed) {
  if (!send_line(process.socket.get(), request)) return {};
  return collect(process.socket.get(), allowed, show);
}

// All are asked before the first answer is awaited: a process gives up a connection on which no request comes, and what
// takes time (scrubbing, measuring) is done by all at once.
std::vector<Answer> ask_all(const std::vector<EnclaveProcess>& processes, const Json& request,
                            std::chrono::milliseconds allowed) {
  std::vector<bool> sent;
  for (const EnclaveProcess& process : processes) sent.push_back(send_line(process.socket.get(), request));
  std::vector<Answer> answers;
  for (std::size_t i = 0; i < processes.size(); ++i) {
    answers.push_back(sent[i] ? collect(processes[i].socket.get(), allowed, show) : Answer{});
  }
  return answers;
}

// A process that gave no answer because its enclave ended just then: it removes its socket when it has read the last words.
bool has_ended(const EnclaveProcess& process) {
  constexpr std::chrono::milliseconds kPause{50};
  std::error_code error;
  for (auto waited = std::chrono::milliseconds{0}; waited < kLastWords; waited += kPause) {
    if (!std::filesystem::exists(process.path, error)) return true;
    std::this_thread::sleep_for(kPause);
  }
  return false;
}

// Throws when some of them did not answer, after the others' answers were printed.
void check_all(std::size_t unanswered, std::size_t refused) {
  if (refused > 0) std::cerr << "Enclaves of others: " << refused << '\n';
  if (unanswered > 0) {
    throw Failure(ErrorCode::kProcessConnection, std::to_string(unanswered) + " enclave processes did not answer.",
                  "Have they ended meanwhile? Run describe-enclaves again.");
  }
}

// The one process that was named, by ID or by name. Throws Failure E58.
EnclaveProcess named(const Environment& environment, const std::string& id, const std::string& name) {
  if (!id.empty()) return connect_to(environment.places.run_folder, id);
  std::size_t refused = 0;
  std::vector<std::string> ids;
  for (const EnclaveProcess& process : connect_to_all(environment.places.run_folder, refused)) {
    const Json json =
        Json::parse(ask(process, Json{{"command", "info"}}, kInfoTime).out, nullptr, /*allow_exceptions=*/false);
    if (json.is_object() && json.value("EnclaveName", "") == name) ids.push_back(json.value("EnclaveID", ""));
  }
  if (ids.empty())
    throw Failure(ErrorCode::kEnclaveNaming, "No enclave has the name '" + name + "'.",
                  "`describe-enclaves` lists them.");
  if (ids.size() > 1)
    throw Failure(ErrorCode::kEnclaveNaming, "Several enclaves have the name '" + name + "'.", "Use --enclave-id.");
  return connect_to(environment.places.run_folder, ids.front());
}

}  // namespace

int describe_enclaves(const Environment& environment, bool metadata) {
  std::size_t refused = 0;
  std::size_t unanswered = 0;
  Json list = Json::array();
  bool debug = false;
  const std::vector<EnclaveProcess> processes = connect_to_all(environment.places.run_folder, refused);
  const std::vector<Answer> answers =
      ask_all(processes, Json{{"command", "describe"}, {"metadata", metadata}}, kDescribeTime);
  for (std::size_t i = 0; i < processes.size(); ++i) {
    const Answer& answer = answers[i];
    Json json = Json::parse(answer.out, nullptr, /*allow_exceptions=*/false);
    if (answer.status != 0 || !json.is_object()) {
      if (answer.status != 0 && has_ended(processes[i])) continue;
      ++unanswered;
      continue;
    }
    debug = debug || json.value("Flags", "") == "DEBUG_MODE";
    list.push_back(std::move(json));
  }
  std::cout << pretty(list);
  if (debug)
    std::cerr
        << "Measurements are the images'. In documents of enclaves in debug mode PCR0, PCR1, PCR2 and PCR8 are zero.\n";
  check_all(unanswered, refused);
  return 0;
}

int terminate_enclave(const Environment& environment, const std::string& id, const std::string& name) {
  const EnclaveProcess process = named(environment, id, name);
  const Answer answer = ask(process, Json{{"command", "terminate"}}, kTerminateTime);
  if (answer.status < 0)
    throw Failure(ErrorCode::kProcessConnection, "The enclave process ended without an answer.",
                  "Run describe-enclaves.");
  if (answer.status != 0)
    throw Failure(ErrorCode::kCommandNotExecuted, "The enclave was not terminated.", "Its process has said why.");
  std::cout << pretty(Json::parse(answer.out));
  return 0;
}

int terminate_all_enclaves(const Environment& environment) {
  std::size_t refused = 0;
  std::size_t unanswered = 0;
  const std::vector<EnclaveProcess> processes = connect_to_all(environment.places.run_folder, refused);
  const std::vector<Answer> answers = ask_all(processes, Json{{"command", "terminate"}}, kTerminateTime);
  for (std::size_t i = 0; i < processes.size(); ++i) {
    const Answer& answer = answers[i];
    if (answer.status == EACCES) {
      ++refused;  // somebody else's: not meant
    } else if (answer.status != 0) {
      if (!has_ended(processes[i])) ++unanswered;
    } else {
      std::cout << pretty(Json::parse(answer.out));
    }
  }
  check_all(unanswered, refused);
  return 0;
}

int show_console(Environment& environment, const std::string& id, const std::string& name,
                 std::optional<Milliseconds> allowed) {
  const EnclaveProcess process = named(environment, id, name);
  const Json json =
      Json::parse(ask(process, Json{{"command", "info"}}, kInfoTime).out, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object())
    throw Failure(ErrorCode::kProcessConnection, "The enclave process ended without an answer.",
                  "Run describe-enclaves.");
  const auto cid = json.at("EnclaveCID").get<std::uint64_t>();
  if (json.value("Flags", "") != "DEBUG_MODE") {
    throw Failure(ErrorCode::kConsoleConnection, "The enclave runs in production mode and has no console.",
                  "Run it with --debug-mode.");
  }
  std::cout << "Connecting to the console for enclave " << cid << "...\n" << std::flush;
  const Descriptor console = connect_to_console(environment.sockets, cid);
  std::cout << "Successfully connected to the console.\n" << std::flush;
  copy_console(console.get(), 1, allowed);
  return 0;
}

}  // namespace enclave_cli
