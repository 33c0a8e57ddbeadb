// What stands around a vgic::Controller: a physical GIC, virtual CPU interfaces with list registers (IHI 0069, chapter 6),
// and a monitor between them that is as simple as it can be. No GoogleTest, so that the fuzzer runs it too.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "firmware/vgic/controller.hpp"

namespace vgic_model {

using vgic::Controller;
using vgic::CoreIndex;
using vgic::Frame;
using vgic::FrameKind;

inline constexpr std::uint32_t kSpurious = 1023;

// Offsets as IHI 0069, chapter 12, has them: written down again, so that the controller's own are tested too.
namespace offset {
inline constexpr std::uint64_t kCtlr = 0x0, kTyper = 0x4, kSetSpi = 0x40, kClrSpi = 0x48, kIgroupr = 0x80, kIsenabler = 0x100,
                               kIcenabler = 0x180, kIspendr = 0x200, kIcpendr = 0x280, kIsactiver = 0x300,
                               kIcactiver = 0x380, kIpriorityr = 0x400, kIcfgr = 0xC00, kIrouter = 0x6000, kPidr2 = 0xFFE8,
                               kGicrTyper = 0x8, kGicrWaker = 0x14;
}  // namespace offset

class PhysicalGic {
 public:
  struct Line {
    bool enabled{};
    bool latch{};
    bool high{};
    bool active{};
    bool edge{};
    unsigned route{99};  // of a message's SPI: the core where the message arrives
    [[nodiscard]] bool pending() const { return latch || (!edge && high); }
  };
  explicit PhysicalGic(const vgic::Configuration& configuration) : configuration_(configuration) {}

  void apply(const vgic::Action& action, std::string& broken);
  [[nodiscard]] Line& line(unsigned core, std::uint32_t intid) {
    return lines_[{intid < vgic::kFirstSpi ? core : 0, intid}];
  }
  void set_high(unsigned core, std::uint32_t intid, bool high);
  // One that this core's CPU interface signals now; it becomes active.
  [[nodiscard]] std::optional<std::uint32_t> acknowledge(unsigned core);
  [[nodiscard]] std::uint32_t pending_word(unsigned core, std::size_t word);
  [[nodiscard]] bool anything_enabled_pending_or_active() const;
  [[nodiscard]] std::size_t active_count() const;

 private:
  vgic::Configuration configuration_;
  std::map<std::pair<unsigned, std::uint32_t>, Line> lines_;
};

// The virtual CPU interface of one core as its guest and the hardware see it.
struct CpuInterface {
  std::array<std::uint64_t, vgic::kMaxListRegisters> list_registers{};
  std::vector<std::uint8_t> running;  // active priorities, the latest last
  bool split_end{};                   // EOImode
  bool group0{true};
  bool group1{true};
  std::uint8_t mask{0xFF};  // priority mask
  unsigned ended_outside{};
  vgic::Maintenance wanted{};
  vgic::EnabledGroups groups_at_fill{};
  bool online{};
};

class Machine {
 public:
  Machine(const vgic::Configuration& configuration, std::size_t list_registers);

  // Prompt: what a kick, a physical interrupt or a maintenance interrupt asks for is done before a step is over.
  bool prompt{true};
  std::string broken;  // the first thing that should not have been

  void power_on(unsigned core);
  void power_off(unsigned core);
  [[nodiscard]] std::uint64_t read(unsigned core, Frame frame, std::uint64_t offset, unsigned size = 4);
  void write(unsigned core, Frame frame, std::uint64_t offset, std::uint64_t value, unsigned size = 4);
  void send_sgi(unsigned core, vgic::SgiRegister which, std::uint64_t value);
  void set_high(unsigned core, std::uint32_t intid, bool high);  // a physical line
  void give(std::uint32_t intid);  // a device's SPI comes to the partition, and goes
  void take_away(std::uint32_t intid);
  void raise(std::uint32_t intid, bool level);
  void raise_private(unsigned core, std::uint32_t intid, bool level);
  // Elsewhere: on a core that does not run this guest, where it was on its way when its route changed.
  enum class Arrival : std::uint8_t { kWhereItIsRouted, kElsewhere };
  void message(std::uint32_t intid, Arrival arrival = Arrival::kWhereItIsRouted);

  // The guest's ICC_IAR<n>_EL1, ICC_EOIR<n>_EL1, ICC_DIR_EL1.
  [[nodiscard]] std::uint32_t acknowledge(unsigned core);
  void end(unsigned core, std::uint32_t intid);
  void deactivate(unsigned core, std::uint32_t intid);

  // Parts of what settle() does, for tests that are not prompt.
  void run_kick(unsigned core);
  bool take_physical(unsigned core);
  bool run_maintenance(unsigned core);
  void settle();

  [[nodiscard]] CpuInterface& interface(unsigned core) { return interfaces_[core]; }
  [[nodiscard]] std::uint8_t kicked() const { return kicked_; }
  [[nodiscard]] unsigned cores() const { return configuration_.cores; }

  Controller controller;
  PhysicalGic gic;
  std::vector<vgic::Action> log;  // of the last step

 private:
  void begin() { log.clear(); }
  void exit(unsigned core, vgic::Actions& actions);
  void enter(unsigned core);
  void carry_out(const vgic::Actions& actions);
  void check_list_registers();
  void check_message_routes();
  void fail(const std::string& what) {
    if (broken.empty()) broken = what;
  }
  [[nodiscard]] std::optional<std::size_t> best_pending(unsigned core) const;

  vgic::Configuration configuration_;
  std::size_t list_registers_;
  std::vector<CpuInterface> interfaces_;
  std::uint8_t kicked_{};
};

inline constexpr Frame kDistributor{FrameKind::kDistributor, CoreIndex{0}};
[[nodiscard]] constexpr Frame redistributor(unsigned core) {
  return {FrameKind::kRedistributor, CoreIndex{static_cast<std::uint8_t>(core)}};
}
[[nodiscard]] constexpr Frame sgi_frame(unsigned core) {
  return {FrameKind::kSgi, CoreIndex{static_cast<std::uint8_t>(core)}};
}
[[nodiscard]] Frame frame_of(unsigned core, std::uint32_t intid);

}  // namespace vgic_model
