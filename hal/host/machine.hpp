// The simulated machine: everything that stands below hal/*.hpp on the host, and how a test drives it.
//
// One machine exists at a time; hal's free functions reach it through Machine::current(). Two schedules:
//  - kThreads: every core is a thread of the host. For races, ThreadSanitizer, and calls from all cores at once.
//  - kDeterministic: every core is a fiber on the test's thread; who runs next follows from the seed. A core whose
//    partition has no guest program is driven: the test makes its accesses and calls through cpu(core), which run
//    hal::handle_trap on the test's own stack. That is the fast way, for the model checker and the fuzzers.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "firmware/base/ids.hpp"
#include "firmware/base/result.hpp"
#include "firmware/board/tables.hpp"
#include "hal/device_isolation.hpp"
#include "hal/host/core.hpp"
#include "hal/host/event.hpp"
#include "hal/host/fault_injection.hpp"
#include "hal/host/guest_cpu.hpp"
#include "hal/host/message_interrupts.hpp"
#include "hal/host/recorder.hpp"
#include "hal/host/replayer.hpp"
#include "hal/host/sabotage.hpp"
#include "hal/host/simulated_memory.hpp"
#include "hal/host/smmu.hpp"
#include "hal/host/table_memory.hpp"
#include "hal/host/translation_cache.hpp"
#include "hal/upcalls.hpp"

namespace host {

enum class Schedule : std::uint8_t { kDeterministic, kThreads };
enum class EntropySource : std::uint8_t { kWorking, kAbsent, kStuck };
enum class PowerState : std::uint8_t { kOn, kOff, kReset, kHalted, kEnded };

struct MachineConfig {
  Schedule schedule{Schedule::kDeterministic};
  std::uint64_t seed{1};            // entropy, and who runs next
  unsigned preempt_one_in{0};       // deterministic programs: switch at one operation in so many; 0: only when waiting
  std::uint64_t unix_milliseconds{1'790'000'000'000};
  EntropySource entropy{EntropySource::kWorking};
  std::size_t table_frames{0};      // of the pool; 0: as many as the board's monitor has
  std::vector<std::uint8_t> handover{};
  bool repeat_tlbi{false};          // as on a core that CVE-2025-10263 names
  Sabotage sabotage{};
};

// No core can go on and the test waits for one: a defect of the monitor or of the test.
struct Deadlock : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Machine {
 public:
  explicit Machine(MachineConfig config = {});
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;
  [[nodiscard]] static Machine& current();
  [[nodiscard]] static bool exists();

  // ---- a test's side: running --------------------------------------------------------------------------------
  // Set before the core enters the partition. Without a core: every core of the partition.
  void set_program(base::PartitionId partition, GuestProgram program);
  void set_program(base::PartitionId partition, base::CoreId core, GuestProgram program);
  // Runs hal::monitor_main() as the boot core. Deterministic: returns when every core waits.
  void boot();
  // Runs `body` as that core from reset instead of a monitor: for tests of hal/ alone.
  void start(base::CoreId core, std::function<void()> body);
  // Deterministic: lets every core run that can, until none can.
  void settle();
  // Deterministic: the guest of a driven core. Precondition: it is in a guest.
  [[nodiscard]] GuestCpu cpu(base::CoreId core);
  [[nodiscard]] bool driven(base::CoreId core) const;
  // Waits until the machine is off (threads), at most `seconds`; whether it is.
  [[nodiscard]] bool wait_until_off(unsigned seconds);
  // Ends every core, wherever it is. Nothing of the monitor runs afterwards.
  void shutdown();
  [[nodiscard]] PowerState power_state() const { return power_.load(); }

