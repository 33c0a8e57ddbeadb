// The addresses of a proxy's host. The system's resolver can't be given a limit: it runs on a thread of its own, and who asks waits no
// longer than it may. What it finds later is there for the next call; it is kept for a minute.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace xks {

class HostAddresses {
 public:
  // IP addresses as text, the best first; may take its time, doesn't throw.
  using Resolve = std::function<std::vector<std::string>(const std::string& host)>;
  HostAddresses(std::string host, Resolve resolve);  // empty: the system's

  // By several threads at once. Nullopt: not known within the limit; empty: there is none.
  [[nodiscard]] std::optional<std::vector<std::string>> within(std::chrono::milliseconds limit);
  void prefer(const std::string& address);  // it answered: it goes first from now on
  void doubt();                             // nothing answered: the next call resolves anew

 private:
  struct State;
  std::shared_ptr<State> state_;  // a thread that still resolves has it too
};

}  // namespace xks
