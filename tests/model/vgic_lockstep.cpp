#include "tests/model/vgic_lockstep.hpp"

#include <algorithm>
#include <array>
#include <memory>

#include "tests/model/vgic_machine.hpp"
#include "tests/model/vgic_spec.hpp"

namespace vgic_model {
namespace {

using base::Intid;

class Choices {
 public:
  explicit Choices(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
  [[nodiscard]] bool empty() const { return position_ >= bytes_.size(); }
  std::uint8_t byte() { return empty() ? std::uint8_t{0} : bytes_[position_++]; }
  unsigned below(unsigned count) { return byte() % count; }
  std::uint32_t word() {
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i) value = value << 8 | byte();
    return value;
  }
  template <typename T, std::size_t kCount>
  T one_of(const std::array<T, kCount>& values) {
    return values[below(kCount)];
  }

 private:
  std::span<const std::uint8_t> bytes_;
  std::size_t position_{0};
};

constexpr std::array<std::uint32_t, 2> kPhysicalPpis{27, 30};
constexpr std::array<std::uint32_t, 5> kPhysicalSpis{33, 34, 35, 63, 64};
constexpr std::array<std::uint32_t, 6> kMessages{65, 66, 67, 68, 500, 991};
constexpr std::array<std::uint32_t, 4> kRaised{36, 37, 69, 1019};
constexpr std::uint32_t kRaisedPpi = 23;
constexpr std::array<std::uint8_t, 5> kPriorities{0x00, 0x40, 0x80, 0xA0, 0xF0};
constexpr std::array<std::uint32_t, 21> kUsed{0, 1, 7, 23, 27, 30, 33, 34, 35, 63, 64, 65, 66, 67, 68, 500, 991, 36, 37, 69, 1019};

[[nodiscard]] bool is_physical(std::uint32_t intid) {
  return std::ranges::count(kPhysicalPpis, intid) != 0 || std::ranges::count(kPhysicalSpis, intid) != 0;
}

vgic::Configuration configuration_of(unsigned cores) {
  vgic::Configuration made;
  made.cores = static_cast<std::uint8_t>(cores);
  for (unsigned i = 0; i < cores; ++i) {
    made.mpidr[i] = 0x8000'0000U | (i < 4 ? i : std::uint64_t{1} << 32 | 0x100 | (i * 5));  // two clusters, two ranges
  }
  for (const std::uint32_t intid : kPhysicalPpis) made.physical.add(Intid{intid});
  for (const std::uint32_t intid : kPhysicalSpis) made.physical.add(Intid{intid});
  for (const std::uint32_t intid : kMessages) made.message.add(Intid{intid});
  for (const std::uint32_t intid : kRaised) made.raised.add(Intid{intid});
  made.raised.add(Intid{kRaisedPpi});
  return made;
}
std::vector<std::uint64_t> affinities_of(const vgic::Configuration& configuration) {
  std::vector<std::uint64_t> made;
  for (unsigned i = 0; i < configuration.cores; ++i) made.push_back(configuration.mpidr[i] & 0xFF'00FF'FFFF);
  return made;
}
std::vector<std::uint32_t> spis() {
  std::vector<std::uint32_t> made(kPhysicalSpis.begin(), kPhysicalSpis.end());
  made.insert(made.end(), kMessages.begin(), kMessages.end());
  made.insert(made.end(), kRaised.begin(), kRaised.end());
  return made;
}

// ---- With the specification ---------------------------------------------------------------------------------

class Pair {
 public:
  explicit Pair(Choices& choices)
      : choices_(choices),
        configuration_(configuration_of(1 + choices.below(8))),
        machine_(configuration_, 1 + choices.below(5)),
        spec_(affinities_of(configuration_), {kRaisedPpi, kPhysicalPpis[0], kPhysicalPpis[1]}, spis()),
        split_(choices.below(4) == 0) {
    for (unsigned i = 0; i < cores(); ++i) power_on(i);
    if (choices.below(8) != 0) prepare();
  }

  std::string run() {
    for (int step = 0; step < 400 && !choices_.empty() && sound(); ++step) {
      one_step();
      compare_message_routes();
    }
    for (unsigned core = 0; core < cores() && sound(); ++core) drain(core);
    if (sound()) compare_all();
    return difference_.empty() ? machine_.broken : difference_;
  }

