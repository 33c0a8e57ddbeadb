#include "firmware/monitor/work.hpp"

#include <cstring>

#include "firmware/hypercall/plan.hpp"
#include "firmware/monitor/apply_effects.hpp"
#include "firmware/monitor/answer_nsm.hpp"
#include "firmware/monitor/answer_status.hpp"
#include "firmware/monitor/answer_trng.hpp"
#include "firmware/monitor/globals.hpp"
#include "firmware/monitor/after_commit.hpp"
#include "firmware/monitor/load_enclave.hpp"
#include "firmware/monitor/log.hpp"
#include "firmware/monitor/nsm_device.hpp"
#include "firmware/monitor/power.hpp"
#include "hal/memory.hpp"

namespace monitor {

using cofferdam_abi::Function;
using hypercall::Call;
using hypercall::Caller;
using partition::Reply;
using partition::Work;
using partition::WorkKind;

namespace {

// One record of what an honest machine shows; the plan has checked index, capacity and buffer.
void copy_record_out(const Call& call) {
  const base::PhysAddr to{call.arguments[1]};  // the parent's addresses are physical ones
  const std::uint64_t index = call.arguments[0];
  const auto write = [&](const auto& record) {
    std::array<std::uint8_t, sizeof record> bytes;
    std::memcpy(bytes.data(), &record, sizeof record);
    hal::write_bytes(to, bytes);
  };
  switch (static_cast<Function>(call.function)) {
    case Function::kEventLogRead: return write(g_state.platform.events()[index]);
    case Function::kPlatformPcrRead: return write(g_state.platform.bank()[index]);
    case Function::kLedgerRead:
      if (const auto record = g_state.ledger.read(index)) write(*record);
      return;
    default: return;
  }
}

[[nodiscard]] Reply finish_scrubbing(const Work& work) {
  hal::scrub_frames(work.frames);
  const Locked locked{g_state_lock};
  const hypercall::Transition transition = hypercall::plan_scrubbed(g_state, work.slot);
  const base::Status applied = apply(transition.effects);
  if (!applied.ok()) {
    // The frames stay with nobody; the parent may call again, which scrubs and returns them.
    hypercall::Transition give_up = hypercall::refuse(applied.error());
    give_up.add(partition::Fact{.kind = partition::FactKind::kSlotBusy, .slot = work.slot});
    hypercall::commit(g_state, give_up);
    return give_up.reply;
  }
  hypercall::commit(g_state, transition);
  after_commit(transition);
  return transition.reply;
}

void print(const Caller& caller, const Call& call) {
  std::array<char, 40> text{};
  for (std::size_t i = 0; i < text.size(); ++i) {
    text[i] = static_cast<char>(call.arguments[1 + i / 8] >> (8 * (i % 8)));
  }
  console_from_guest(caller.partition(), {text.data(), static_cast<std::size_t>(call.arguments[0])});
}

}  // namespace

base::Status do_locked_work(const Caller& caller, const Call& call, const Work& work) {
  switch (work.kind) {
    case WorkKind::kCopyOut:
      if (call.function == static_cast<std::uint32_t>(Function::kStatusRead)) {
        write_status_out(call);
      } else {
        copy_record_out(call);
      }
      return {};
    case WorkKind::kNsm: return take_nsm_call(caller, call);
    case WorkKind::kLoad:
      if (g_state.slots[work.slot.value].state == enclave::SlotState::kInit) begin_loading(work.slot, call.arguments[3]);
      return {};
    case WorkKind::kNone:
    case WorkKind::kScrub:
    case WorkKind::kConsole:
    case WorkKind::kPowerOff:
    case WorkKind::kPowerReset:
    case WorkKind::kRandom:
    case WorkKind::kForget: return {};
  }
  return base::Error::kInternal;
}

Reply do_unlocked_work(const Caller& caller, const Call& call, const Work& work, const Reply& planned) {
  switch (work.kind) {
    case WorkKind::kNone:
    case WorkKind::kCopyOut: return planned;
    case WorkKind::kScrub: return finish_scrubbing(work);
    case WorkKind::kLoad: return load_step(work.slot);
    case WorkKind::kNsm: {
      const Reply reply = answer_nsm_call(caller, call);
      serve_waiting_nsm_request(caller.slot());
      return reply;
    }
    case WorkKind::kConsole: print(caller, call); return planned;
    case WorkKind::kPowerOff:
    case WorkKind::kPowerReset: ask_to_end_machine(work.kind); return planned;
    case WorkKind::kRandom: return answer_trng(call);
    case WorkKind::kForget:
      forget_leaf(work.slot);
      forget_console(base::partition_of(work.slot));
      return planned;
  }
  return planned;
}

}  // namespace monitor
