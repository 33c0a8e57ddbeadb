// llama-server as a process without rights: loopback alone, no files to write, nothing logged, nobody's prompt kept for another.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "guests/enclave/inference/configuration.hpp"

namespace inference {

inline constexpr int kModelFile = 3;  // the model's descriptor in the process
inline constexpr const char* kModelProgram = "/usr/bin/llama-server";
// Of each of its threads, bytes: std::regex takes 320 for each character of a match, and a request may be one match of
// a million (kMostQuestion of gateway.cpp, kLongestRun of request_filter.hpp). Memory is taken when it is touched.
inline constexpr std::uint64_t kStack = std::uint64_t{384} << 20;

// The program and its words.
[[nodiscard]] std::vector<std::string> model_command(const Service& service, int port);

class ModelProcess {
 public:
  // Starts llama-server on the sealed file that `model` is a descriptor of. Throws std::runtime_error.
  ModelProcess(const Service& service, int model, int port, const char* program = kModelProgram);
  ~ModelProcess();
  ModelProcess(const ModelProcess&) = delete;
  ModelProcess& operator=(const ModelProcess&) = delete;
  // Until it answers. Throws std::runtime_error: it ended, or the time is over.
  void wait_until_ready(std::chrono::seconds time);
  // Blocks until it ends; how.
  [[nodiscard]] std::string wait_for_end();

 private:
  pid_t process_{};
  int port_;
};

}  // namespace inference
