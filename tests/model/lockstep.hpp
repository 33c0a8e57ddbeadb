// The shipped monitor on the simulated machine and the specification, side by side, one operation at a time.
//
// After every operation: the answer is what the specification demands; each partition's tables, walked, map exactly what
// the specification says it reaches; the stream table likewise; nothing that a TLB or the SMMU may hold goes beyond it;
// every core runs its owner's code. Between any two effects: ExclusiveWatch and the break-before-make automaton.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hal/host/machine.hpp"
#include "tests/model/exclusive_watch.hpp"
#include "tests/model/ownership_spec.hpp"
#include "tests/refinement/break_before_make.hpp"

namespace model {

enum class OpKind : std::uint8_t {
  kCall,    // HVC from `core`
  kRead,    // a guest reads arguments[0]
  kWrite,   // a guest writes arguments[1] to arguments[0]
  kDma,     // stream arguments[0] writes to address arguments[1]
  kImage,   // the parent lays an enclave image at arguments[0]
  kUndefined,  // a guest executes what it does not have
};

struct Op {
  OpKind kind{};
  base::CoreId core{};
  std::uint64_t function{};
  std::array<std::uint64_t, 6> arguments{};
  int uid_of_slot{-1};       // >= 0: arguments[0] is the uid of that slot at the time of the call
  std::int64_t fail_at{-1};  // >= 0: the n-th fallible step of the machine fails
};
[[nodiscard]] std::string to_text(const Op& op);

class Lockstep {
 public:
  enum class Watchers : std::uint8_t { kAll, kAutomaton, kExclusive };  // negative tests try each alone
  explicit Lockstep(host::MachineConfig config = {}, Watchers watchers = Watchers::kAll);
  ~Lockstep();
  // nullopt: as it must be. Else what is wrong; the machine is not to be used then.
  [[nodiscard]] std::optional<std::string> run(const Op& op);
  [[nodiscard]] const Spec& spec() const { return spec_; }
  [[nodiscard]] host::Machine& machine() { return *machine_; }
  [[nodiscard]] std::optional<std::string> compare() const;  // machine and specification, at rest
  [[nodiscard]] std::uint64_t checks_between_effects() const { return watch_->checks(); }
  [[nodiscard]] const Answer& last_answer() const { return answer_; }

 private:
  [[nodiscard]] std::optional<std::string> perform(const Op& op);
  [[nodiscard]] std::optional<std::string> touch(const Op& op);

  Spec spec_;
  std::unique_ptr<host::Machine> machine_;
  std::unique_ptr<ExclusiveWatch> watch_;
  refinement::BreakBeforeMake automaton_;
  Watchers watchers_;
  std::vector<std::uint8_t> image_;
  const Op* current_{nullptr};
  Answer answer_{};
};

}  // namespace model
