// The commands of the Nitro Enclaves PCI device and their replies, as bytes (Linux
// drivers/virt/nitro_enclaves/ne_pci_dev.h).
//
// Everything is little-endian. A request says nothing of its own length: the command's number decides which fields of
// the 240 bytes count, and padding is ignored. Pure; no state.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "firmware/base/result.hpp"

namespace nitro {

inline constexpr std::size_t kDataSize = 240;  // bytes of the request's and of the reply's window
inline constexpr std::size_t kReplySize = 72;  // bytes that a reply fills of it

enum class Command : std::uint32_t {
  kStart = 1,
  kGetSlot = 2,
  kStop = 3,
  kSlotAllocate = 4,
  kSlotFree = 5,
  kAddMemory = 6,
  kAddVcpu = 7,
  kSlotCount = 8,
  kNextSlot = 9,
  kSlotInfo = 10,
  kAddBulkVcpus = 11,
};

// Behind each field stand the commands that have it; it is 0 for the others.
struct Request {
  Command command{};
  std::uint64_t slot_uid{};  // all but kGetSlot, kSlotAllocate, kSlotCount
  std::uint64_t cid{};       // kStart (0: choose one), kGetSlot
  std::uint64_t flags{};     // kStart
  std::uint64_t address{};   // kAddMemory: physical
  std::uint64_t size{};      // kAddMemory: bytes
  std::uint64_t vcpus{};     // kAddBulkVcpus: how many
  std::uint32_t vcpu{};      // kAddVcpu: Linux's number of the core
  bool operator==(const Request&) const = default;
};

// Errors: kNoSuchCall (no command has this number).
[[nodiscard]] base::Result<Request> decode_request(std::uint32_t command,
                                                   std::span<const std::uint8_t, kDataSize> data);

// What a reply's rc says: 0, an errno of Linux's, or a number of the driver's own
// (include/uapi/linux/nitro_enclaves.h).
enum class ReturnCode : std::int32_t {
  kSuccess = 0,
  kNoEntry = -2,               // ENOENT: no slot has this uid or cid
  kInputOutput = -5,           // EIO: the monitor itself failed
  kBadImage = -8,              // ENOEXEC: the EIF is malformed
  kNoMemory = -12,             // ENOMEM: no table frame, or the image does not fit the enclave's memory
  kBusy = -16,                 // EBUSY: the enclave's state does not allow it
  kInvalid = -22,              // EINVAL: unknown command or argument
  kNoSpace = -28,              // ENOSPC: every slot is in use
  kTimedOut = -110,            // ETIMEDOUT: the machine did not answer in time
  kCertificateExpired = -127,  // EKEYEXPIRED: the EIF's certificate is not valid at this time
  kBadSignature = -129,        // EKEYREJECTED: the EIF's signature does not verify
  kVcpuAlreadyUsed = -256,
  kVcpuNotInPool = -257,
  kInvalidMemorySize = -259,
  kInvalidMemoryAddress = -260,
  kUnalignedMemoryAddress = -261,
  kMemoryAlreadyUsed = -262,
  kMaxRegions = -265,
  kNoMemoryRegions = -266,
  kNoVcpus = -267,
  kMemoryBelowMinimum = -268,
  kNotInInitState = -270,
  kInvalidVcpu = -271,
  kNoCpusInPool = -272,
  kInvalidFlag = -274,
  kInvalidCid = -275,
};

// NE_STATE_* of ne_misc_dev.h: Linux knows no other.
enum class SlotState : std::uint16_t { kInit = 0, kRunning = 2, kStopped = 0xFFFF };

struct Reply {
  ReturnCode rc{};
  std::uint64_t slot_uid{};
  std::uint64_t cid{};
  std::uint64_t slot_count{};
  std::uint64_t memory_regions{};  // kSlotAllocate: how many are possible; kSlotInfo: how many there are
  std::uint64_t memory_size{};     // bytes
  std::uint64_t vcpus{};
  std::uint64_t flags{};  // of kStart: 1 debug
  SlotState state{};
  bool operator==(const Reply&) const = default;
};

[[nodiscard]] std::array<std::uint8_t, kReplySize> encode_reply(const Reply& reply);

}  // namespace nitro