  // ---- a test's side: the world around --------------------------------------------------------------------------
  void raise_interrupt(base::Intid intid);
  // That many ticks go by; alarms that are due by then come, each to its core. The counter moves by itself only when it
  // is read, and no alarm comes of that: when one comes is the test's choice alone.
  void pass_ticks(std::uint64_t count);
  // The device behind that stream writes `data` to the message page (MSI).
  void raise_message(base::StreamId stream, std::uint32_t data);
  [[nodiscard]] std::string console() const;
  void set_unix_milliseconds(std::uint64_t now) { unix_milliseconds_ = now; }
  void set_entropy(EntropySource source) { entropy_ = source; }
  void set_observer(Observer observer);
  void trace_to(std::string* text);  // appends a line for each event; nullptr ends it
  [[nodiscard]] FaultInjection& faults() { return faults_; }
  [[nodiscard]] Sabotage& sabotage() { return sabotage_; }
  void record_to(Recorder* recorder) { recorder_ = recorder; }
  // Answers the monitor from a record, and takes no interrupt of its own accord (replayer.hpp).
  void replay_from(ReplayInputs* inputs) { replay_ = inputs; }
  [[nodiscard]] ReplayInputs* replay_inputs() { return replay_; }
  // Broken preconditions of hal/ that the machine met, in words. A test wants none.
  [[nodiscard]] std::vector<std::string> violations() const;
  // What came out of a core by exception: Deadlock, a guest program's own error.
  [[nodiscard]] std::vector<std::string> failures() const;
  [[nodiscard]] std::uint64_t traps() const { return traps_.load(); }

  // ---- what checkers look at ----------------------------------------------------------------------------------------
  [[nodiscard]] SimulatedMemory& memory() { return memory_; }
  [[nodiscard]] Smmu& smmu() { return smmu_; }
  [[nodiscard]] MessageInterrupts& messages() { return messages_; }
  [[nodiscard]] StaleTranslations& stale() { return stale_; }
  [[nodiscard]] std::vector<std::unique_ptr<Core>>& cores() { return cores_; }
  [[nodiscard]] const board::Board& board() const { return board_; }
  // The root table; nullopt: the partition has no address space.
  [[nodiscard]] std::optional<base::FrameNumber> root_of(base::PartitionId partition) const;
  [[nodiscard]] base::FrameRange table_frames() const { return table_frames_; }
  [[nodiscard]] std::size_t tables_in_use() const;

  // ---- hal/host's own side ------------------------------------------------------------------------------------------
  static constexpr std::size_t kPartitions = 64;
  [[nodiscard]] static Core& this_core();
  void emit(const Event& event);
  void violation(std::string text);
  void check(bool holds, const char* text) {
    if (!holds) violation(text);
  }
  void fail(std::string text);
  [[nodiscard]] hal::AfterTrap deliver(Core& core, hal::TrapKind kind);
  void run_guest(Core& core, const hal::GuestEntry& entry);
  void power(PowerState state);
  [[nodiscard]] bool stopping() const { return power_.load() != PowerState::kOn; }
  void yield();                      // the running core lets others run
  void pause_guest();                // the same, from a guest
  void wait_for_event();
  void wait_in_guest(Core& core);    // WFI of a program
  void signal_cores();
  void make_pending(base::CoreId core, base::Intid intid);
  void drop_pending(base::Intid intid);  // on every core
  void move_pending(base::Intid intid, base::CoreId to);  // if it is pending anywhere
  void maybe_preempt();
  [[nodiscard]] base::Status start_core(base::CoreId core);
  void route(base::Intid intid, base::CoreId core);
  void enable(base::Intid intid, base::CoreId core);  // routed to that core unless it is already
  void disable(base::Intid intid);
  [[nodiscard]] base::Intid acknowledge(Core& core);
  void signal(base::Intid intid);
  void read_list_registers(const Core& core, std::span<std::uint64_t> values);
  void write_list_registers(Core& core, std::span<const std::uint64_t> values);
  [[nodiscard]] std::optional<base::Intid> take_virtual(Core& core);
  [[nodiscard]] TablePlaces& places() { return places_; }
  void translation_broken(const StaleTranslation& translation);
  void invalidate_everywhere(const Invalidation& invalidation);  // TLBI, broadcast; DSB
  [[nodiscard]] base::Status invalidate_smmu(base::PartitionId partition);  // CMD_TLBI, CMD_SYNC
  [[nodiscard]] base::Status write_stream(base::StreamId stream, base::PartitionId partition, FallibleStep step);
  [[nodiscard]] std::optional<Translation> walk(base::PartitionId partition, base::Ipa page) const;
  void set_root(base::PartitionId partition, std::optional<base::FrameNumber> root);
  [[nodiscard]] base::Result<base::FrameNumber> take_table();
  void give_back_table(base::FrameNumber table);
  [[nodiscard]] std::size_t available_tables();
  [[nodiscard]] std::uint16_t& used_entries(base::FrameNumber table);
  [[nodiscard]] bool repeat_tlbi() const { return config_.repeat_tlbi; }
  [[nodiscard]] base::MutableBytes handover() { return handover_; }
  void console_write(std::string_view text);
  [[nodiscard]] std::uint64_t ticks();
  void set_alarm(Core& core, std::optional<std::uint64_t> tick);
  [[nodiscard]] std::uint64_t unix_milliseconds();
  [[nodiscard]] base::Result<std::uint64_t> entropy();
  [[nodiscard]] Recorder* recorder() { return recorder_; }

