#include "tests/model/explore.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <memory>
#include <sstream>
#include <unordered_map>
#include <utility>

#include "firmware/hypercall/invariants.hpp"
#include "firmware/hypercall/plan.hpp"
#include "tests/model/ownership_spec.hpp"

namespace model {
namespace {

using base::Effect;
using base::EffectKind;
using base::PartitionId;
using hypercall::Transition;

constexpr std::uint64_t kFirst = board::kFrameTableBase / kFrame;
constexpr std::uint64_t kFrames = board::kFrameTableFrames;
constexpr std::uint64_t kNothingPending = 0xFF;

// The machine as sets: bit p of a byte is partition p.
struct Sets {
  std::array<std::uint8_t, kFrames> reached{};
  std::array<std::uint8_t, kFrames> cores_may{};  // stale in a TLB
  std::array<std::uint8_t, kFrames> smmu_may{};   // stale in the SMMU
  std::array<bool, kFrames> secret{};             // an enclave had it since it was zero
  std::map<base::StreamId, PartitionId> streams;
  std::uint8_t smmu_caches{};                     // partitions whose translations the SMMU may hold
  std::uint8_t spaces{};                          // partitions with an address space
};

struct Pending {  // work that a core does outside the lock
  std::uint64_t slot{kNothingPending};
  partition::WorkKind kind{};
  base::FrameRange frames{};
  Call call{};
  std::array<std::uint64_t, 4> planned{};
};

struct World {
  hypercall::SystemState state;
  hypercall::FrameStorage storage;
  Spec spec;
  Sets sets;
  Pending pending;
  std::array<bool, board::kMaxCores> inside{};  // the core runs its owner's code

  World() = default;
  World(const World& other) { *this = other; }
  World& operator=(const World& other) {
    state = other.state;
    storage = other.storage;
    spec = other.spec;
    sets = other.sets;
    pending = other.pending;
    inside = other.inside;
    state.frames = partition::FrameTable{other.state.frames.first(), storage.blocks, storage.frames};
    return *this;
  }
};

struct Edge {
  enum class Kind : std::uint8_t { kCall, kFinish } kind{};
  std::string name;
  base::CoreId core{};
  Function function{};
  std::uint32_t raw_function{};
  int slot{-1};  // arguments[0] is its uid
  std::array<std::uint64_t, 6> arguments{};
  hypercall::LoadOutcome outcome{};  // kFinish of a load
};

class Explorer {
 public:
  explicit Explorer(const ExploreConfig& config) : config_(config) { make_edges(); }
  ExploreReport run();

 private:
  struct Node {
    std::uint32_t parent;
    std::uint16_t edge;
    std::uint16_t depth;
  };

  void make_edges();
  void start(World& world);
  [[nodiscard]] bool possible(const World& world, const Edge& edge) const;
  std::optional<std::string> take(World& world, const Edge& edge);
  std::optional<std::string> finish(World& world, const Edge& edge);
  std::optional<std::string> effects(World& world, const Transition& transition, const Call* call);
  std::optional<std::string> gain(World& world, PartitionId partition, base::FrameRange frames, const Call* call);
  std::optional<std::string> leave(World& world, base::CoreId core);
  std::optional<std::string> settle(World& world, std::uint64_t stop);
  [[nodiscard]] std::optional<std::string> compare(const World& world) const;
  [[nodiscard]] static std::string key(const World& world);