 private:
  [[nodiscard]] bool sound() const { return difference_.empty() && machine_.broken.empty(); }
  [[nodiscard]] unsigned cores() const { return configuration_.cores; }
  void differ(const std::string& what) {
    if (difference_.empty()) difference_ = what;
  }
  [[nodiscard]] unsigned online() {
    unsigned core = choices_.below(cores());
    while (!spec_.core(core).online) core = (core + 1) % cores();
    return core;
  }
  [[nodiscard]] unsigned online_count() {
    unsigned count = 0;
    for (unsigned i = 0; i < cores(); ++i) count += spec_.core(i).online ? 1U : 0U;
    return count;
  }

  void power_on(unsigned core) {
    spec_.power_on(core);
    machine_.power_on(core);
    spec_.core(core).split_end = machine_.interface(core).split_end = split_;
  }
  // What a guest does first: everything enabled, in both groups, edges for the messages.
  void prepare() {
    write_control(3);
    for (const std::uint32_t intid : kMessages) {
      if (choices_.below(2) == 0) configure(0, intid, true);
    }
    for (unsigned core = 0; core < cores(); ++core) {
      for (const std::uint32_t intid : kUsed) {
        if (core != 0 && intid >= 32) continue;
        set_priority(core, core, intid, choices_.one_of(kPriorities));
        write_bit(core, core, offset::kIsenabler, intid, 1U << (intid % 32));
      }
    }
  }

  void write_control(std::uint32_t value) {
    spec_.set_control(value);
    machine_.write(online(), kDistributor, offset::kCtlr, value);
  }
  void set_priority(unsigned by, unsigned core, std::uint32_t intid, std::uint8_t priority) {
    if (SpecInterrupt* one = spec_.find(core, intid)) one->priority = priority & 0xF8;
    machine_.write(by, frame_of(core, intid), offset::kIpriorityr + intid, priority, 1);
  }
  void configure(unsigned by, std::uint32_t intid, bool edge) {
    SpecInterrupt* one = spec_.find(0, intid);
    if (intid < 32 || one == nullptr || one->enabled || one->pending() || one->active) return;  // UNPREDICTABLE otherwise
    one->edge = edge;
    const std::uint64_t at = offset::kIcfgr + intid / 16 * 4;
    const std::uint64_t before = machine_.read(by, kDistributor, at);
    const std::uint64_t bit = std::uint64_t{2} << (intid % 16 * 2);
    machine_.write(by, kDistributor, at, edge ? before | bit : before & ~bit);
  }

  void write_bit(unsigned by, unsigned core, std::uint64_t kind, std::uint32_t intid, std::uint32_t mask) {
    const std::uint32_t first = intid / 32 * 32;
    std::uint32_t written = 0;
    for (std::uint32_t i = 0; i < 32; ++i) {
      if ((mask >> i & 1) == 0) {
        if (kind == offset::kIgroupr) {
          if (SpecInterrupt* one = spec_.find(core, first + i)) one->group1 = false;
        }
        continue;
      }
      SpecInterrupt* one = spec_.find(core, first + i);
      if (one != nullptr && !may_write(core, kind, first + i, *one)) continue;
      written |= 1U << i;
      if (one != nullptr) apply(kind, *one);
    }
    machine_.write(by, frame_of(core, intid), kind + intid / 32 * 4, written);
  }
  // Where the machine can't do exactly what the architecture says (docs/decisions/0016): an interrupt that the physical
  // GIC handed over is pending once more for the machine, not the same once for the guest. And an EOI for what was
  // deactivated otherwise can't be told from another.
  bool may_write(unsigned core, std::uint64_t kind, std::uint32_t intid, const SpecInterrupt& one) {
    if (is_anothers(core, kind, intid)) return false;
    if (kind == offset::kIspendr && is_physical(intid)) return !machine_.gic.line(core, intid).active || one.active;
    if (kind == offset::kIcactiver) return !one.acknowledged || split_;
    return true;
  }
  // Whether a timer of a core that is off waits is nobody's business here: the core may be another partition's by now.
  bool is_anothers(unsigned core, std::uint64_t kind, std::uint32_t intid) {
    const bool pending = kind == offset::kIspendr || kind == offset::kIcpendr;
    return pending && intid < vgic::kFirstSpi && is_physical(intid) && !spec_.core(core).online;
  }
  static void apply(std::uint64_t kind, SpecInterrupt& one) {
    switch (kind) {
      case offset::kIgroupr: one.group1 = true; break;
      case offset::kIsenabler: one.enabled = true; break;
      case offset::kIcenabler: one.enabled = false; break;
      case offset::kIspendr: one.latch = true; break;
      case offset::kIcpendr: one.latch = false; break;
      case offset::kIsactiver: one.active = true; break;
      case offset::kIcactiver: one.active = one.acknowledged = false; break;
      default: break;
    }
  }

