// What the calls can be told, and each reason for which they refuse: the rows of call_table.hpp are made of these.
//
// A row's failures stand in the order in which they are checked: when several hold, the first one is answered.
// Addresses of the parent are physical, sizes are bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "firmware/base/result.hpp"
#include "firmware/hypercall/abi.hpp"

namespace hypercall {

enum class Permission : std::uint8_t { kAnybody, kParent, kEnclave };

// When a failure is noticed: by the plan (before anything happened), by the machine (an effect failed; those before
// it were undone), or by the work that follows (a later step, outside the lock).
enum class Noticed : std::uint8_t { kPlan, kMachine, kWork };

struct Named {  // an argument (x1.. in this order) or a result (likewise)
  std::string_view name;
  std::string_view meaning;
};

struct Failure {
  std::int32_t status;   // x0: -(base::Error), for PSCI calls PSCI's own number
  std::string_view tag;  // names the condition inside its row; the conformance test has a stimulus for each
  std::string_view when;
  Noticed noticed{Noticed::kPlan};
};

struct CallRow {
  std::uint32_t number;
  std::string_view name;
  Permission permission;
  bool repeats;  // answers kInProgress until the last bounded piece is done: the caller calls again
  std::span<const Named> arguments;
  std::span<const Named> results;
  std::span<const Failure> failures;
  std::string_view success;   // what changes
  std::string_view shown_by;  // the call that shows it
};

namespace call_table {

using base::Error;

[[nodiscard]] constexpr Failure fails(Error error, std::string_view tag, std::string_view when,
                                      Noticed noticed = Noticed::kPlan) {
  return {-std::int32_t{static_cast<std::uint8_t>(error)}, tag, when, noticed};
}

inline constexpr Named kUid{"uid", "the enclave, as kSlotAllocate named it"};
inline constexpr Failure kNoSlot = fails(Error::kNoSuchSlot, "slot", "no enclave has this uid");
inline constexpr Failure kBusyCore =
    fails(Error::kBusy, "busy", "another core is in the middle of a step of work on this enclave");
inline constexpr Failure kNotInit = fails(Error::kWrongState, "state", "the enclave has been started");
inline constexpr Failure kNoTableFrame =
    fails(Error::kNoTables, "tables", "no frame for a translation table is free", Noticed::kMachine);
inline constexpr Failure kNoAnswer = fails(
    Error::kDeviceTimeout, "timeout", "the SMMU or a core did not confirm an invalidation in time", Noticed::kMachine);

// ---- Anybody ----------------------------------------------------------------------------------------------
inline constexpr Named kVersionResults[] = {{"version", "major << 16 | minor"}};

inline constexpr Named kConsoleArguments[] = {{"length", "bytes of text, 1..40"},
                                              {"text", "x2..x6: eight bytes each, the first in the lowest bits"}};
inline constexpr Failure kConsoleFailures[] = {
    fails(Error::kNotSupported, "production", "the caller is a production enclave: it has no console"),
    fails(Error::kInvalidArgument, "length", "the length is 0 or above 40")};

inline constexpr Named kPartitionResults[] = {
    {"kind", "1: the parent, 2: an enclave"}, {"cores", "how many the caller owns"}, {"memory", "bytes it owns"}};

// ---- The parent: an enclave's life ------------------------------------------------------------------------
inline constexpr Named kAllocateResults[] = {
    {"uid", "the new enclave's name: creation time in milliseconds << 16 | random, above every one before"}};
inline constexpr Failure kAllocateFailures[] = {fails(Error::kNoSlots, "slots", "every slot is in use"), kNoTableFrame};

inline constexpr Named kUidArgument[] = {kUid};
inline constexpr Failure kFreeFailures[] = {
    kNoSlot,
    fails(Error::kWrongState, "state", "the enclave is loading, running or stopping"),
    kBusyCore,
    kNoTableFrame,
    kNoAnswer,
    fails(Error::kNoTables, "give back",
          "no table frame is free to give a piece of memory back; it is not lost, call again", Noticed::kWork)};

inline constexpr Named kStartArguments[] = {
    kUid,
    {"flags", "bit 0: debug enclave (PCR0, 1, 2 and 8 read as zero)"},
    {"cid", "the enclave's vsock address, 4..0xFFFFFFFD"},
    {"offset", "where the EIF begins in the enclave's memory; usually 0x800000"}};
inline constexpr Named kStartResults[] = {{"cid or image error",
                                           "on success the cid; when the image is refused the number of "
                                           "the failed check (table below)"}};
inline constexpr Failure kStartFailures[] = {
    kNoSlot,
    fails(Error::kWrongState, "state", "the enclave was started before, or is being freed"),
    kBusyCore,
    fails(Error::kWrongState, "reclaim", "a reclaim of its memory is not finished"),
    fails(Error::kInvalidArgument, "flags", "a flag other than bit 0 is set"),
    fails(Error::kInvalidArgument, "cid", "the cid is reserved (0..3, 0xFFFFFFFE and above)"),
    fails(Error::kInvalidArgument, "cid in use", "another enclave that loads, runs or is stopping has this cid"),
    fails(Error::kUnaligned, "offset", "the offset is not a multiple of 4 KiB"),
    fails(Error::kNoSuchCore, "cores", "the enclave has no core"),
    fails(Error::kNoMemory, "memory", "the enclave has less memory than the board's minimum"),
    fails(Error::kOutOfRange, "outside", "the offset lies beyond the enclave's memory"),
    fails(Error::kBadImage, "image", "the EIF is malformed; x1 says which check failed", Noticed::kWork),
    fails(Error::kNoMemory, "placement", "kernel, ramdisks and device tree don't fit beside the image", Noticed::kWork),
    fails(Error::kBadSignature, "signature", "the EIF's signature does not verify", Noticed::kWork),
    fails(Error::kOutOfRange, "certificate", "the signing certificate is not valid at this time", Noticed::kWork),
    fails(Error::kWrongState, "ended", "the enclave was stopped between two steps", Noticed::kWork)};

inline constexpr Failure kStopFailures[] = {
    kNoSlot, fails(Error::kWrongState, "state", "the enclave was never started, or is being freed"), kBusyCore};

inline constexpr Named kInfoResults[] = {
    {"state",
     "bits 0..15: 0 init, 3 loading, 2 running, 4 stopping, 0xFFFF stopped; bits 16..31: flags of "
     "kSlotStart; bits 32..63: exit, reason << 8 | code (reason 1 exited, 2 stopped by the parent, 3 faults, "
     "4 reset, 5 loading failed)"},
    {"parts", "cores | regions of memory << 32"},
    {"memory", "bytes"}};
inline constexpr Failure kInfoFailures[] = {kNoSlot};
inline constexpr Named kCountResults[] = {{"in use", "slots"}, {"in all", "slots"}};
inline constexpr Named kNextArguments[] = {{"uid", "0 for the first one, then the answer before"}};
inline constexpr Named kNextResults[] = {{"uid", "the lowest one above the argument, 0 when there is none"}};

// ---- The parent: what an enclave is made of ---------------------------------------------------------------
inline constexpr Named kMemoryArguments[] = {kUid, {"address", "physical"}, {"size", "bytes"}};
inline constexpr Named kDonateResults[] = {{"ipa", "where the enclave finds the memory"}};
inline constexpr Failure kDonateFailures[] = {
    kNoSlot,
    kNotInit,
    kBusyCore,
    fails(Error::kInvalidArgument, "empty", "the size is 0"),
    fails(Error::kUnaligned, "alignment", "address or size is not a multiple of 4 KiB"),
    fails(Error::kOutOfRange, "wrap", "the range passes 2^48"),
    fails(Error::kTooLarge, "large", "the size is above 1 GiB"),
    fails(Error::kWrongState, "reclaim", "a reclaim of this enclave's memory is not finished"),
    fails(Error::kOutOfRange, "ram", "the lowest frame that is not the parent's alone is no RAM of this machine"),
    fails(Error::kShared, "shared", "the lowest frame that is not the parent's alone is a channel's"),
    fails(Error::kNotOwned, "owner",
          "the lowest frame that is not the parent's alone is the monitor's, an enclave's, "
          "or being scrubbed"),
    fails(Error::kNoRegions, "regions",
          "the enclave's table of regions is full and the range does not go on where "
          "the last one ends"),
    kNoTableFrame,
    kNoAnswer};
inline constexpr Failure kReclaimFailures[] = {
    kNoSlot,
    kNotInit,
    kBusyCore,
    fails(Error::kInvalidArgument, "empty", "the size is 0"),
    fails(Error::kUnaligned, "alignment", "address or size is not a multiple of 4 KiB"),
    fails(Error::kOutOfRange, "wrap", "the range passes 2^48"),
    fails(Error::kTooLarge, "large", "the size is above the board's scrub chunk (at most 2 MiB)"),
    fails(Error::kWrongState, "reclaim", "the reclaim of another range is not finished"),
    fails(Error::kNotOwned, "owner", "the range is not the end of what this enclave was given last"),
    kNoTableFrame,
    kNoAnswer};

inline constexpr Named kCoreArguments[] = {kUid, {"mpidr", "the core, affinity fields as in MPIDR_EL1"}};
inline constexpr Failure kCoreDonateFailures[] = {
    kNoSlot,
    kNotInit,
    kBusyCore,
    fails(Error::kNoSuchCore, "core", "no core has this MPIDR"),
    fails(Error::kCoreBusy, "boot core", "it is the parent's boot core"),
    fails(Error::kNotOwned, "owner", "the core is an enclave's"),
    fails(Error::kCoreBusy, "online", "the parent has not switched it off (PSCI CPU_OFF)")};
inline constexpr Failure kCoreReclaimFailures[] = {
    kNoSlot,
    kNotInit,
    kBusyCore,
    fails(Error::kNoSuchCore, "core", "no core has this MPIDR"),
    fails(Error::kNotOwned, "owner", "the core is not this enclave's"),
    fails(Error::kCoreBusy, "order", "it is not the one that the enclave was given last")};

inline constexpr Named kDeviceArguments[] = {kUid, {"stream", "the device's SMMU StreamID"}};
inline constexpr Failure kAssignFailures[] = {
    kNoSlot,
    kNotInit,
    kBusyCore,
    fails(Error::kNoSuchDevice, "device",
          "no assignable device with registers of its own has this stream, or the "
          "board has no SMMU"),
    fails(Error::kNotOwned, "owner", "the device is an enclave's"),
    kNoTableFrame,
    kNoAnswer};
inline constexpr Failure kReleaseFailures[] = {
    kNoSlot,
    kNotInit,
    kBusyCore,
    fails(Error::kNoSuchDevice, "device",
          "no assignable device with registers of its own has this stream, or the "
          "board has no SMMU"),
    fails(Error::kNotOwned, "owner", "the device is not this enclave's"),
    kNoTableFrame,
    kNoAnswer};

inline constexpr Named kAcceptArguments[] = {{"stream", "the device's SMMU StreamID"}};
inline constexpr Failure kAcceptFailures[] = {
    fails(Error::kNoSuchDevice, "device",
          "no assignable device with registers of its own has this stream, or the board has no SMMU"),
    fails(Error::kNotOwned, "owner", "the device is not the caller's"),
    fails(Error::kWrongState, "state", "the caller has accepted it before"), kNoAnswer};

// ---- Channels ---------------------------------------------------------------------------------------------
inline constexpr Named kOpenResults[] = {{"channel", "its number"}, {"ipa", "where the enclave finds it"}};
inline constexpr Failure kOpenFailures[] = {
    kNoSlot,
    fails(Error::kWrongState, "state", "the enclave neither waits for its start nor runs"),
    fails(Error::kInvalidArgument, "empty", "the size is 0"),
    fails(Error::kUnaligned, "alignment", "address or size is not a multiple of 4 KiB"),
    fails(Error::kOutOfRange, "wrap", "the range passes 2^48"),
    fails(Error::kTooLarge, "large", "the size is above 2 MiB"),
    fails(Error::kOutOfRange, "ram", "the lowest frame that is not the parent's alone is no RAM of this machine"),
    fails(Error::kShared, "shared", "the lowest frame that is not the parent's alone is a channel's"),
    fails(Error::kNotOwned, "owner",
          "the lowest frame that is not the parent's alone is the monitor's, an enclave's, "
          "or being scrubbed"),
    fails(Error::kNoChannels, "channels", "every channel of the enclave is in use"),
    kNoTableFrame};
inline constexpr Named kChannelArguments[] = {kUid, {"channel", "its number"}};
inline constexpr Named kNotifyArguments[] = {{"uid", "the enclave; an enclave passes 0, and it is ignored"},
                                             {"channel", "its number"}};
inline constexpr Named kPendingArguments[] = {{"uid", "the enclave; an enclave passes 0, and it is ignored"}};
inline constexpr Failure kNoChannel = fails(Error::kNoSuchChannel, "channel", "no open channel has this number");
inline constexpr Failure kNoSlotForParent =
    fails(Error::kNoSuchSlot, "slot", "the caller is the parent and no enclave has this uid");
inline constexpr Failure kCloseFailures[] = {
    kNoSlot, fails(Error::kWrongState, "state", "the enclave is being freed: its channels are closed"), kNoChannel,
    kNoTableFrame, kNoAnswer};
inline constexpr Failure kNotifyFailures[] = {kNoSlotForParent, kNoChannel};
inline constexpr Named kChannelInfoArguments[] = {{"channel", "its number"}};
inline constexpr Named kChannelInfoResults[] = {{"ipa", "where it lies"}, {"size", "bytes"}};
inline constexpr Failure kChannelInfoFailures[] = {kNoChannel};
inline constexpr Named kPendingResults[] = {{"channels", "one bit for each channel on which the other side notified"}};
inline constexpr Failure kPendingFailures[] = {kNoSlotForParent};

// ---- The enclave ------------------------------------------------------------------------------------------
inline constexpr Named kNsmArguments[] = {{"request", "IPA of the CBOR request, any alignment"},
                                          {"length", "bytes, 1..4096"},
                                          {"response", "IPA of the buffer for the CBOR response, any alignment"},
                                          {"capacity", "bytes, at most 12288"}};
inline constexpr Named kNsmResults[] = {{"length", "bytes of the response"}};
inline constexpr Failure kNsmFailures[] = {
    fails(Error::kBusy, "busy", "another core of the enclave has a request open"),
    fails(Error::kInvalidArgument, "empty", "the length is 0"),
    fails(Error::kTooLarge, "large", "the length is above 4096 or the capacity above 12288"),
    fails(Error::kNotOwned, "outside", "request or response does not lie in the enclave's memory"),
    fails(Error::kBufferTooSmall, "response", "not even the NSM's own refusal fits into the capacity", Noticed::kWork)};
inline constexpr Named kExitArguments[] = {{"code", "0..255, shown to the parent"}};
inline constexpr Failure kExitFailures[] = {fails(Error::kInvalidArgument, "code", "the code is above 255")};

// ---- What an honest machine shows -------------------------------------------------------------------------
inline constexpr Named kReadArguments[] = {{"index", "which record, from 0"},
                                           {"buffer", "physical address, any alignment, in the parent's memory"},
                                           {"capacity", "bytes of the buffer"}};
inline constexpr Named kReadResults[] = {{"length", "bytes written"}, {"records", "how many there are in all"}};
inline constexpr Failure kReadFailures[] = {
    fails(Error::kOutOfRange, "index", "there is no such record"),
    fails(Error::kBufferTooSmall, "capacity", "the record is longer than the buffer"),
    fails(Error::kOutOfRange, "wrap", "the buffer passes the top of the address space"),
    fails(Error::kNotOwned, "owner", "a frame under the record is not the parent's")};
inline constexpr Failure kLedgerFailures[] = {
    fails(Error::kOutOfRange, "index", "there is no such record, or it is older than the last 1024"),
    fails(Error::kBufferTooSmall, "capacity", "the record is longer than the buffer"),
    fails(Error::kOutOfRange, "wrap", "the buffer passes the top of the address space"),
    fails(Error::kNotOwned, "owner", "a frame under the record is not the parent's")};
inline constexpr Named kCounterArguments[] = {{"kind",
                                               "0 stage-2 faults, 1 DMA faults, 2 undefined instructions, "
                                               "3 refused calls"}};
inline constexpr Named kCounterResults[] = {{"count", "since boot, of all partitions"}};
inline constexpr Failure kCounterFailures[] = {fails(Error::kInvalidArgument, "kind", "there is no such counter")};

inline constexpr Named kStatusArguments[] = {
    {"section", "0 version, 1 machine, 2 counters of a core, 3 DMA faults, 4 event log, 5 slots in use"},
    {"index", "which entry, from 0"},
    {"buffer", "physical address, any alignment, in the parent's memory"},
    {"capacity", "bytes of the buffer, at least 8"}};
inline constexpr Named kStatusResults[] = {{"length", "bytes written"},
                                           {"entries", "how many the section has in all"}};
inline constexpr Failure kStatusFailures[] = {
    fails(Error::kInvalidArgument, "section", "there is no such section"),
    fails(Error::kOutOfRange, "index", "the section has no such entry"),
    fails(Error::kBufferTooSmall, "capacity", "the buffer does not even hold an entry's size and version"),
    fails(Error::kOutOfRange, "wrap", "the buffer passes the top of the address space"),
    fails(Error::kNotOwned, "owner", "a frame under what would be written is not the parent's")};

// ---- PSCI 1.1 (Arm DEN 0022) and SMCCC (Arm DEN 0028); x0 holds PSCI's own numbers ------------------------
inline constexpr Named kCpuOnArguments[] = {
    {"target", "MPIDR; an enclave's cores are 0, 1, 2 .. in the order of donation"},
    {"entry", "IPA of the first instruction, EL1, MMU off"},
    {"context", "the core's x0"}};
inline constexpr Failure kCpuOnFailures[] = {
    {-2, "core", "INVALID_PARAMETERS: no core has this MPIDR, or for an enclave: none of its cores"},
    {-9, "entry", "INVALID_ADDRESS: the entry is not a multiple of 4, or no memory that the caller executes from"},
    {-3, "donated", "DENIED: the parent has donated the core"},
    {-4, "on", "ALREADY_ON: the core is not off"},
    {-3, "stopping", "DENIED: the caller is an enclave that is being stopped"}};
inline constexpr Named kSuspendArguments[] = {
    {"state", "32 bits: identifier of the state, any, in 15..0; bit 16 (power-down), level and all others 0"}};
inline constexpr Failure kSuspendFailures[] = {
    {-2, "state", "INVALID_PARAMETERS: a power-down state, or a level other than that of the core"}};
inline constexpr Named kAffinityArguments[] = {{"target", "MPIDR"}, {"level", "32 bits: 0"}};
inline constexpr Failure kAffinityFailures[] = {
    {-2, "level", "INVALID_PARAMETERS: the level is not 0"},
    {-2, "core", "INVALID_PARAMETERS: no core has this MPIDR, or for an enclave: none of its cores"}};
inline constexpr Named kFeaturesArguments[] = {{"function", "a function identifier of PSCI, or of SMCCC_VERSION"}};
inline constexpr Failure kFeaturesFailures[] = {{-1, "function", "NOT_SUPPORTED: it is not served"}};
inline constexpr Named kReset2Arguments[] = {{"type", "32 bits: 0, the architecture's warm reset"},
                                             {"cookie", "ignored"}};
inline constexpr Failure kReset2Failures[] = {{-2, "type", "INVALID_PARAMETERS: another type"}};

// ---- SMCCC (Arm DEN 0028) and TRNG (Arm DEN 0098) ---------------------------------------------------------
inline constexpr Named kArchFeaturesArguments[] = {
    {"function", "a function identifier of the Arm architecture's range, 0x80000000 to 0x8000FFFF"}};
inline constexpr Failure kArchFeaturesFailures[] = {
    {-1, "function", "NOT_SUPPORTED: it is not served"},
    {-1, "affected", "NOT_SUPPORTED: a workaround that the caller's core may need, and that nobody here has"}};
inline constexpr Failure kWorkaroundFailures[] = {
    {-1, "affected", "NOT_SUPPORTED: the caller's core may need the workaround, and nobody here has it"}};
inline constexpr Named kTrngFeaturesArguments[] = {{"function", "a function identifier of the TRNG interface"}};
inline constexpr Named kUuidResults[] = {{"uuid", "with x2 and x3, bytes 4 to 15: four in each, the first in the lowest bits"},
                                         {"uuid", "as x1"},
                                         {"uuid", "as x1"}};
inline constexpr Named kBitsArgument32[] = {{"bits", "1..96"}};
inline constexpr Named kBitsArgument[] = {{"bits", "1..192"}};
inline constexpr Named kRandomResults32[] = {
    {"entropy", "bits 95..64; bits that were not asked for are 0"}, {"entropy", "bits 63..32"}, {"entropy", "bits 31..0"}};
inline constexpr Named kRandomResults[] = {
    {"entropy", "bits 191..128; bits that were not asked for are 0"}, {"entropy", "bits 127..64"}, {"entropy", "bits 63..0"}};
inline constexpr Failure kRandomFailures[] = {
    {-2, "bits", "INVALID_PARAMETERS: no bits, or more than the call can return"},
    {-3, "entropy", "NO_ENTROPY: the machine's source has failed a health test, or has not answered for too long",
     Noticed::kWork}};

}  // namespace call_table

}  // namespace hypercall
