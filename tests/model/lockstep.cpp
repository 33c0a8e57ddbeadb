#include "tests/model/lockstep.hpp"

#include <algorithm>
#include <sstream>

#include "firmware/hypercall/invariants.hpp"
#include "firmware/monitor/globals.hpp"
#include "hal/host/dma_device.hpp"
#include "hal/host/reach.hpp"
#include "tests/model/ownership_agreement.hpp"
#include "tests/scenario/development_identity.hpp"
#include "tests/scenario/enclave_images.hpp"

namespace model {
namespace {

using base::PartitionId;

constexpr std::uint64_t kPartitions = board::kBoard.limits.enclaves + 2;

std::string describe(const std::vector<ReachRun>& runs) {
  std::ostringstream out;
  out << std::hex;
  for (const ReachRun& run : runs) {
    out << " [" << run.ipa << " -> frame " << run.frames.first << " +" << run.frames.count << " access "
        << static_cast<int>(run.access) << "]";
  }
  return out.str();
}

std::vector<ReachRun> walked(host::Machine& machine, PartitionId partition) {
  std::vector<ReachRun> runs;
  for (const host::Reach& reach : host::walk_partition(machine, partition)) {
    runs.push_back({reach.ipa.value, {reach.frames.first().value, reach.frames.count().value}, reach.access});
  }
  return runs;
}

bool covers(const std::vector<ReachRun>& runs, std::uint64_t ipa, std::uint64_t frame, std::uint64_t count) {
  return std::any_of(runs.begin(), runs.end(), [&](const ReachRun& run) {
    return ipa >= run.ipa && frame >= run.frames.first && frame + count <= run.frames.end() &&
           (ipa - run.ipa) / kFrame == frame - run.frames.first;
  });
}

}  // namespace

std::string to_text(const Op& op) {
  constexpr std::array kNames = {"call", "read", "write", "dma", "image", "undefined"};
  std::ostringstream out;
  out << kNames[static_cast<std::size_t>(op.kind)] << " core " << unsigned{op.core.value} << std::hex;
  if (op.kind == OpKind::kCall) out << " function " << op.function;
  for (std::size_t i = 0; i < op.arguments.size(); ++i) {
    out << ' ';
    if (i == 0 && op.uid_of_slot >= 0) {
      out << "uid(" << op.uid_of_slot << ")";
    } else {
      out << op.arguments[i];
    }
  }
  if (op.fail_at >= 0) out << std::dec << " step " << op.fail_at << " fails";
  return out.str();
}

Lockstep::Lockstep(host::MachineConfig config, Watchers watchers)
    : watchers_(watchers), image_(support::make_image(4096)) {
  config.handover = support::handover_bytes(board::kBoard.digest);
  machine_ = std::make_unique<host::Machine>(config);
  watch_ = std::make_unique<ExclusiveWatch>(
      *machine_,
      [this](std::uint64_t frame, PartitionId enclave) {
        const FrameHolder now = spec_.holder(frame);
        if (now.kind == Holder::kShared && now.peer == enclave) return true;
        // A channel that is being opened just now.
        if (current_ == nullptr || current_->kind != OpKind::kCall) return false;
        if (static_cast<std::uint32_t>(current_->function) != static_cast<std::uint32_t>(Function::kChannelOpen)) return false;
        const auto slot = spec_.slot_of_uid(current_->arguments[0]);
        return slot && *slot + 2 == enclave.value && frame >= current_->arguments[1] / kFrame &&
               frame - current_->arguments[1] / kFrame < current_->arguments[2] / kFrame;
      },
      [this](base::StreamId stream, PartitionId partition) {
        const auto owner = spec_.streams().find(stream);
        if (owner == spec_.streams().end()) return false;
        if (spec_.may_be_attached(stream, partition) || current_ == nullptr) return true;
        // One that is being moved just now.
        return current_->kind == OpKind::kCall;
      });
  machine_->set_observer([this](const host::Event& event) {
    if (watchers_ != Watchers::kAutomaton) watch_->step(event);
    if (watchers_ != Watchers::kExclusive) automaton_.step(event);
  });
  machine_->boot();
}

Lockstep::~Lockstep() = default;

std::optional<std::string> Lockstep::run(const Op& requested) {
  Op op = requested;
  if (op.uid_of_slot >= 0) {
    const auto slot = spec_.slots().find(static_cast<unsigned>(op.uid_of_slot));
    op.arguments[0] = slot == spec_.slots().end() ? 0 : slot->second.uid;
  }
  current_ = &op;
  if (op.fail_at >= 0) machine_->faults().arm(static_cast<std::uint64_t>(op.fail_at));
  std::optional<std::string> problem;
  try {
    problem = perform(op);
  } catch (const std::exception& error) {
    problem = error.what();
  }
  machine_->faults().disarm();
  current_ = nullptr;
  if (problem) return problem;
  if (!automaton_.objections().empty()) return "break-before-make: " + automaton_.objections().front();
  if (!watch_->objections().empty()) return "exclusive: " + watch_->objections().front();
  if (const auto texts = machine_->violations(); !texts.empty()) return "contract of hal: " + texts.front();
  if (const auto texts = machine_->failures(); !texts.empty()) return "a core failed: " + texts.front();
  if (watchers_ == Watchers::kAutomaton) return std::nullopt;
  return compare();
}

std::optional<std::string> Lockstep::perform(const Op& op) {
  if (op.kind == OpKind::kImage) {
    if (!machine_->driven(base::CoreId{0})) return std::nullopt;
    for (std::size_t i = 0; i < image_.size(); i += kFrame) {
      const std::uint64_t frame = op.arguments[0] / kFrame + i / kFrame;
      const FrameHolder now = spec_.holder(frame);
      if (now.owner != base::kParent || now.kind == Holder::kNotRam) return std::nullopt;
    }
    machine_->cpu(base::CoreId{0}).write(base::Ipa{op.arguments[0] & ~(kFrame - 1)}, image_);
    return std::nullopt;
  }
  if (op.kind == OpKind::kDma) {
    const auto owner = spec_.streams().find(base::StreamId{static_cast<std::uint32_t>(op.arguments[0])});
    const bool may = owner != spec_.streams().end() && spec_.may_be_attached(owner->first, owner->second) &&
                     spec_.reaches(owner->second, op.arguments[1], true);
    host::DmaDevice device(*machine_, base::StreamId{static_cast<std::uint32_t>(op.arguments[0])});
    const std::array<std::uint8_t, 8> bytes{0xD, 0xE, 0xA, 0xD, 1, 2, 3, 4};
    const bool did = device.write(op.arguments[1] & ~std::uint64_t{7}, bytes);
    if (did && !may) return "a device wrote what its partition does not reach";
    return std::nullopt;
  }
  const SpecCore& core = spec_.cores().at(op.core.value);
  if (machine_->driven(op.core) != core.on) {
    return core.on ? "the core should run a guest and does not" : "the core runs a guest and should not";
  }
  if (!core.on) return std::nullopt;
  if (op.kind == OpKind::kRead || op.kind == OpKind::kWrite) return touch(op);
  if (op.kind == OpKind::kUndefined) {
    bool left = false;
    try {
      host::GuestCpu cpu = machine_->cpu(op.core);
      static_cast<void>(cpu.trap(op.arguments[0]));
      cpu.forget_exception();
    } catch (const host::LeaveGuest&) {
      left = true;
    }
    return spec_.fault(op.core) == left ? std::optional<std::string>("a fault was not counted as it must be") : std::nullopt;
  }
  Call call{.core = op.core, .function = op.function, .arguments = op.arguments};
  answer_ = {};
  try {
    const auto& x = op.arguments;
    const host::CallResult result = machine_->cpu(op.core).hvc(op.function, {x[0], x[1], x[2], x[3], x[4], x[5]});
    std::copy_n(result.x.begin(), answer_.x.size(), answer_.x.begin());
    const auto number = static_cast<std::uint32_t>(op.function);
    const bool has_results = (number >> 24 & 0x3F) == 6 || number == 0x8400'0052 || (number | 0x4000'0000) == 0xC400'0053;
    for (std::size_t i = has_results ? 4 : 1; i < result.x.size(); ++i) {
      const std::uint64_t sent = i <= 6 ? x[i - 1] : 0;
      if (result.x[i] != sent) return "x" + std::to_string(i) + " was not preserved";
    }
  } catch (const host::LeaveGuest&) {
    answer_.left = true;
  }
  if (op.fail_at < 0) {
    for (const base::Error error : {base::Error::kDeviceTimeout}) {
      if (answer_.x[0] == ~static_cast<std::uint64_t>(error) + 1) return "a refusal by the machine that did not happen";
    }
  }
  const auto function = static_cast<Function>(static_cast<std::uint32_t>(op.function));
  const bool gives_back = function == Function::kMemoryReclaim || function == Function::kSlotFree;
  if (op.fail_at >= 0 && gives_back && !answer_.left && answer_.x[0] != 0 && machine_->driven(op.core)) {
    machine_->faults().disarm();
    const host::CallResult info = machine_->cpu(op.core).call(Function::kSlotInfo, {op.arguments[0]});
    if (info.ok()) answer_.memory_after = info.x[3];
  }
  return spec_.step(call, answer_);
}