  void acknowledge(unsigned core) {
    const std::uint32_t intid = machine_.acknowledge(core);
    const std::string why = spec_.acknowledge(core, intid);
    if (!why.empty()) differ("core " + std::to_string(core) + " takes " + std::to_string(intid) + ": " + why);
  }
  void end_latest(unsigned core) {
    if (spec_.core(core).running.empty()) return;
    const std::uint32_t intid = spec_.core(core).running.back().second;
    spec_.end(core, intid);
    machine_.end(core, intid);
  }
  void deactivate_some(unsigned core) {
    if (!split_) return;
    std::vector<std::uint32_t> candidates;
    for (const auto& [key, one] : spec_.all()) {
      if (one.active && (key.second >= 32 || key.first == core)) candidates.push_back(key.second);
    }
    const std::uint32_t intid = candidates.empty() ? 33 : candidates[choices_.byte() % candidates.size()];
    // A priority that still runs is dropped first.
    for (unsigned i = 0; i < cores(); ++i) {
      for (const auto& running : spec_.core(i).running) {
        if (running.second == intid) return;
      }
    }
    spec_.deactivate(intid, core);
    machine_.deactivate(core, intid);
  }
  void drain(unsigned core) {
    if (!spec_.core(core).online) return;
    while (!spec_.core(core).running.empty() && sound()) end_latest(core);
    if (choices_.below(2) == 0) return;
    for (int i = 0; i < 64 && sound(); ++i) {
      acknowledge(core);
      if (spec_.core(core).running.empty()) break;
      end_latest(core);
    }
    while (!spec_.core(core).running.empty() && sound()) end_latest(core);
  }

