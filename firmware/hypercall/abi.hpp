// The published call interface of the Cofferdam monitor: all that a guest needs to know.
//
// Calls are HVC #0 under the SMC Calling Convention 1.2 (Arm DEN 0028), SMC64 fast calls of the vendor-specific
// hypervisor service: x0 = function identifier, x1..x6 arguments; on return x0 = 0 or -(error), x1..x3 results.
// x4..x17 are preserved. Errors are those of the table in docs/hypercall-abi.md.
// Self-contained on purpose: guests include this file and nothing else of the project.
#pragma once

#include <cstdint>

namespace cofferdam_abi {

inline constexpr std::uint64_t kAbiMajor = 1;
inline constexpr std::uint64_t kAbiMinor = 1;

inline constexpr std::uint32_t kFunctionBase = 0xC600'0000;  // fast, 64-bit, owner 6 (vendor-specific hypervisor)

enum class Function : std::uint32_t {
  // anybody
  kVersion = kFunctionBase + 0x00,        // -> x1 = major << 16 | minor
  kConsoleWrite = kFunctionBase + 0x01,   // (length 1..40, 5 registers of text); production enclaves: kNotSupported
  kPartitionInfo = kFunctionBase + 0x02,  // -> x1 partition kind (1 parent, 2 enclave), x2 cores, x3 memory bytes
  // the parent: enclaves
  kSlotAllocate = kFunctionBase + 0x10,   // -> x1 slot uid
  kSlotFree = kFunctionBase + 0x11,       // (uid); repeats while kInProgress
  kSlotStart = kFunctionBase + 0x12,      // (uid, flags, cid, image offset); repeats while kInProgress
  kSlotStop = kFunctionBase + 0x13,       // (uid); repeats while kInProgress
  kSlotInfo = kFunctionBase + 0x14,       // (uid) -> x1 state | flags << 16 | exit << 32, exit = reason << 8 | code, x2 cores | regions << 32, x3 memory
  kSlotCount = kFunctionBase + 0x15,      // -> x1 slots in use, x2 slots in all
  kSlotNext = kFunctionBase + 0x16,       // (uid, 0 for the first) -> x1 the next uid in ascending order, 0 at the end
  // the parent: what a slot is made of
  kMemoryDonate = kFunctionBase + 0x20,   // (uid, address, size)
  kMemoryReclaim = kFunctionBase + 0x21,  // (uid, address, size); scrubbed; repeats while kInProgress
  kCoreDonate = kFunctionBase + 0x22,     // (uid, MPIDR)
  kCoreReclaim = kFunctionBase + 0x23,    // (uid, MPIDR)
  kDeviceAssign = kFunctionBase + 0x24,   // (uid, stream)
  kDeviceRelease = kFunctionBase + 0x25,  // (uid, stream)
  kDeviceAccept = kFunctionBase + 0x26,   // its new owner: (stream); the device may reach memory from now on
  // channels: memory of the parent, shared with one enclave on purpose
  kChannelOpen = kFunctionBase + 0x30,    // parent: (uid, address, size) -> x1 channel, x2 the enclave's IPA
  kChannelClose = kFunctionBase + 0x31,   // parent: (uid, channel)
  kChannelNotify = kFunctionBase + 0x32,  // parent: (uid, channel); enclave: (0, channel)
  kChannelInfo = kFunctionBase + 0x33,    // enclave: (channel) -> x1 IPA, x2 size
  kChannelPending = kFunctionBase + 0x34, // parent: (uid); enclave: (0) -> x1 bit per channel that was notified; clears
  // the enclave
  kNsmRequest = kFunctionBase + 0x40,     // (request IPA, length, response IPA, capacity) -> x1 response length
  kEnclaveExit = kFunctionBase + 0x41,    // (code 0..255); does not return
  // what an honest machine shows: the parent
  kEventLogRead = kFunctionBase + 0x50,   // (index, buffer address, capacity) -> x1 bytes, x2 entries in all
  kLedgerRead = kFunctionBase + 0x51,     // (index, buffer address, capacity) -> x1 bytes, x2 entries in all
  kPlatformPcrRead = kFunctionBase + 0x52,// (index, buffer address, capacity) -> x1 bytes
  kFaultCounters = kFunctionBase + 0x53,  // (kind) -> x1 count; kinds: FaultCounter
  kStatusRead = kFunctionBase + 0x54,     // (section, index, buffer address, capacity) -> x1 bytes, x2 entries in all
};

// Slot states as in Linux's nitro_enclaves driver (NE_STATE_*), and two more that it never meets.
enum class SlotState : std::uint16_t { kInit = 0, kRunning = 2, kLoading = 3, kStopping = 4, kStopped = 0xFFFF };

inline constexpr std::uint64_t kStartDebug = 1;       // flags of kSlotStart
inline constexpr std::uint64_t kImageOffset = 0x800000;  // where Nitro's user space puts the EIF

inline constexpr std::uint64_t kNsmRequestMax = 0x1000;   // bytes, as Linux's nsm driver
inline constexpr std::uint64_t kNsmResponseMax = 0x3000;

inline constexpr std::uint32_t kDoorbell = 1019;  // the SPI (INTID) that tells of kChannelNotify

enum class FaultCounter : std::uint64_t { kStage2 = 0, kDma = 1, kUndefined = 2, kRefusedCalls = 3 };

// ---- kStatusRead: what the parent may see of the machine, nothing of it secret ------------------------------
// One entry of one section a call, little-endian, without padding. Each begins with its size and the version of its
// layout. A later version only adds at the end: a reader takes what it knows, and a buffer that is smaller than the
// entry gets its first bytes, as many as fit.
enum class StatusSection : std::uint64_t {
  kVersion = 0,   // one VersionStatus
  kMachine = 1,   // one MachineStatus
  kCounters = 2,  // a CounterStatus for each core of the board
  kDmaFaults = 3, // a DmaFaultStatus for each of the last kDmaFaultsKept, the oldest first
  kEventLog = 4,  // an EventStatus for each event of the platform's log
  kSlots = 5,     // a SlotStatus for each slot in use
};
inline constexpr std::uint64_t kStatusSections = 6;
inline constexpr std::uint32_t kStatusVersion = 1;  // of every layout below

struct StatusHead {
  std::uint32_t size;     // of the entry, this head included
  std::uint32_t version;  // kStatusVersion
};
inline constexpr std::uint64_t kStatusCapacityMin = sizeof(StatusHead);

struct VersionStatus {
  StatusHead head;
  std::uint32_t abi;               // kAbiMajor << 16 | kAbiMinor
  std::uint32_t security_version;  // of the monitor, as its manifest and its certificate say
  std::uint32_t development;       // 1: the machine has a development identity
  std::uint32_t reserved;          // 0
  char board[32];                  // its name, NUL padded
  std::uint8_t board_digest[48];   // SHA-384 of the board's description
};
static_assert(sizeof(VersionStatus) == 104);

struct MachineStatus {
  StatusHead head;
  std::uint64_t uptime_milliseconds;  // since the monitor started
  std::uint64_t unix_milliseconds;    // wall time
  std::uint64_t memory_bytes;         // that the machine has for partitions: the sum of the next three
  std::uint64_t parent_bytes;         // shared ones included
  std::uint64_t enclave_bytes;
  std::uint64_t scrubbing_bytes;      // nobody's, on their way back to the parent
  std::uint64_t shared_bytes;         // of the parent's, in channels
  std::uint64_t monitor_bytes;        // beside memory_bytes
  std::uint32_t cores;                // the sum of the next two
  std::uint32_t parent_cores;
  std::uint32_t enclave_cores;
  std::uint32_t slots_in_use;
};
static_assert(sizeof(MachineStatus) == 88);

// Why a core came to the monitor. Numbers are never given another meaning.
enum class TrapCause : std::uint32_t {
  kHypercall = 0,
  kWfx = 1,                   // WFI, WFE
  kSystemRegister = 2,
  kDistributor = 3,           // an access to what the monitor emulates: the GIC's distributor
  kRedistributor = 4,
  kDevice = 5,                // an access to a device that the monitor plays: virtio, PCI, a console
  kRtc = 6,
  kStage2Fault = 7,           // an access to what the caller does not have
  kPhysicalInterrupt = 8,
  kMaintenanceInterrupt = 9,
  kSgi = 10,                  // sent by a guest, or from another core of the monitor
  kOther = 11,
};
inline constexpr std::uint32_t kTrapCauses = 16;  // as many words; those above TrapCause are 0

struct TrapCounters {
  std::uint64_t count[kTrapCauses];  // by TrapCause
};

struct CounterStatus {
  StatusHead head;
  std::uint64_t mpidr;
  std::uint64_t owner;       // 1: the parent, 2: an enclave, 0: nobody, the machine does not have this core
  std::uint64_t faults[4];   // by FaultCounter: since boot, of all partitions, the same in each entry
  TrapCounters traps;        // since the parent has this core; 0 while an enclave has it
};
static_assert(sizeof(CounterStatus) == 184);

inline constexpr std::uint64_t kDmaFaultsKept = 32;
struct DmaFaultStatus {
  StatusHead head;
  std::uint64_t sequence;             // 0 for the first since boot: a gap says how many are not kept
  std::uint64_t uptime_milliseconds;  // when the monitor took it from the SMMU
  std::uint64_t address;              // that the device used
  std::uint32_t stream;
  std::uint32_t type;                 // number of the SMMU's event, Arm IHI 0070 section 7.3; 0: some were lost
  std::uint32_t write;                // 1: a write, 0: a read
  std::uint32_t reserved;             // 0
};
static_assert(sizeof(DmaFaultStatus) == 48);

struct EventStatus {
  StatusHead head;
  std::uint32_t pcr;
  char name[28];             // NUL padded
  std::uint8_t digest[48];   // as it was extended
};
static_assert(sizeof(EventStatus) == 88);

struct SlotStatus {
  StatusHead head;
  std::uint64_t uid;
  std::uint64_t cid;          // 0 before the start
  std::uint64_t memory_bytes;
  std::uint32_t cores;
  std::uint16_t state;        // SlotState
  std::uint16_t exit;         // reason << 8 | code, as kSlotInfo says it
  std::uint32_t flags;        // of kSlotStart
  std::uint32_t channels;     // open ones
};
static_assert(sizeof(SlotStatus) == 48);

// Arm's own calls, for the parent and for enclaves. Those that end in 32 take the low halves of their arguments.
// x0 is a result or the specification's own negative number; x1..x3 stay as they were, but for the TRNG's results.
// PSCI 1.1 (Arm DEN 0022).
inline constexpr std::uint32_t kPsciVersion = 0x8400'0000;
inline constexpr std::uint32_t kPsciCpuSuspend32 = 0x8400'0001;
inline constexpr std::uint32_t kPsciCpuSuspend = 0xC400'0001;
inline constexpr std::uint32_t kPsciCpuOff = 0x8400'0002;
inline constexpr std::uint32_t kPsciCpuOn32 = 0x8400'0003;
inline constexpr std::uint32_t kPsciCpuOn = 0xC400'0003;
inline constexpr std::uint32_t kPsciAffinityInfo32 = 0x8400'0004;
inline constexpr std::uint32_t kPsciAffinityInfo = 0xC400'0004;
inline constexpr std::uint32_t kPsciMigrateInfoType = 0x8400'0006;
inline constexpr std::uint32_t kPsciSystemOff = 0x8400'0008;
inline constexpr std::uint32_t kPsciSystemReset = 0x8400'0009;
inline constexpr std::uint32_t kPsciFeatures = 0x8400'000A;
inline constexpr std::uint32_t kPsciSystemReset2With32 = 0x8400'0012;
inline constexpr std::uint32_t kPsciSystemReset2 = 0xC400'0012;
// SMC Calling Convention 1.1 (Arm DEN 0028).
inline constexpr std::uint32_t kSmcccVersion = 0x8000'0000;
inline constexpr std::uint32_t kSmcccArchFeatures = 0x8000'0001;
inline constexpr std::uint32_t kSmcccArchWorkaround3 = 0x8000'3FFF;
inline constexpr std::uint32_t kSmcccArchWorkaround2 = 0x8000'7FFF;
inline constexpr std::uint32_t kSmcccArchWorkaround1 = 0x8000'8000;
// True Random Number Generator Firmware Interface 1.0 (Arm DEN 0098).
inline constexpr std::uint32_t kTrngVersion = 0x8400'0050;
inline constexpr std::uint32_t kTrngFeatures = 0x8400'0051;
inline constexpr std::uint32_t kTrngGetUuid = 0x8400'0052;
inline constexpr std::uint32_t kTrngRnd32 = 0x8400'0053;
inline constexpr std::uint32_t kTrngRnd = 0xC400'0053;

}  // namespace cofferdam_abi