std::optional<std::string> Lockstep::touch(const Op& op) {
  const bool write = op.kind == OpKind::kWrite;
  const std::uint64_t ipa = op.arguments[0] & ~std::uint64_t{7};
  const PartitionId partition = spec_.cores()[op.core.value].owner;
  const bool may = spec_.reaches(partition, ipa, write);
  host::GuestCpu cpu = machine_->cpu(op.core);
  bool did = true;
  bool left = false;
  try {
    if (write) {
      cpu.write64(base::Ipa{ipa}, op.arguments[1]);
    } else {
      static_cast<void>(cpu.read64(base::Ipa{ipa}));
    }
  } catch (const host::GuestException&) {
    did = false;
  } catch (const host::LeaveGuest&) {
    did = false;
    left = true;
  }
  if (did != may) return did ? "a guest reached what it must not" : "a guest did not reach what is its own";
  if (!did && spec_.fault(op.core) == left) return "a fault was not counted as it must be";
  return std::nullopt;
}

std::optional<std::string> Lockstep::compare() const {
  if (machine_->stopping()) {
    return spec_.off() ? std::nullopt : std::optional<std::string>("the machine stopped: " + machine_->console());
  }
  if (spec_.off()) return "the machine did not stop";
  if (const auto differ = disagreement(spec_)) return differ;
  std::vector<std::vector<ReachRun>> expected;
  for (std::uint64_t i = 0; i < kPartitions; ++i) {
    const PartitionId partition{static_cast<std::uint8_t>(i)};
    expected.push_back(partition == base::kMonitor ? std::vector<ReachRun>{} : spec_.reach(partition));
    const auto found = walked(*machine_, partition);
    if (found != expected.back()) {
      return "partition " + std::to_string(i) + " reaches" + describe(found) + " and had to reach" +
             describe(expected.back());
    }
  }
  for (const host::Reach& reach : host::everything_reachable(*machine_)) {
    if (reach.kind == host::ReachKind::kTable) continue;
    if (reach.partition.value >= kPartitions ||
        !covers(expected[reach.partition.value], reach.ipa.value, reach.frames.first().value, reach.frames.count().value)) {
      return std::string(reach.kind == host::ReachKind::kCoreCache ? "a TLB" : "the SMMU") + " may hold frame " +
             std::to_string(reach.frames.first().value) + " for partition " + std::to_string(reach.partition.value);
    }
  }
  const auto attached = host::attached_streams(*machine_);
  for (const auto& [stream, partition] : attached) {
    if (!spec_.may_be_attached(stream, partition)) return "the stream table is not what it had to be";
  }
  for (const auto& [stream, owner] : spec_.streams()) {
    if (spec_.must_be_attached(stream) && !attached.contains({stream, owner})) return "a stream had to be attached";
  }
  // The monitor's own idea of itself, which the specification knows nothing of.
  if (const auto broken = hypercall::broken_invariant(monitor::g_state)) return "invariant: " + std::string(*broken);
  for (std::size_t i = 0; i < spec_.cores().size(); ++i) {
    const host::Core& core = *machine_->cores()[i];
    const SpecCore& wanted = spec_.cores()[i];
    if (core.in_guest != wanted.on) return "core " + std::to_string(i) + (wanted.on ? " had to run" : " had to be parked");
    if (core.in_guest && core.guest.entry.partition != wanted.owner) {
      return "core " + std::to_string(i) + " runs another's code";
    }
  }
  return std::nullopt;
}

}  // namespace model
