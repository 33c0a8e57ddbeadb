#include "tests/model/vgic_spec.hpp"

#include <algorithm>

namespace vgic_model {
namespace {

constexpr std::uint32_t kFirstSpi = 32;
constexpr std::uint32_t kNone = 1023;

}  // namespace

Spec::Spec(std::vector<std::uint64_t> affinities, const std::vector<std::uint32_t>& ppis,
           const std::vector<std::uint32_t>& spis) {
  for (unsigned i = 0; i < affinities.size(); ++i) {
    cores_.push_back({});
    cores_.back().affinity = affinities[i];
    for (std::uint32_t sgi = 0; sgi < 16; ++sgi) interrupts_[{i, sgi}].edge = true;
    for (const std::uint32_t ppi : ppis) interrupts_[{i, ppi}] = {};
  }
  for (const std::uint32_t spi : spis) interrupts_[{0, spi}] = {};
}

SpecInterrupt* Spec::find(unsigned core, std::uint32_t intid) {
  const auto found = interrupts_.find({intid < kFirstSpi ? core : 0, intid});
  return found == interrupts_.end() ? nullptr : &found->second;
}

void Spec::power_on(unsigned core) {
  const std::uint64_t affinity = cores_[core].affinity;
  cores_[core] = {};
  cores_[core].affinity = affinity;
  cores_[core].online = true;
}
void Spec::power_off(unsigned core) {
  cores_[core].online = false;
  cores_[core].running.clear();
  reset_private(core);
}
void Spec::reset_private(unsigned core) {
  for (auto& [key, one] : interrupts_) {
    if (key.second >= kFirstSpi || key.first != core) continue;
    const bool high = one.high;
    one = {};
    one.high = high;
    one.edge = key.second < 16;
  }
}

void Spec::set_high(unsigned core, std::uint32_t intid, bool high) {
  SpecInterrupt& one = *find(core, intid);
  if (one.edge && high && !one.high) one.latch = true;
  one.high = high;
}

void Spec::send_sgi(unsigned from, unsigned which, std::uint64_t value) {
  const auto intid = static_cast<std::uint32_t>(value >> 24 & 0xF);
  for (unsigned i = 0; i < cores_.size(); ++i) {
    const std::uint64_t affinity = cores_[i].affinity;
    bool chosen = true;
    if ((value >> 40 & 1) != 0) {
      chosen = i != from;
    } else {
      const std::uint64_t level0 = affinity & 0xFF;
      chosen = (affinity >> 8 & 0xFF) == (value >> 16 & 0xFF) && (affinity >> 16 & 0xFF) == (value >> 32 & 0xFF) &&
               (affinity >> 32 & 0xFF) == (value >> 48 & 0xFF) && level0 / 16 == (value >> 44 & 0xF) &&
               (value >> (level0 % 16) & 1) != 0;
    }
    SpecInterrupt& one = *find(i, intid);
    if (chosen && (which == 1 || !one.group1)) one.latch = true;
  }
}

std::optional<unsigned> Spec::target(std::pair<unsigned, std::uint32_t> key, const SpecInterrupt& one) const {
  if (key.second < kFirstSpi) return key.first;
  const bool any = (one.route >> 31 & 1) != 0;
  for (unsigned i = 0; i < cores_.size(); ++i) {
    const std::uint64_t affinity = (one.route & 0xFF'0000'0000) | (one.route & 0xFF'FFFF);
    if (any ? cores_[i].online : affinity == (cores_[i].affinity & 0xFF'00FF'FFFF)) return i;
  }
  return std::nullopt;
}

std::optional<unsigned> Spec::destination(std::uint32_t intid) {
  const std::optional<unsigned> core = target({0, intid}, *find(0, intid));
  return core && cores_[*core].online ? core : std::nullopt;
}

bool Spec::signals(unsigned core, std::pair<unsigned, std::uint32_t> key, const SpecInterrupt& one) const {
  const SpecCore& at = cores_[core];
  const bool group = one.group1 ? (control_ & 2) != 0 && at.group1 : (control_ & 1) != 0 && at.group0;
  bool preempts = true;
  for (const auto& running : at.running) preempts = preempts && one.priority < running.first;
  return one.pending() && !one.active && one.enabled && group && target(key, one) == core && one.priority < at.mask &&
         preempts;
}

std::string Spec::acknowledge(unsigned core, std::uint32_t intid) {
  std::optional<std::uint8_t> best;
  for (const auto& [key, one] : interrupts_) {
    if (signals(core, key, one) && (!best || one.priority < *best)) best = one.priority;
  }
  if (intid == kNone) return best ? "an interrupt is held back" : "";
  SpecInterrupt* one = find(core, intid);
  if (one == nullptr) return "there is no such interrupt";
  if (!signals(core, {intid < kFirstSpi ? core : 0, intid}, *one)) return "it is not for this core, now: pending " + std::to_string(one->pending()) + " active " + std::to_string(one->active) + " enabled " + std::to_string(one->enabled) + " priority " + std::to_string(one->priority) + " running " + std::to_string(cores_[core].running.size());
  if (one->priority != *best) return "a better one waits";
  one->latch = false;
  one->active = one->acknowledged = true;
  one->taken_by = core;
  cores_[core].running.emplace_back(one->priority, intid);
  return "";
}

void Spec::end(unsigned core, std::uint32_t intid) {
  SpecCore& at = cores_[core];
  if (at.running.empty()) return;
  at.running.pop_back();
  if (!at.split_end) deactivate(intid, core);
}
void Spec::deactivate(std::uint32_t intid, unsigned core) {
  SpecInterrupt* one = find(core, intid);
  if (one != nullptr) one->active = one->acknowledged = false;
}

}  // namespace vgic_model
