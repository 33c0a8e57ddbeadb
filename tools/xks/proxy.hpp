// The proxy itself: a request of the key service in, an answer out. Thread-safe. It knows nothing of sockets.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>

#include "tools/https/server.hpp"
#include "tools/xks/audit.hpp"
#include "tools/xks/budget.hpp"
#include "tools/xks/configuration.hpp"

namespace xks {

class Proxy {
 public:
  // `token` is used from several threads at once, also for a while after a call was given up.
  Proxy(Configuration configuration, std::shared_ptr<pkcs11::Token> token, AuditLog& audit);
  [[nodiscard]] https::Response answer(const https::Request& request);
  // Takes over what Configuration says is read again, and nothing else; what is under way ends with the old.
  void replace(Configuration configuration);
  std::function<std::int64_t()> now;  // Unix seconds

 private:
  [[nodiscard]] https::Response answer_call(const Configuration& configuration, const https::Request& request, AuditEntry& entry);
  void authenticate(const Configuration& configuration, const https::Request& request, AuditEntry& entry) const;
  [[nodiscard]] https::Response metadata(const Configuration& configuration, const ExternalKey& key);
  [[nodiscard]] https::Response encrypt(const Configuration& configuration, const ExternalKey& key, ParsedRequest request);
  [[nodiscard]] https::Response decrypt(const Configuration& configuration, const ExternalKey& key, ParsedRequest request);
  [[nodiscard]] https::Response health(const Configuration& configuration);
  template <typename Job>
  void run(const Configuration& configuration, const std::shared_ptr<Job>& job);

  std::shared_ptr<pkcs11::Token> token_;
  AuditLog& audit_;
  std::mutex mutex_;
  std::shared_ptr<const Configuration> configuration_;
  BudgetedWork work_;  // last: its threads end first
};

}  // namespace xks