  ExploreConfig config_;
  ExploreReport report_;
  std::vector<Edge> edges_;
  std::uint64_t to_stop_{};
};

void Explorer::make_edges() {
  const auto add = [&](std::string name, Function function, int slot, std::array<std::uint64_t, 6> arguments = {},
                       std::uint8_t core = 0) {
    edges_.push_back({.name = std::move(name), .core = base::CoreId{core}, .function = function,
                      .raw_function = static_cast<std::uint32_t>(function), .slot = slot, .arguments = arguments});
  };
  // Two ranges that touch, then one apart: joined regions and split ones.
  const std::array<Range, 3> ranges = {Range{kFirst, 1}, Range{kFirst + 1, 2}, Range{kFirst + 1024, 1}};
  add("allocate", Function::kSlotAllocate, -1);
  for (int slot = 0; slot < 2; ++slot) {
    const std::string of = " slot " + std::to_string(slot);
    for (unsigned i = 0; i < config_.ranges; ++i) {
      const std::array<std::uint64_t, 6> range = {0, ranges[i].first * kFrame, ranges[i].count * kFrame};
      add("donate range " + std::to_string(i) + of, Function::kMemoryDonate, slot, range);
      add("reclaim range " + std::to_string(i) + of, Function::kMemoryReclaim, slot, range);
      if (config_.channel) add("open channel on range " + std::to_string(i) + of, Function::kChannelOpen, slot, range);
    }
    if (config_.channel) add("close channel" + of, Function::kChannelClose, slot, {0, 0});
    for (unsigned core = 1; core < config_.cores; ++core) {
      const std::array<std::uint64_t, 6> mpidr = {0, board::kBoard.cores[core].mpidr};
      add("donate core " + std::to_string(core) + of, Function::kCoreDonate, slot, mpidr);
      add("reclaim core " + std::to_string(core) + of, Function::kCoreReclaim, slot, mpidr);
    }
    if (config_.device) {
      const std::array<std::uint64_t, 6> stream = {0, board::kBoard.devices[0].stream.value};
      add("assign device" + of, Function::kDeviceAssign, slot, stream);
      add("release device" + of, Function::kDeviceRelease, slot, stream);
    }
    add("start" + of, Function::kSlotStart, slot, {0, 0, 16U + static_cast<unsigned>(slot), 0});
    add("stop" + of, Function::kSlotStop, slot);
    add("free" + of, Function::kSlotFree, slot);
  }
  if (config_.device) {
    const std::array<std::uint64_t, 6> stream = {board::kBoard.devices[0].stream.value};
    add("parent accepts device", Function::kDeviceAccept, -1, stream);
    for (unsigned core = 1; core < config_.cores; ++core) {
      add("core " + std::to_string(core) + " accepts device", Function::kDeviceAccept, -1, stream,
          static_cast<std::uint8_t>(core));
    }
  }
  for (unsigned core = 1; core < config_.cores; ++core) {
    const auto number = static_cast<std::uint8_t>(core);
    const auto power = [&](std::string name, std::uint32_t function, std::array<std::uint64_t, 6> arguments, std::uint8_t by) {
      edges_.push_back({.name = std::move(name), .core = base::CoreId{by}, .raw_function = function, .arguments = arguments});
    };
    power("parent switches core " + std::to_string(core) + " on", cofferdam_abi::kPsciCpuOn,
          {board::kBoard.cores[core].mpidr, board::kBoard.memory[0].base}, 0);
    power("core " + std::to_string(core) + " switches off", cofferdam_abi::kPsciCpuOff, {}, number);
    add("core " + std::to_string(core) + " exits its enclave", Function::kEnclaveExit, -1, {}, number);
    if (core > 1) power("core 1 starts core number 1 of its partition", cofferdam_abi::kPsciCpuOn,
                        {1, board::kBoard.enclave_ram_base}, 1);
  }
  const auto done = [&](std::string name, hypercall::LoadOutcome outcome) {
    edges_.push_back({.kind = Edge::Kind::kFinish, .name = std::move(name), .outcome = outcome});
  };
  done("the work ends, more to do", hypercall::LoadOutcome::kMore);
  done("the work ends, ready", hypercall::LoadOutcome::kReady);
  done("the image is refused, untouched", hypercall::LoadOutcome::kRefusedUntouched);
}

void Explorer::start(World& world) {
  hypercall::initialise(world.state, world.storage);
  world.state.cores.at(base::CoreId{0}).state = partition::CoreState::kRunning;
  world.inside[0] = true;
  world.sets.spaces = 1U << base::kParent.value;
  for (const board::MemoryRegion& region : board::kBoard.memory) {
    for (std::uint64_t at = region.base; at < region.base + region.size; at += kFrame) {
      world.sets.reached[at / kFrame - kFirst] = 1U << base::kParent.value;
    }
  }
  for (const board::Device& device : board::kBoard.devices) {
    if (device.owner == board::Owner::kMonitor) continue;
    world.sets.streams[device.stream] = base::kParent;
    world.sets.smmu_caches |= 1U << base::kParent.value;
  }
}

bool Explorer::possible(const World& world, const Edge& edge) const {
  if (edge.kind == Edge::Kind::kFinish) {
    if (world.pending.slot == kNothingPending) return false;
    const bool load = world.pending.kind == partition::WorkKind::kLoad;
    return load || edge.outcome == hypercall::LoadOutcome::kMore;  // scrubbing has one end
  }
  if (!world.inside[edge.core.value]) return false;
  return edge.slot < 0 || world.spec.slots().contains(static_cast<unsigned>(edge.slot));
}

std::optional<std::string> Explorer::gain(World& world, PartitionId partition, base::FrameRange frames, const Call* call) {
  const auto bit = static_cast<std::uint8_t>(1U << partition.value);
  for (std::uint64_t i = 0; i < frames.count().value; ++i) {
    const std::uint64_t frame = frames.first().value + i;
    if (frame < kFirst || frame >= kFirst + kFrames) continue;  // a device's registers
    const std::uint64_t at = frame - kFirst;
    const auto others = static_cast<std::uint8_t>(
        (world.sets.reached[at] | world.sets.cores_may[at] | world.sets.smmu_may[at]) & ~bit);
    const bool opening = call != nullptr && static_cast<std::uint32_t>(call->function) ==
                                                static_cast<std::uint32_t>(Function::kChannelOpen);
    const bool shared = opening || world.spec.holder(frame).kind == Holder::kShared;
    if (others != 0 && !(shared && others == 1U << base::kParent.value)) {
      return "frame " + std::to_string(frame) + " is reachable by two partitions";
    }
    if (partition == base::kParent && world.sets.secret[at]) {
      return "frame " + std::to_string(frame) + " comes back from an enclave and was not zeroed";
    }
    if (partition != base::kParent && !shared) world.sets.secret[at] = true;
    world.sets.reached[at] |= bit;
  }
  return std::nullopt;
}

std::optional<std::string> Explorer::effects(World& world, const Transition& transition, const Call* call) {
  Sets& sets = world.sets;
  bool irreversible = false;
  for (const Effect& effect : transition.effects) {
    ++report_.effects;
    const auto bit = static_cast<std::uint8_t>(1U << effect.partition.value);
    const auto each = [&](const auto& visit) {
      for (std::uint64_t i = 0; i < effect.frames.count().value; ++i) {
        const std::uint64_t frame = effect.frames.first().value + i;
        if (frame >= kFirst && frame < kFirst + kFrames) visit(frame - kFirst);
      }
    };
    if (base::is_reversible(effect.kind) && irreversible) return "a reversible effect comes after one that can't fail";
    irreversible = irreversible || !base::is_reversible(effect.kind);
    switch (effect.kind) {
      case EffectKind::kUnmapStage2:
        each([&](std::uint64_t at) {
          sets.reached[at] &= static_cast<std::uint8_t>(~bit);
          sets.cores_may[at] |= bit;
          if ((sets.smmu_caches & bit) != 0) sets.smmu_may[at] |= bit;
        });
        break;
      case EffectKind::kInvalidateStage2:
        if (!config_.forget_invalidation) {
          each([&](std::uint64_t at) { sets.cores_may[at] &= static_cast<std::uint8_t>(~bit); });
        }
        break;
      case EffectKind::kInvalidateSmmu:
        for (std::uint8_t& mask : sets.smmu_may) mask &= static_cast<std::uint8_t>(~bit);
        if (std::none_of(sets.streams.begin(), sets.streams.end(),
                         [&](const auto& entry) { return entry.second == effect.partition; })) {
          sets.smmu_caches &= static_cast<std::uint8_t>(~bit);
        }
        break;
      case EffectKind::kDetachStream: sets.streams[effect.stream] = base::kMonitor; break;
      case EffectKind::kAttachStream:
        if (sets.streams[effect.stream] != base::kMonitor) return "a stream changes hands without an abort";
        for (std::size_t at = 0; at < kFrames; ++at) {
          if ((sets.smmu_may[at] & bit) != 0) return "the SMMU still holds old translations of the new owner";
        }
        if ((sets.spaces & bit) == 0) return "a stream is attached to no address space";
        sets.streams[effect.stream] = effect.partition;
        sets.smmu_caches |= bit;
        break;
      case EffectKind::kCreateStage2:
        if ((sets.spaces & bit) != 0) return "an address space is made twice";
        sets.spaces |= bit;
        break;
      case EffectKind::kMapStage2:
        if ((sets.spaces & bit) == 0) return "a mapping without an address space";
        if (const auto problem = gain(world, effect.partition, effect.frames, call)) return problem;
        break;
      case EffectKind::kDestroyStage2:
        for (const auto& [stream, partition] : sets.streams) {
          if (partition == effect.partition) return "an address space goes while a stream is attached to it";
        }
        for (std::size_t core = 0; core < world.inside.size(); ++core) {
          if (world.inside[core] && world.spec.cores()[core].owner == effect.partition) {
            return "an address space goes while a core runs in it";
          }
        }
        for (std::size_t at = 0; at < kFrames; ++at) {
          sets.reached[at] &= static_cast<std::uint8_t>(~bit);
          sets.cores_may[at] &= static_cast<std::uint8_t>(~bit);
        }
        sets.spaces &= static_cast<std::uint8_t>(~bit);
        break;
      case EffectKind::kScrubFrames:
        each([&](std::uint64_t at) { sets.secret[at] = config_.forget_scrub && sets.secret[at]; });
        break;
      case EffectKind::kStartCore:
        if (world.inside[effect.core.value]) return "a core is started that runs already";
        world.inside[effect.core.value] = true;
        break;
      case EffectKind::kStopCores: to_stop_ |= effect.argument; break;
      case EffectKind::kCleanFrames:
      case EffectKind::kRouteInterrupt:
      case EffectKind::kDisableInterrupt:
      case EffectKind::kInjectInterrupt: break;
    }
  }
  return std::nullopt;
}

std::optional<std::string> Explorer::leave(World& world, base::CoreId core) {
  world.inside[core.value] = false;
  const Transition left = hypercall::plan_core_left(world.state, core);
  if (const auto problem = effects(world, left, nullptr)) return problem;
  hypercall::commit(world.state, left);
  return std::nullopt;
}

std::optional<std::string> Explorer::settle(World& world, std::uint64_t stop) {
  for (std::uint8_t i = 0; i < world.inside.size(); ++i) {
    if ((stop >> i & 1) == 0 || !world.inside[i]) continue;
    if (const auto problem = leave(world, base::CoreId{i})) return problem;
  }
  return std::nullopt;
}

std::optional<std::string> Explorer::finish(World& world, const Edge& edge) {
  const Pending pending = std::exchange(world.pending, Pending{});
  const base::SlotIndex slot{static_cast<std::uint8_t>(pending.slot)};
  Transition transition;
  if (pending.kind == partition::WorkKind::kScrub) {
    for (std::uint64_t i = 0; i < pending.frames.count().value; ++i) {
      const std::uint64_t at = pending.frames.first().value + i - kFirst;
      if ((world.sets.reached[at] | world.sets.cores_may[at] | world.sets.smmu_may[at]) != 0) {
        return "frames are zeroed while somebody reaches them";
      }
      world.sets.secret[at] = config_.forget_scrub && world.sets.secret[at];
    }
    transition = hypercall::plan_scrubbed(world.state, slot);
  } else {
    transition = hypercall::plan_load_step(world.state, slot, edge.outcome, base::Ipa{board::kBoard.enclave_ram_base},
                                           base::Ipa{0}, base::Error::kBadImage, 1);
  }
  to_stop_ = 0;
  if (const auto problem = effects(world, transition, nullptr)) return problem;
  hypercall::commit(world.state, transition);
  if (const auto problem = settle(world, to_stop_)) return problem;
  Answer answer{.x = {transition.reply.status, transition.reply.values[0], transition.reply.values[1],
                      transition.reply.values[2]}};
  return world.spec.step(pending.call, answer);
}

std::optional<std::string> Explorer::take(World& world, const Edge& edge) {
  if (edge.kind == Edge::Kind::kFinish) return finish(world, edge);
  Call call{.core = edge.core, .function = edge.raw_function, .arguments = edge.arguments};
  if (edge.slot >= 0) call.arguments[0] = world.spec.slots().at(static_cast<unsigned>(edge.slot)).uid;
  const hypercall::Call asked{edge.raw_function, call.arguments};
  const auto caller = hypercall::Caller::on(world.state.cores, edge.core);
  const Transition transition = hypercall::plan(world.state, caller, asked, {.unix_milliseconds = 1, .random = 1});
  const std::uint64_t status = transition.reply.status;
  const bool named_busy = edge.slot >= 0 && world.pending.slot == static_cast<std::uint64_t>(edge.slot);
  // A call on an enclave that another core works on: busy, or not in a state for it, and nothing changes.
  const bool busy = status == partition::status_of(base::Error::kBusy);
  if (busy && !named_busy) return "busy, and nobody is at work";
  if (busy || (named_busy && status == partition::status_of(base::Error::kWrongState))) {
    if (!transition.effects.empty()) return "a refusal with effects";
    ++report_.refused;
    hypercall::commit(world.state, transition);
    return std::nullopt;
  }
  to_stop_ = 0;
  if (const auto problem = effects(world, transition, &call)) return problem;
  hypercall::commit(world.state, transition);
  const bool left = transition.caller_core == partition::CallerCore::kLeavesGuest;
  if (left) to_stop_ |= std::uint64_t{1} << edge.core.value;
  if (const auto problem = settle(world, to_stop_)) return problem;
  const auto kind = transition.work.kind;
  if (kind == partition::WorkKind::kScrub || kind == partition::WorkKind::kLoad) {
    if (world.pending.slot != kNothingPending) {
      // A second core would work on the other slot meanwhile; one at a time is kept apart here.
      world.pending.slot = kNothingPending - 1;
      return std::nullopt;
    }
    world.pending = {transition.work.slot.value, kind, transition.work.frames, call, {}};
    return std::nullopt;
  }
  if (status != 0 && status != partition::status_of(base::Error::kInProgress)) ++report_.refused;
  Answer answer{.x = {status, transition.reply.values[0], transition.reply.values[1], transition.reply.values[2]},
                .left = left};
  return world.spec.step(call, answer);
}

std::optional<std::string> Explorer::compare(const World& world) const {
  if (const auto broken = hypercall::broken_invariant(world.state)) return "invariant " + std::string(*broken);
  for (std::size_t i = 0; i < world.inside.size(); ++i) {
    if (world.inside[i] != world.spec.cores()[i].on) return "core " + std::to_string(i) + " is not where it had to be";
  }
  for (const auto& [stream, owner] : world.spec.streams()) {
    const PartitionId now = world.sets.streams.at(stream);
    if (now != base::kMonitor && !world.spec.may_be_attached(stream, now)) return "a stream reaches another's memory";
    if (world.spec.must_be_attached(stream) && now != owner) return "a stream had to be attached";
  }
  if (world.pending.slot != kNothingPending) return std::nullopt;  // the specification speaks when the work is done
  std::array<std::uint8_t, kFrames> expected{};
  for (std::uint8_t p = 1; p < board::kBoard.limits.enclaves + 2; ++p) {
    for (const ReachRun& run : world.spec.reach(PartitionId{p})) {
      for (std::uint64_t i = 0; i < run.frames.count; ++i) {
        const std::uint64_t frame = run.frames.first + i;
        if (frame >= kFirst && frame < kFirst + kFrames) expected[frame - kFirst] |= static_cast<std::uint8_t>(1U << p);
      }
    }
  }
  for (std::size_t at = 0; at < kFrames; ++at) {
    if (world.sets.reached[at] != expected[at]) return "frame " + std::to_string(kFirst + at) + " is not reached by whom it had to";
    const auto stale = static_cast<std::uint8_t>((world.sets.cores_may[at] | world.sets.smmu_may[at]) & ~expected[at]);
    if (stale != 0) return "frame " + std::to_string(kFirst + at) + " may still be reached by a former owner";
  }
  return std::nullopt;
}

std::string Explorer::key(const World& world) {
  std::ostringstream out;
  out << world.spec.key() << '|' << world.pending.slot << static_cast<int>(world.pending.kind) << ','
      << world.pending.call.function;
  for (const enclave::Slot& slot : world.state.slots) {
    out << '|' << static_cast<int>(slot.state) << slot.busy << slot.scrubbing.first().value << '+'
        << slot.scrubbing.count().value << 'm' << slot.memory_bytes;
  }
  for (const auto& [stream, partition] : world.sets.streams) out << 's' << unsigned{partition.value};
  out << unsigned{world.sets.smmu_caches};
  return out.str();
}

ExploreReport Explorer::run() {
  std::vector<Node> nodes{{0, 0, 0}};
  std::unordered_map<std::string, std::uint32_t> seen;
  auto first = std::make_unique<World>();
  start(*first);
  if (const auto problem = compare(*first)) {
    report_.problem = "at the start: " + *problem;
    return report_;
  }
  seen.emplace(key(*first), 0);
  // Worlds wait whole (50 KB each) until they have been looked at; of the others only the key and the way are kept.
  std::deque<std::pair<std::uint32_t, std::unique_ptr<World>>> frontier;
  frontier.emplace_back(0, std::move(first));
  const auto path_to = [&](std::uint32_t node) {
    std::vector<std::string> path;
    for (; node != 0; node = nodes[node].parent) path.push_back(edges_[nodes[node].edge].name);
    std::reverse(path.begin(), path.end());
    return path;
  };
  World next;
  while (!frontier.empty()) {
    const auto [node, world] = std::move(frontier.front());
    frontier.pop_front();
    for (std::size_t i = 0; i < edges_.size(); ++i) {
      if (!possible(*world, edges_[i])) continue;
      next = *world;
      ++report_.edges;
      auto problem = take(next, edges_[i]);
      if (next.pending.slot == kNothingPending - 1) continue;
      if (!problem) problem = compare(next);
      if (problem) {
        report_.problem = problem;
        report_.path = path_to(node);
        report_.path.push_back(edges_[i].name);
        report_.states = nodes.size();
        return report_;
      }
      const auto [entry, fresh] = seen.emplace(key(next), static_cast<std::uint32_t>(nodes.size()));
      if (!fresh) continue;
      if (nodes.size() == config_.most_states) {
        report_.states = nodes.size();
        return report_;
      }
      nodes.push_back({node, static_cast<std::uint16_t>(i), static_cast<std::uint16_t>(nodes[node].depth + 1)});
      report_.depth = std::max<std::size_t>(report_.depth, nodes.back().depth);
      frontier.emplace_back(entry->second, std::make_unique<World>(next));
    }
  }
  report_.states = nodes.size();
  report_.complete = true;
  return report_;
}

}  // namespace

ExploreReport explore(const ExploreConfig& config) { return std::make_unique<Explorer>(config)->run(); }

}  // namespace model
