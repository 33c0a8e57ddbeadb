#include "tests/model/ownership_agreement.hpp"

#include <string>

#include "tests/model/call_witness.hpp"

namespace model {
namespace {

std::optional<Objection> first_objection;

std::string text(const Objection& objection) { return objection.what + (" " + std::to_string(objection.where)); }

std::optional<Objection> walk(const Spec& spec, base::PartitionId partition) {
  OwnershipMap::Walk against(g_ownership, partition);
  for (const ReachRun& run : spec.reach(partition)) {
    const bool device = run.access == base::Access::kDevice;  // windows beside each other are one run there
    const std::uint64_t step = device ? 1 : run.frames.count;
    for (std::uint64_t done = 0; done < run.frames.count; done += step) {
      const auto wrong = against.leaf(run.ipa / kFrame + done, {run.frames.first + done, step}, run.access);
      if (wrong) return wrong;
    }
  }
  return against.complete();
}

}  // namespace

void witnessed(const std::optional<Objection>& objection) {
  if (objection && !first_objection) first_objection = objection;
}

void about_to_return(FrameRun) {}  // ExclusiveWatch looks at the bytes

std::optional<std::string> disagreement(const Spec& spec) {
  if (first_objection) return "the small specification: " + text(*first_objection);
  for (unsigned i = 1; i < board::kBoard.limits.enclaves + 2; ++i) {
    const base::PartitionId partition{static_cast<std::uint8_t>(i)};
    if (const auto wrong = walk(spec, partition)) {
      return "the specifications differ: partition " + std::to_string(i) + " " + text(*wrong);
    }
    const auto slot = i < 2 ? spec.slots().end() : spec.slots().find(i - 2);
    const bool has_space = i == 1 || (slot != spec.slots().end() && slot->second.life != Life::kFreeing);
    if (g_ownership.has_address_space(partition) != has_space) {
      return "the specifications differ: address space of partition " + std::to_string(i);
    }
  }
  for (const auto& [stream, owner] : spec.streams()) {
    const base::PartitionId wanted = spec.must_be_attached(stream) ? owner : base::kMonitor;
    if (g_ownership.attached(stream) != wanted) return "the specifications differ: stream " + std::to_string(stream.value);
  }
  for (std::size_t i = 0; i < spec.cores().size(); ++i) {
    const OwnershipMap::Core& core = g_ownership.core(base::CoreId{static_cast<std::uint8_t>(i)});
    const SpecCore& wanted = spec.cores()[i];
    if (core.owner != wanted.owner || core.on != wanted.on) return "the specifications differ: core " + std::to_string(i);
  }
  return std::nullopt;
}

}  // namespace model
