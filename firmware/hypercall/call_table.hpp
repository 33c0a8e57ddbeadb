// What every call demands, refuses and changes: the one table behind docs/hypercall-abi.md and the conformance test.
//
// Before a row's failures stands the caller: a call that is not for this kind of partition is kNotSupported, whatever
// else is wrong. Every refusal leaves the state and the machine as they were.
// The firmware decides in the plans (plan.hpp); the conformance test holds them to this table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>

#include "firmware/hypercall/call_conditions.hpp"

namespace hypercall {

namespace call_table {

using cofferdam_abi::Function;

[[nodiscard]] constexpr std::uint32_t number_of(Function function) { return static_cast<std::uint32_t>(function); }

// Ascending by number: SMCCC, PSCI and TRNG first, then the monitor's own calls.
inline constexpr CallRow kCallTable[] = {
    {cofferdam_abi::kSmcccVersion,
     "SMCCC_VERSION",
     Permission::kAnybody,
     false,
     {},
     {},
     {},
     "Nothing. x0 = 0x10001: version 1.1.",
     "SMCCC_VERSION"},
    {cofferdam_abi::kSmcccArchFeatures,
     "SMCCC_ARCH_FEATURES",
     Permission::kAnybody,
     false,
     kArchFeaturesArguments,
     {},
     kArchFeaturesFailures,
     "Nothing. x0 = 0: it is served; 1, for a workaround: it may be called, and the caller's core does not need it.",
     "SMCCC_ARCH_FEATURES"},
    {cofferdam_abi::kSmcccArchWorkaround3,
     "SMCCC_ARCH_WORKAROUND_3",
     Permission::kAnybody,
     false,
     {},
     {},
     kWorkaroundFailures,
     "Nothing: the core is not affected by CVE-2022-23960.",
     "SMCCC_ARCH_FEATURES"},
    {cofferdam_abi::kSmcccArchWorkaround2,
     "SMCCC_ARCH_WORKAROUND_2",
     Permission::kAnybody,
     false,
     {},
     {},
     kWorkaroundFailures,
     "Nothing: the core is not affected by CVE-2018-3639, or lets the guest itself set PSTATE.SSBS.",
     "SMCCC_ARCH_FEATURES"},
    {cofferdam_abi::kSmcccArchWorkaround1,
     "SMCCC_ARCH_WORKAROUND_1",
     Permission::kAnybody,
     false,
     {},
     {},
     kWorkaroundFailures,
     "Nothing: the core is not affected by CVE-2017-5715.",
     "SMCCC_ARCH_FEATURES"},
    {cofferdam_abi::kPsciVersion,
     "PSCI_VERSION",
     Permission::kAnybody,
     false,
     {},
     {},
     {},
     "Nothing. x0 = 0x10001: version 1.1.",
     "PSCI_VERSION"},
    {cofferdam_abi::kPsciCpuSuspend32,
     "PSCI_CPU_SUSPEND (32-bit)",
     Permission::kAnybody,
     false,
     kSuspendArguments,
     {},
     kSuspendFailures,
     "Nothing: a standby state completes at once, as if an interrupt had come. "
     "A guest that wants to sleep executes WFI.",
     "PSCI_CPU_SUSPEND"},
    {cofferdam_abi::kPsciCpuOff,
     "PSCI_CPU_OFF",
     Permission::kAnybody,
     false,
     {},
     {},
     {},
     "The calling core leaves the partition's code, is scrubbed and parks. Does not return. An enclave whose last core "
     "does this has stopped.",
     "PSCI_AFFINITY_INFO"},
    {cofferdam_abi::kPsciCpuOn32,
     "PSCI_CPU_ON (32-bit)",
     Permission::kAnybody,
     false,
     kCpuOnArguments,
     {},
     kCpuOnFailures,
     "The core runs the caller's code at the entry. x0 = 0.",
     "PSCI_AFFINITY_INFO"},
    {cofferdam_abi::kPsciAffinityInfo32,
     "PSCI_AFFINITY_INFO (32-bit)",
     Permission::kAnybody,
     false,
     kAffinityArguments,
     {},
     kAffinityFailures,
     "Nothing. x0 = 0: on, 1: off or donated.",
     "PSCI_AFFINITY_INFO"},
    {cofferdam_abi::kPsciMigrateInfoType,
     "PSCI_MIGRATE_INFO_TYPE",
     Permission::kAnybody,
     false,
     {},
     {},
     {},
     "Nothing. x0 = 2: there is nothing to migrate.",
     "PSCI_MIGRATE_INFO_TYPE"},
    {cofferdam_abi::kPsciSystemOff,
     "PSCI_SYSTEM_OFF",
     Permission::kAnybody,
     false,
     {},
     {},
     {},
     "Does not return. An enclave stops with exit reason 1. The parent ends the machine: every enclave is stopped and "
     "its memory scrubbed first.",
     "kSlotInfo"},
    {cofferdam_abi::kPsciSystemReset,
     "PSCI_SYSTEM_RESET",
     Permission::kAnybody,
     false,
     {},
     {},
     {},
     "Does not return. As PSCI_SYSTEM_OFF, with exit reason 4 for an enclave and a restart for the machine.",
     "kSlotInfo"},
    {cofferdam_abi::kPsciFeatures,
     "PSCI_FEATURES",
     Permission::kAnybody,
     false,
     kFeaturesArguments,
     {},
     kFeaturesFailures,
     "Nothing. x0 = 0: it is served. Of PSCI_CPU_SUSPEND that says, too: the original format of states, no OS-initiated "
     "mode.",
     "PSCI_FEATURES"},
    {cofferdam_abi::kPsciSystemReset2With32,
     "PSCI_SYSTEM_RESET2 (32-bit)",
     Permission::kAnybody,
     false,
     kReset2Arguments,
     {},
     kReset2Failures,
     "As PSCI_SYSTEM_RESET.",
     "kSlotInfo"},
    {cofferdam_abi::kTrngVersion,
     "TRNG_VERSION",
     Permission::kAnybody,
     false,
     {},
     {},
     {},
     "Nothing. x0 = 0x10000: version 1.0.",
     "TRNG_VERSION"},
    {cofferdam_abi::kTrngFeatures,
     "TRNG_FEATURES",
     Permission::kAnybody,
     false,
     kTrngFeaturesArguments,
     {},
     kFeaturesFailures,
     "Nothing. x0 = 0: it is served.",
     "TRNG_FEATURES"},
    {cofferdam_abi::kTrngGetUuid,
     "TRNG_GET_UUID",
     Permission::kAnybody,
     false,
     {},
     kUuidResults,
     {},
     "Nothing. x0 has bytes 0 to 3 of 28f4ea73-bae4-4da1-a119-817beecb731f.",
     "TRNG_GET_UUID"},
    {cofferdam_abi::kTrngRnd32,
     "TRNG_RND (32-bit)",
     Permission::kAnybody,
     false,
     kBitsArgument32,
     kRandomResults32,
     kRandomFailures,
     "Random bits in x1..x3, from the monitor's generator. It is one for all; requests are served in the order "
     "in which they come.",
     "TRNG_RND"},
    {cofferdam_abi::kPsciCpuSuspend,
     "PSCI_CPU_SUSPEND",
     Permission::kAnybody,
     false,
     kSuspendArguments,
     {},
     kSuspendFailures,
     "Nothing: a standby state completes at once, as if an interrupt had come. "
     "A guest that wants to sleep executes WFI.",
     "PSCI_CPU_SUSPEND"},
    {cofferdam_abi::kPsciCpuOn,
     "PSCI_CPU_ON",
     Permission::kAnybody,
     false,
     kCpuOnArguments,
     {},
     kCpuOnFailures,
     "The core runs the caller's code at the entry. x0 = 0.",
     "PSCI_AFFINITY_INFO"},
    {cofferdam_abi::kPsciAffinityInfo,
     "PSCI_AFFINITY_INFO",
     Permission::kAnybody,
     false,
     kAffinityArguments,
     {},
     kAffinityFailures,
     "Nothing. x0 = 0: on, 1: off or donated.",
     "PSCI_AFFINITY_INFO"},
    {cofferdam_abi::kPsciSystemReset2,
     "PSCI_SYSTEM_RESET2",
     Permission::kAnybody,
     false,
     kReset2Arguments,
     {},
     kReset2Failures,
     "As PSCI_SYSTEM_RESET.",
     "kSlotInfo"},
    {cofferdam_abi::kTrngRnd,
     "TRNG_RND",
     Permission::kAnybody,
     false,
     kBitsArgument,
     kRandomResults,
     kRandomFailures,
     "Random bits in x1..x3, from the monitor's generator. It is one for all; requests are served in the order "
     "in which they come.",
     "TRNG_RND"},

    {number_of(Function::kVersion),
     "kVersion",
     Permission::kAnybody,
     false,
     {},
     kVersionResults,
     {},
     "Nothing.",
     "kVersion"},
    {number_of(Function::kConsoleWrite),
     "kConsoleWrite",
     Permission::kAnybody,
     false,
     kConsoleArguments,
     {},
     kConsoleFailures,
     "The text appears on the console: the parent's as it is, a debug enclave's line by line behind its slot number, "
     "printable characters only.",
     "the console"},
    {number_of(Function::kPartitionInfo),
     "kPartitionInfo",
     Permission::kAnybody,
     false,
     {},
     kPartitionResults,
     {},
     "Nothing.",
     "kPartitionInfo"},

    {number_of(Function::kSlotAllocate),
     "kSlotAllocate",
     Permission::kParent,
     false,
     {},
     kAllocateResults,
     kAllocateFailures,
     "A slot is in use; its enclave has an empty address space and waits for memory and cores.",
     "kSlotInfo"},
    {number_of(Function::kSlotFree),
     "kSlotFree",
     Permission::kParent,
     true,
     kUidArgument,
     {},
     kFreeFailures,
     "In bounded steps: devices go back, channels close, the address space goes, memory is scrubbed and goes back "
     "piece "
     "by piece, cores go back. When x0 = 0 the uid names nothing any more.",
     "kSlotCount"},
    {number_of(Function::kSlotStart), "kSlotStart", Permission::kParent, true, kStartArguments, kStartResults,
     kStartFailures,
     "In bounded steps: the EIF is parsed and measured, its signature checked, kernel and ramdisks moved to their "
     "places, everything else zeroed. When x0 = 0 the enclave's first core runs. A refusal before the first move "
     "leaves "
     "the enclave as it was; one after it leaves it stopped. The arguments of the first call count.",
     "kSlotInfo"},
    {number_of(Function::kSlotStop),
     "kSlotStop",
     Permission::kParent,
     true,
     kUidArgument,
     {},
     kStopFailures,
     "The enclave's cores leave its code and are scrubbed. When x0 = 0 it has stopped. Its memory stays out of reach "
     "until kSlotFree.",
     "kSlotInfo"},
    {number_of(Function::kSlotInfo), "kSlotInfo", Permission::kParent, false, kUidArgument, kInfoResults, kInfoFailures,
     "Nothing.", "kSlotInfo"},
    {number_of(Function::kSlotCount),
     "kSlotCount",
     Permission::kParent,
     false,
     {},
     kCountResults,
     {},
     "Nothing.",
     "kSlotCount"},
    {number_of(Function::kSlotNext),
     "kSlotNext",
     Permission::kParent,
     false,
     kNextArguments,
     kNextResults,
     {},
     "Nothing.",
     "kSlotNext"},

    {number_of(Function::kMemoryDonate), "kMemoryDonate", Permission::kParent, false, kMemoryArguments, kDonateResults,
     kDonateFailures,
     "The frames leave the parent and its devices, cached translations included, and are the enclave's, appended to "
     "its "
     "memory. Their contents stay: that is how an EIF gets in.",
     "kSlotInfo"},
    {number_of(Function::kMemoryReclaim),
     "kMemoryReclaim",
     Permission::kParent,
     true,
     kMemoryArguments,
     {},
     kReclaimFailures,
     "The frames leave the enclave, are zeroed, and are the parent's again. A call that was answered with an error "
     "after the frames had left goes on where it was when it is made again.",
     "kSlotInfo"},
    {number_of(Function::kCoreDonate),
     "kCoreDonate",
     Permission::kParent,
     false,
     kCoreArguments,
     {},
     kCoreDonateFailures,
     "The core is the enclave's; PSCI shows it to the parent as off, and CPU_ON is denied.",
     "kSlotInfo"},
    {number_of(Function::kCoreReclaim),
     "kCoreReclaim",
     Permission::kParent,
     false,
     kCoreArguments,
     {},
     kCoreReclaimFailures,
     "The core is the parent's again, switched off.",
     "kSlotInfo"},
    {number_of(Function::kDeviceAssign),
     "kDeviceAssign",
     Permission::kParent,
     false,
     kDeviceArguments,
     {},
     kAssignFailures,
     "The device's stream aborts, then its registers leave the parent and are the enclave's, at their "
     "physical address. Its interrupt is disabled. It reaches no memory until the enclave accepts it.",
     "kLedgerRead"},
    {number_of(Function::kDeviceRelease),
     "kDeviceRelease",
     Permission::kParent,
     false,
     kDeviceArguments,
     {},
     kReleaseFailures,
     "As kDeviceAssign, back to the parent, who has to accept it likewise.",
     "kLedgerRead"},
    {number_of(Function::kDeviceAccept),
     "kDeviceAccept",
     Permission::kAnybody,
     false,
     kAcceptArguments,
     {},
     kAcceptFailures,
     "The device reaches its owner's memory. What the owner before had it do may still be queued in it: "
     "reset it by its registers first.",
     "kDeviceAccept"},

    {number_of(Function::kChannelOpen), "kChannelOpen", Permission::kParent, false, kMemoryArguments, kOpenResults,
     kOpenFailures,
     "The enclave reaches the parent's frames as well, to read and write. They can't be donated meanwhile.",
     "kChannelInfo"},
    {number_of(Function::kChannelClose),
     "kChannelClose",
     Permission::kParent,
     false,
     kChannelArguments,
     {},
     kCloseFailures,
     "The enclave no longer reaches the frames.",
     "kChannelInfo"},
    {number_of(Function::kChannelNotify),
     "kChannelNotify",
     Permission::kAnybody,
     false,
     kNotifyArguments,
     {},
     kNotifyFailures,
     "The channel's bit is set for the other side, and a core of it is interrupted (INTID 1019).",
     "kChannelPending"},
    {number_of(Function::kChannelInfo), "kChannelInfo", Permission::kEnclave, false, kChannelInfoArguments,
     kChannelInfoResults, kChannelInfoFailures, "Nothing.", "kChannelInfo"},
    {number_of(Function::kChannelPending), "kChannelPending", Permission::kAnybody, false, kPendingArguments,
     kPendingResults, kPendingFailures, "The bits that were answered are clear.", "kChannelPending"},

    {number_of(Function::kNsmRequest), "kNsmRequest", Permission::kEnclave, false, kNsmArguments, kNsmResults,
     kNsmFailures,
     "The response lies in the buffer; what the NSM itself refuses is a response, too. Registers that were extended or "
     "locked are.",
     "kNsmRequest"},
    {number_of(Function::kEnclaveExit),
     "kEnclaveExit",
     Permission::kEnclave,
     false,
     kExitArguments,
     {},
     kExitFailures,
     "Does not return. Every core of the enclave leaves; it has stopped when the last one has.",
     "kSlotInfo"},

    {number_of(Function::kEventLogRead), "kEventLogRead", Permission::kParent, false, kReadArguments, kReadResults,
     kReadFailures, "One event of the platform's log (80 bytes) lies in the buffer.", "kEventLogRead"},
    {number_of(Function::kLedgerRead), "kLedgerRead", Permission::kParent, false, kReadArguments, kReadResults,
     kLedgerFailures, "One record of the ownership ledger (32 bytes) lies in the buffer.", "kLedgerRead"},
    {number_of(Function::kPlatformPcrRead), "kPlatformPcrRead", Permission::kParent, false, kReadArguments,
     kReadResults, kReadFailures, "One platform register (48 bytes, 0..7) lies in the buffer.", "kPlatformPcrRead"},
    {number_of(Function::kFaultCounters), "kFaultCounters", Permission::kParent, false, kCounterArguments,
     kCounterResults, kCounterFailures, "Nothing.", "kFaultCounters"},
    {number_of(Function::kStatusRead), "kStatusRead", Permission::kParent, false, kStatusArguments, kStatusResults,
     kStatusFailures,
     "One entry of a section lies in the buffer, or as much of it as fits. The layouts are below.", "kStatusRead"},
};

// A new enumerator breaks this switch (-Wswitch), and then the assertion below, until it has a row.
[[nodiscard]] constexpr bool is_published(Function function) {
  switch (function) {
    case Function::kVersion:
    case Function::kConsoleWrite:
    case Function::kPartitionInfo:
    case Function::kSlotAllocate:
    case Function::kSlotFree:
    case Function::kSlotStart:
    case Function::kSlotStop:
    case Function::kSlotInfo:
    case Function::kSlotCount:
    case Function::kSlotNext:
    case Function::kMemoryDonate:
    case Function::kMemoryReclaim:
    case Function::kCoreDonate:
    case Function::kCoreReclaim:
    case Function::kDeviceAssign:
    case Function::kDeviceRelease:
    case Function::kDeviceAccept:
    case Function::kChannelOpen:
    case Function::kChannelClose:
    case Function::kChannelNotify:
    case Function::kChannelInfo:
    case Function::kChannelPending:
    case Function::kNsmRequest:
    case Function::kEnclaveExit:
    case Function::kEventLogRead:
    case Function::kLedgerRead:
    case Function::kPlatformPcrRead:
    case Function::kFaultCounters:
    case Function::kStatusRead:
      return true;
  }
  return false;
}

[[nodiscard]] constexpr bool numbers_ascend() {
  for (std::size_t i = 1; i < std::size(kCallTable); ++i) {
    if (kCallTable[i].number <= kCallTable[i - 1].number) return false;
  }
  return true;
}

// Ascending numbers rule out a second row; here: none is missing, none stands for a number that is not published.
[[nodiscard]] constexpr bool covers_exactly_the_published() {
  constexpr std::uint32_t kOwnNumbers = 0x1'0000;  // the range that SMCCC gives to this owner
  std::uint32_t rows = 0;
  for (const CallRow& row : kCallTable) {
    if (row.number < cofferdam_abi::kFunctionBase) continue;
    if (!is_published(static_cast<Function>(row.number))) return false;
    ++rows;
  }
  std::uint32_t published = 0;
  for (std::uint32_t i = 0; i < kOwnNumbers; ++i) {
    if (is_published(static_cast<Function>(cofferdam_abi::kFunctionBase + i))) ++published;
  }
  return rows == published;
}

[[nodiscard]] constexpr bool tags_differ_in_each_row() {
  for (const CallRow& row : kCallTable) {
    for (std::size_t i = 0; i < row.failures.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        if (row.failures[i].tag == row.failures[j].tag) return false;
      }
    }
  }
  return true;
}

static_assert(numbers_ascend());
static_assert(covers_exactly_the_published());
static_assert(tags_differ_in_each_row());

}  // namespace call_table

using call_table::kCallTable;

}  // namespace hypercall