 private:
  void run_core(Core& core, const std::function<void()>& body);
  void launch(Core& core, std::function<void()> body);
  void add_pending(base::CoreId core, base::Intid intid);
  void invalidate_cores(const Invalidation& invalidation);
  void complete_invalidations();
  bool run_others();
  [[nodiscard]] bool runnable(const Core& core) const;
  void switch_out(Waiting reason);
  void ring_if_due(const Core& core);
  [[nodiscard]] const GuestProgram* program_of(const Core& core) const;
  [[nodiscard]] std::uint64_t random();

  MachineConfig config_;
  const board::Board& board_;
  SimulatedMemory memory_;
  Smmu smmu_;
  MessageInterrupts messages_;
  StaleTranslations stale_;
  FaultInjection faults_;
  Sabotage sabotage_;
  std::vector<std::unique_ptr<Core>> cores_;
  std::map<base::PartitionId, GuestProgram> partition_programs_;
  std::map<std::pair<base::PartitionId, base::CoreId>, GuestProgram> core_programs_;
  std::vector<std::uint8_t> handover_;

  std::array<std::atomic<std::uint64_t>, kPartitions> roots_{};  // 0: none
  TablePlaces places_;
  base::FrameRange table_frames_{};
  std::vector<std::uint64_t> free_tables_;     // guarded by the monitor's own state lock, as on the target
  std::vector<std::uint16_t> used_entries_;

  mutable std::mutex wake_mutex_;  // events, interrupts, power
  std::condition_variable wake_;
  std::map<base::Intid, base::CoreId> routes_;
  std::set<base::Intid> enabled_;
  std::atomic<bool> news_{};       // something happened that may let a waiting core go on
  std::atomic<PowerState> power_{PowerState::kOn};

  mutable std::recursive_mutex event_mutex_;
  Observer observer_;
  std::string* trace_{};
  std::atomic<bool> watched_{};
  mutable std::mutex text_mutex_;
  std::string console_;
  std::vector<std::string> violations_;
  std::vector<std::string> failures_;

  std::atomic<std::uint64_t> traps_{};
  std::atomic<std::uint64_t> ticks_{};
  std::atomic<std::uint64_t> unix_milliseconds_;
  std::atomic<EntropySource> entropy_;
  std::atomic<std::uint64_t> noise_;
  std::uint64_t random_;
  Recorder* recorder_{};
  ReplayInputs* replay_{};
  std::size_t next_core_{};
  bool on_fiber_{};
  std::uint64_t idle_turns_{};
};

}  // namespace host
