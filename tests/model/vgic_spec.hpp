// A GICv3 with one security state as Arm IHI 0069 describes it to software, as simply as it can be written: every interrupt
// is one entry of a map, every question a walk over all of them. No list registers, no monitor, no partition: what a
// guest must not be able to tell from what it has.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace vgic_model {

struct SpecInterrupt {
  bool enabled{};
  bool group1{};
  bool edge{};
  std::uint8_t priority{};
  std::uint64_t route{};
  bool latch{};
  bool high{};
  bool active{};
  bool acknowledged{};  // active by an acknowledgement, not by GICD_ISACTIVER
  unsigned taken_by{};
  [[nodiscard]] bool pending() const { return latch || (!edge && high); }
};

struct SpecCore {
  std::uint64_t affinity{};
  bool online{};
  bool split_end{};
  bool group0{true};
  bool group1{true};
  std::uint8_t mask{0xFF};
  std::vector<std::pair<std::uint8_t, std::uint32_t>> running;  // priority and INTID, the latest last
};

class Spec {
 public:
  Spec(std::vector<std::uint64_t> affinities, const std::vector<std::uint32_t>& ppis,
       const std::vector<std::uint32_t>& spis);

  [[nodiscard]] SpecInterrupt* find(unsigned core, std::uint32_t intid);  // null: there is none
  [[nodiscard]] SpecCore& core(unsigned index) { return cores_[index]; }
  [[nodiscard]] std::uint32_t control() const { return control_; }
  void set_control(std::uint32_t value) { control_ = value & 3; }

  void power_on(unsigned core);
  void power_off(unsigned core);
  void set_high(unsigned core, std::uint32_t intid, bool high);
  void send_sgi(unsigned from, unsigned which, std::uint64_t value);  // which: 0 ICC_SGI0R, 1 ICC_SGI1R, 2 ICC_ASGI1R
  void deactivate(std::uint32_t intid, unsigned core);

  // Would this be a right answer to a read of the acknowledge register? If so it is taken; if not, the text says why not.
  [[nodiscard]] std::string acknowledge(unsigned core, std::uint32_t intid);
  // The core that an SPI goes to now, whatever else holds it back; nothing: that core is off, or there is none.
  [[nodiscard]] std::optional<unsigned> destination(std::uint32_t intid);
  void end(unsigned core, std::uint32_t intid);

  [[nodiscard]] const std::map<std::pair<unsigned, std::uint32_t>, SpecInterrupt>& all() const { return interrupts_; }

 private:
  void reset_private(unsigned core);
  [[nodiscard]] std::optional<unsigned> target(std::pair<unsigned, std::uint32_t> key, const SpecInterrupt& one) const;
  [[nodiscard]] bool signals(unsigned core, std::pair<unsigned, std::uint32_t> key, const SpecInterrupt& one) const;

  std::vector<SpecCore> cores_;
  std::map<std::pair<unsigned, std::uint32_t>, SpecInterrupt> interrupts_;  // core (0 for SPIs) and INTID
  std::uint32_t control_{};
};

}  // namespace vgic_model