  void move_line() {
    const bool ppi = choices_.below(3) == 0;
    const unsigned core = ppi ? choices_.below(cores()) : 0;
    const std::uint32_t intid = ppi ? choices_.one_of(kPhysicalPpis) : choices_.one_of(kPhysicalSpis);
    const SpecInterrupt& one = *spec_.find(core, intid);
    const bool handed_over = machine_.gic.line(core, intid).active;
    const bool seen = one.active && one.acknowledged;
    if (handed_over && !seen && (one.edge || one.high)) return;  // as in may_write()
    spec_.set_high(core, intid, !one.high);
    machine_.set_high(core, intid, one.high);
  }
  void raise_some() {
    if (choices_.below(3) == 0) {
      const unsigned core = choices_.below(cores());
      spec_.set_high(core, kRaisedPpi, !spec_.find(core, kRaisedPpi)->high);
      return machine_.raise_private(core, kRaisedPpi, spec_.find(core, kRaisedPpi)->high);
    }
    const std::uint32_t intid = choices_.one_of(kRaised);
    spec_.set_high(0, intid, !spec_.find(0, intid)->high);
    machine_.raise(intid, spec_.find(0, intid)->high);
  }
  void message_some(unsigned core) {
    const std::uint32_t intid = choices_.one_of(kMessages);
    SpecInterrupt& one = *spec_.find(0, intid);
    const unsigned how = choices_.below(5);
    if (how == 0) {
      (one.edge ? one.latch : one.high) = false;
      return machine_.write(core, kDistributor, offset::kClrSpi, intid);
    }
    (one.edge ? one.latch : one.high) = true;
    if (how == 1) return machine_.write(core, kDistributor, offset::kSetSpi, intid);
    machine_.message(intid, how == 2 ? Machine::Arrival::kElsewhere : Machine::Arrival::kWhereItIsRouted);
  }
  // Not to a core that would have to pass them on, whoever came, went or was named in between.
  void compare_message_routes() {
    for (const std::uint32_t intid : kMessages) {
      const std::optional<unsigned> wanted = spec_.destination(intid);
      const unsigned route = machine_.gic.line(0, intid).route;
      if (wanted && route != *wanted) {
        differ("messages for INTID " + std::to_string(intid) + " go to core " + std::to_string(route) + ", not " +
               std::to_string(*wanted));
      }
    }
  }
  void send_sgi(unsigned core) {
    const unsigned which = choices_.below(4) < 2 ? 1 : choices_.below(3);
    std::uint64_t value = std::uint64_t{choices_.one_of(std::array<std::uint32_t, 4>{0, 1, 7, 15})} << 24;
    const unsigned form = choices_.below(8);
    if (form == 0) {
      value |= std::uint64_t{1} << 40;
    } else if (form < 5) {
      value |= choices_.byte();
    } else {
      value |= std::uint64_t{1} << 48 | 1U << 16 | std::uint64_t{choices_.below(3)} << 44 | std::uint64_t{choices_.byte()} << 8 | choices_.byte();
    }
    spec_.send_sgi(core, which, value);
    machine_.send_sgi(core, static_cast<vgic::SgiRegister>(which), value);
  }
  void write_some_bits(unsigned by) {
    constexpr std::array<std::uint64_t, 10> kKinds{offset::kIgroupr,  offset::kIsenabler, offset::kIcenabler, offset::kIsenabler,
                                                   offset::kIspendr,  offset::kIcpendr,   offset::kIspendr,   offset::kIsactiver,
                                                   offset::kIcactiver, offset::kIcactiver};
    const std::uint64_t kind = choices_.one_of(kKinds);
    const std::uint32_t intid = choices_.one_of(kUsed);
    const unsigned core = intid < 32 ? choices_.below(cores()) : 0;
    const bool one_bit = kind != offset::kIgroupr && choices_.below(4) != 0;
    write_bit(by, core, kind, intid, one_bit ? 1U << (intid % 32) : choices_.word());
  }
  void route_some(unsigned by) {
    const std::uint32_t intid = choices_.one_of(kUsed);
    if (intid < 32) return;
    std::uint64_t route = affinities_of(configuration_)[choices_.below(cores())];
    if (choices_.below(8) == 0) route = 0x80'00FF'0000 | choices_.byte();
    if (choices_.below(4) == 0) route |= 0x8000'0000;
    SpecInterrupt& one = *spec_.find(0, intid);
    const std::uint64_t at = offset::kIrouter + 8 * intid;
    if (choices_.below(3) != 0) {
      one.route = route;
      machine_.write(by, kDistributor, at, route, 8);
    } else {
      one.route = (one.route & 0xFF'0000'0000) | (route & 0xFFFF'FFFF);
      machine_.write(by, kDistributor, at, route & 0xFFFF'FFFF);
    }
  }
  void change_interface(unsigned core) {
    SpecCore& spec = spec_.core(core);
    CpuInterface& machine = machine_.interface(core);
    switch (choices_.below(3)) {
      case 0: spec.group0 = machine.group0 = choices_.below(3) != 0; break;
      case 1: spec.group1 = machine.group1 = choices_.below(3) != 0; break;
      default: spec.mask = machine.mask = choices_.below(2) == 0 ? std::uint8_t{0xFF} : choices_.one_of(kPriorities); break;
    }
    machine_.settle();
  }
  void power_some() {
    const unsigned core = choices_.below(cores());
    if (!spec_.core(core).online) return power_on(core);
    if (online_count() == 1) return;
    spec_.power_off(core);
    machine_.power_off(core);
  }

  void one_step() {
    const unsigned core = online();
    const unsigned what = choices_.below(64);
    if (what < 18) {
      acknowledge(core);
    } else if (what < 28) {
      end_latest(core);
    } else if (what < 31) {
      deactivate_some(core);
    } else if (what < 38) {
      move_line();
    } else if (what < 41) {
      raise_some();
    } else if (what < 46) {
      message_some(core);
    } else if (what < 49) {
      send_sgi(core);
    } else if (what < 55) {
      write_some_bits(core);
    } else if (what < 57) {
      route_some(core);
    } else if (what < 58) {
      const std::uint32_t intid = choices_.one_of(kUsed);
      set_priority(core, intid < 32 ? choices_.below(cores()) : 0, intid, choices_.one_of(kPriorities));
    } else if (what < 59) {
      configure(core, choices_.one_of(kUsed), choices_.below(2) == 0);
    } else if (what < 60) {
      change_interface(core);
    } else if (what < 61) {
      write_control(choices_.below(4) == 0 ? choices_.byte() : 3);
    } else if (what < 62) {
      power_some();
    } else {
      compare_all();
    }
  }

  // ---- What the guest reads ----
  void compare_bits(unsigned by, unsigned core, std::uint32_t first, std::uint64_t kind, bool (*value)(const SpecInterrupt&)) {
    std::uint32_t expected = 0;
    for (std::uint32_t i = 0; i < 32; ++i) {
      const SpecInterrupt* one = spec_.find(core, first + i);
      if (one != nullptr && value(*one) && !is_anothers(core, kind, first + i)) expected |= 1U << i;
    }
    // What other cores took since they last left their guests is not known before they were kicked; a read does that.
    (void)machine_.read(by, frame_of(core, first), kind + first / 8);
    const std::uint64_t got = machine_.read(by, frame_of(core, first), kind + first / 8);
    if (got != expected) {
      differ("register " + std::to_string(kind) + " of INTIDs from " + std::to_string(first) + " of core " +
             std::to_string(core) + ": " + std::to_string(got) + ", not " + std::to_string(expected));
    }
  }
  void compare_word(unsigned by, unsigned core, std::uint32_t first) {
    compare_bits(by, core, first, offset::kIgroupr, [](const SpecInterrupt& one) { return one.group1; });
    for (const std::uint64_t kind : {offset::kIsenabler, offset::kIcenabler}) {
      compare_bits(by, core, first, kind, [](const SpecInterrupt& one) { return one.enabled; });
    }
    for (const std::uint64_t kind : {offset::kIspendr, offset::kIcpendr}) {
      compare_bits(by, core, first, kind, [](const SpecInterrupt& one) { return one.pending(); });
    }
    for (const std::uint64_t kind : {offset::kIsactiver, offset::kIcactiver}) {
      compare_bits(by, core, first, kind, [](const SpecInterrupt& one) { return one.active; });
    }
    for (std::uint32_t i = 0; i < 32; i += 4) {
      std::uint64_t expected = 0;
      for (std::uint32_t j = 0; j < 4; ++j) {
        if (const SpecInterrupt* one = spec_.find(core, first + i + j)) expected |= std::uint64_t{one->priority} << (8 * j);
      }
      if (machine_.read(by, frame_of(core, first), offset::kIpriorityr + first + i) != expected) differ("a priority");
    }
    for (std::uint32_t i = 0; i < 32; i += 16) {
      std::uint64_t expected = 0;
      for (std::uint32_t j = 0; j < 16; ++j) {
        const SpecInterrupt* one = spec_.find(core, first + i + j);
        if (one != nullptr && one->edge) expected |= std::uint64_t{2} << (2 * j);
      }
      if (machine_.read(by, frame_of(core, first), offset::kIcfgr + (first + i) / 4) != expected) differ("a trigger");
    }
  }
  void compare_all() {
    const unsigned by = online();
    for (unsigned core = 0; core < cores(); ++core) compare_word(by, core, 0);
    for (const std::uint32_t first : {32U, 64U, 480U, 960U, 992U}) compare_word(by, 0, first);
    for (const std::uint32_t intid : kUsed) {
      if (intid < 32) continue;
      const std::uint64_t expected = spec_.find(0, intid)->route & 0xFF'80FF'FFFF;
      if (machine_.read(by, kDistributor, offset::kIrouter + 8 * intid, 8) != expected) differ("a route");
    }
    if (machine_.read(by, kDistributor, offset::kCtlr) != (0x50U | spec_.control())) differ("GICD_CTLR");
  }

  Choices& choices_;
  vgic::Configuration configuration_;
  Machine machine_;
  Spec spec_;
  bool split_;
  std::string difference_;
};

// ---- Late -----------------------------------------------------------------------------------------------------

class Late {
 public:
  explicit Late(Choices& choices)
      : choices_(choices), configuration_(configuration_of(1 + choices.below(4))), machine_(configuration_, 1 + choices.below(4)) {
    for (unsigned i = 0; i < configuration_.cores; ++i) machine_.power_on(i);
    machine_.write(0, kDistributor, offset::kCtlr, 3);
    for (const std::uint32_t intid : kEdges) {
      const std::uint64_t at = offset::kIcfgr + intid / 16 * 4;
      machine_.write(0, kDistributor, at, machine_.read(0, kDistributor, at) | std::uint64_t{2} << (intid % 16 * 2));
      machine_.write(0, kDistributor, offset::kIpriorityr + intid, choices_.one_of(kPriorities) & 0x7F, 1);
      enable(0, intid, true);
    }
    machine_.prompt = false;
  }

  std::string run() {
    for (int step = 0; step < 600 && !choices_.empty() && sound(); ++step) one_step();
    // Everything is let through; then nothing may be owed and nothing may be left.
    for (unsigned core = 0; core < configuration_.cores; ++core) {
      while (!running_[core].empty()) end(core);
    }
    for (const std::uint32_t intid : kEdges) enable(0, intid, true);
    machine_.settle();
    for (unsigned core = 0; core < configuration_.cores; ++core) {
      for (int i = 0; i < 200 && sound(); ++i) {
        take(core);
        if (running_[core].empty()) break;
        end(core);
        machine_.settle();
      }
    }
    for (const std::uint32_t intid : kEdges) {
      if (state_[intid].owed) differ("INTID " + std::to_string(intid) + " is lost");
    }
    if (machine_.gic.active_count() != 0) differ("an interrupt is left active in the machine");
    return difference_.empty() ? machine_.broken : difference_;
  }

 private:
  static constexpr std::array<std::uint32_t, 8> kEdges{33, 34, 35, 63, 65, 66, 67, 500};
  struct State {
    bool owed{};     // came after it was last taken
    bool enabled{};
    bool quiet{};    // disabled, and RWP was seen to be 0 since
    unsigned came{};
    unsigned taken{};
  };
  [[nodiscard]] bool sound() const { return difference_.empty() && machine_.broken.empty(); }
  void differ(const std::string& what) {
    if (difference_.empty()) difference_ = what;
  }
  void enable(unsigned by, std::uint32_t intid, bool on) {
    State& state = state_[intid];
    state.enabled = on;
    state.quiet = false;
    machine_.write(by, kDistributor, (on ? offset::kIsenabler : offset::kIcenabler) + intid / 32 * 4, 1U << (intid % 32));
  }
  void take(unsigned core) {
    const std::uint32_t intid = machine_.acknowledge(core);
    if (intid == kSpurious) return;
    State& state = state_[intid];
    if (state.quiet) differ("INTID " + std::to_string(intid) + " is taken though it is disabled");
    if (++state.taken > state.came) differ("INTID " + std::to_string(intid) + " is taken more often than it came");
    for (const auto& others : running_) {
      if (std::ranges::count(others, intid) != 0) differ("INTID " + std::to_string(intid) + " is taken while it is active");
    }
    state.owed = false;
    running_[core].push_back(intid);
  }
  void end(unsigned core) {
    if (running_[core].empty()) return;
    machine_.end(core, running_[core].back());
    running_[core].pop_back();
  }
  void come(std::uint32_t intid) {
    State& state = state_[intid];
    state.owed = true;
    ++state.came;
  }
  void one_step() {
    const unsigned core = choices_.below(configuration_.cores);
    const std::uint32_t intid = choices_.one_of(kEdges);
    const unsigned what = choices_.below(32);
    if (what < 8) {
      take(core);
    } else if (what < 14) {
      end(core);
    } else if (what < 20) {
      come(intid);
      if (is_physical(intid)) {
        machine_.set_high(0, intid, true);
        machine_.set_high(0, intid, false);
      } else {
        machine_.message(intid, choices_.below(4) == 0 ? Machine::Arrival::kElsewhere : Machine::Arrival::kWhereItIsRouted);
      }
    } else if (what < 22) {
      enable(core, intid, false);
    } else if (what < 24) {
      enable(core, intid, true);
    } else if (what < 25) {
      come(intid);
      machine_.write(core, kDistributor, offset::kIspendr + intid / 32 * 4, 1U << (intid % 32));
    } else if (what < 26) {
      machine_.write(core, kDistributor, offset::kIrouter + 8 * intid, choices_.below(configuration_.cores), 8);
    } else if (what < 27) {
      if (machine_.read(core, kDistributor, offset::kCtlr) >> 31 != 0) return;
      for (auto& [number, state] : state_) state.quiet = !state.enabled;
    } else if (what < 28) {
      (void)machine_.run_maintenance(core);
    } else if (what < 30) {
      (void)machine_.take_physical(core);
    } else {
      machine_.run_kick(core);
    }
  }

  Choices& choices_;
  vgic::Configuration configuration_;
  Machine machine_;
  std::map<std::uint32_t, State> state_;
  std::array<std::vector<std::uint32_t>, vgic::kMaxCores> running_;
  std::string difference_;
};

// ---- Hostile --------------------------------------------------------------------------------------------------

class Hostile {
 public:
  explicit Hostile(Choices& choices)
      : choices_(choices), configuration_(configuration_of(1 + choices.below(8))), machine_(configuration_, 1 + choices.below(16)) {
    machine_.prompt = choices.below(2) == 0;
    machine_.power_on(0);
    machine_.write(0, kDistributor, offset::kCtlr, 3);
    for (std::uint64_t word = 1; word < 32; ++word) machine_.write(0, kDistributor, offset::kIsenabler + 4 * word, 0xFFFF'FFFF);
    machine_.write(0, sgi_frame(0), offset::kIsenabler, 0xFFFF'FFFF);
  }
  std::string run() {
    for (int step = 0; step < 500 && !choices_.empty() && machine_.broken.empty(); ++step) one_step();
    machine_.settle();
    // Whatever it did: when it is gone, the machine is quiet.
    vgic::Actions actions;
    machine_.controller.stop(actions);
    if (actions.overflow()) return "too many actions";
    for (const vgic::Action& action : actions.list()) machine_.gic.apply(action, machine_.broken);
    if (machine_.broken.empty() && machine_.gic.anything_enabled_pending_or_active()) return "something is left in the machine";
    return machine_.broken;
  }

 private:
  std::uint32_t intid() { return choices_.below(4) == 0 ? choices_.word() % 1100 : choices_.one_of(kUsed); }
  void one_step() {
    const unsigned core = choices_.below(configuration_.cores);
    CpuInterface& at = machine_.interface(core);
    const unsigned what = choices_.below(24);
    if (what == 0 || !at.online) {
      if (!at.online) return machine_.power_on(core);
      if (core != 0) machine_.power_off(core);
    } else if (what < 8) {
      const auto kind = static_cast<FrameKind>(choices_.below(3));
      const unsigned of = choices_.below(configuration_.cores);
      const Frame frame{kind, CoreIndex{static_cast<std::uint8_t>(of)}};
      const unsigned size = 1U << choices_.below(4);
      std::uint64_t place = choices_.below(2) == 0 ? 0x80 + choices_.below(7) * 0x80U + choices_.below(4) * 4U
                                                   : choices_.word() & 0xFFFF;
      place &= ~std::uint64_t{size - 1};
      const std::uint64_t value = std::uint64_t{choices_.word()} << 32 | choices_.word();
      if (choices_.below(4) == 0) {
        (void)machine_.read(core, frame, place, size);
      } else {
        machine_.write(core, frame, place, value, size);
      }
    } else if (what < 13) {
      (void)machine_.acknowledge(core);
    } else if (what < 15) {
      machine_.end(core, intid());
    } else if (what < 16) {
      machine_.deactivate(core, intid());
    } else if (what < 17) {
      at.split_end = !at.split_end;
    } else if (what < 19) {
      const std::uint32_t line = choices_.below(2) == 0 ? choices_.one_of(kPhysicalPpis) : choices_.one_of(kPhysicalSpis);
      machine_.set_high(line < 32 ? core : 0, line, choices_.below(2) == 0);
    } else if (what < 20) {
      machine_.message(choices_.one_of(kMessages));
    } else if (what < 21) {
      machine_.raise(choices_.one_of(kRaised), choices_.below(2) == 0);
    } else if (what < 22) {
      const std::uint64_t value = std::uint64_t{choices_.word()} << 32 | choices_.word();
      machine_.send_sgi(core, static_cast<vgic::SgiRegister>(choices_.below(3)), value);
    } else if (what < 23) {
      (void)machine_.take_physical(core);
    } else {
      machine_.run_kick(core);
    }
  }

  Choices& choices_;
  vgic::Configuration configuration_;
  Machine machine_;
};

}  // namespace

std::string run_lockstep(std::span<const std::uint8_t> bytes) {
  Choices choices(bytes);
  return std::make_unique<Pair>(choices)->run();
}
std::string run_late(std::span<const std::uint8_t> bytes) {
  Choices choices(bytes);
  return std::make_unique<Late>(choices)->run();
}
std::string run_hostile(std::span<const std::uint8_t> bytes) {
  Choices choices(bytes);
  return std::make_unique<Hostile>(choices)->run();
}

}  // namespace vgic_model
