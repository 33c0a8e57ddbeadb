// From an HTTP request to its answer: who signed it, which operation, what the audit log keeps of it.
#pragma once

#include <atomic>

#include "tools/https/server.hpp"
#include "tools/kms/call.hpp"

namespace kms {

class Service {
 public:
  Service(Parts& parts, Principals& principals) : parts_(parts), principals_(principals) {}
  // By many threads at once. Never throws: what fails inside is KMSInternalException, with the cause on standard error.
  [[nodiscard]] https::Response answer(const https::Request& request);

 private:
  Json perform(const https::Request& request, const std::string& request_id);
  Json perform_once(Handler handler, Call& call);  // throws Outdated too
  void note_unauthenticated(const std::string& request_id, std::string_view error);

  Parts& parts_;
  Principals& principals_;
  std::atomic<std::int64_t> second_{};       // of the last refusal that was logged for a caller nobody knows
  std::atomic<unsigned> in_that_second_{};
};

// Deletes keys whose waiting time is over. Called now and then; answers how many.
std::size_t delete_due_keys(Parts& parts);

}  // namespace kms
