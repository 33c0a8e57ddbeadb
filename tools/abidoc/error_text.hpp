// The names and meanings of base::Error, for people.
#pragma once

#include <string_view>

#include "firmware/base/result.hpp"

namespace abidoc {

struct ErrorText {
  std::string_view name;
  std::string_view meaning;
};

[[nodiscard]] constexpr ErrorText text_of(base::Error error) {
  using base::Error;
  switch (error) {
    case Error::kNotSupported:
      return {"kNotSupported", "no such call, or not for this kind of caller"};
    case Error::kDenied:
      return {"kDenied", "the caller is not the owner, or the object is another's"};
    case Error::kInvalidArgument:
      return {"kInvalidArgument", "malformed: reserved bits, zero size, outside a fixed range"};
    case Error::kUnaligned:
      return {"kUnaligned", "an address or size is not aligned as the call demands"};
    case Error::kOutOfRange:
      return {"kOutOfRange", "outside RAM, outside a table, or a range that would wrap"};
    case Error::kNotOwned:
      return {"kNotOwned", "something in the range is not exclusively the owner's"};
    case Error::kShared:
      return {"kShared", "something in the range is shared"};
    case Error::kWrongState:
      return {"kWrongState", "the object's state does not allow the call"};
    case Error::kNoSuchSlot:
      return {"kNoSuchSlot", "no enclave has this uid"};
    case Error::kNoSlots:
      return {"kNoSlots", "all enclave slots are in use"};
    case Error::kNoRegions:
      return {"kNoRegions", "the enclave's table of memory regions is full"};
    case Error::kNoMemory:
      return {"kNoMemory", "the enclave has too little memory for what it must hold"};
    case Error::kNoSuchCore:
      return {"kNoSuchCore", "no core has this number"};
    case Error::kCoreBusy:
      return {"kCoreBusy", "the core is on, is the parent's boot core, or is not the one donated last"};
    case Error::kBusy:
      return {"kBusy", "another core is in the middle of the same work: call again"};
    case Error::kInProgress:
      return {"kInProgress", "a bounded part of the work is done: call again to go on"};
    case Error::kBadImage:
      return {"kBadImage", "the EIF is malformed; x1 says which check failed"};
    case Error::kBadSignature:
      return {"kBadSignature", "a signature does not verify"};
    case Error::kNoEntropy:
      return {"kNoEntropy", "the entropy source is absent or failed its health tests"};
    case Error::kDeviceTimeout:
      return {"kDeviceTimeout", "the machine (SMMU queue, invalidation) did not answer in time"};
    case Error::kNoSuchDevice:
      return {"kNoSuchDevice", "no device stream has this number, or it can't be assigned"};
    case Error::kBufferTooSmall:
      return {"kBufferTooSmall", "the answer does not fit the caller's buffer"};
    case Error::kNoSuchChannel:
      return {"kNoSuchChannel", "no channel has this number"};
    case Error::kNoChannels:
      return {"kNoChannels", "all channels of the enclave are in use"};
    case Error::kNoTables:
      return {"kNoTables", "no translation-table frame is free"};
    case Error::kInternal:
      return {"kInternal", "a defect of the monitor: a library refused what it should have taken"};
    case Error::kNoSuchCall:
      return {"kNoSuchCall", "reserved; no call answers it"};
    case Error::kTooLarge:
      return {"kTooLarge", "an input is longer than its bound"};
  }
  return {};
}

inline constexpr unsigned kLastError = 28;
static_assert(text_of(base::Error{kLastError}).name == "kTooLarge" &&
              text_of(base::Error{kLastError + 1}).name.empty());

}  // namespace abidoc
