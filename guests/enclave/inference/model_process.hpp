// llama-server as a process without rights: loopback alone, no files to write, nothing logged, nobody's prompt kept for another.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

#include "guests/enclave/inference/configuration.hpp"

namespace inference {

inline constexpr int kModelFile = 3;  // the model's descriptor in the process

// The program and its words.
[[nodiscard]] std::vector<std::string> model_command(const Service& service, int port);

class ModelProcess {
 public:
  // Starts /usr/bin/llama-server on the sealed file that `model` is a descriptor of. Throws std::runtime_error.
  ModelProcess(const Service& service, int model, int port);
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
