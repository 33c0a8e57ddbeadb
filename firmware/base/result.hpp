// What a fallible step answers: a value or one Error of the closed list below.
//
// The error is the return value; there is no errno, no exception, no out-parameter. Both types are
// [[nodiscard]], so a failure can't be ignored silently. Zero means success: a Status is one register, tested
// by one instruction.
#pragma once

#include <cstdint>
#include <type_traits>

namespace base {

// Every refusal that a caller can see. The number is the ABI: x0 = -(number). Extend only at the
// end, never renumber (docs/hypercall-abi.md is generated from firmware/hypercall/call_table.hpp).
enum class Error : std::uint32_t {  // a register's width: nothing to extend before it is tested
  kNotSupported = 1,        // no such call, or not for this kind of caller (SMCCC: -1)
  kDenied = 2,              // the caller is not the owner, or the object is another's
  kInvalidArgument = 3,     // malformed: reserved bits, zero size, out of a fixed range
  kUnaligned = 4,           // an address or size is not aligned as the call demands
  kOutOfRange = 5,          // outside RAM, outside the table, or the range would wrap
  kNotOwned = 6,            // at least one frame of the range is not exclusively the owner's
  kShared = 7,              // at least one frame of the range is shared
  kWrongState = 8,          // the object's state does not allow the call
  kNoSuchSlot = 9,          // no enclave slot has this number
  kNoSlots = 10,            // all enclave slots are in use
  kNoRegions = 11,          // the slot's table of memory regions is full
  kNoMemory = 12,           // the enclave has too little memory for what it must hold
  kNoSuchCore = 13,         // no core has this number
  kCoreBusy = 14,           // the core is online, donated, or the parent's last
  kBusy = 15,               // another core is in the middle of the same work: call again
  kInProgress = 16,         // a bounded part of the work is done: call again to go on
  kBadImage = 17,           // the EIF is malformed; x1 says which check failed
  kBadSignature = 18,       // a signature does not verify
  kNoEntropy = 19,          // the entropy source is absent or failed its health tests
  kDeviceTimeout = 20,      // the machine (SMMU queue, core start) did not answer in time
  kNoSuchDevice = 21,       // no device stream has this number, or it can't be assigned
  kBufferTooSmall = 22,     // the answer does not fit the caller's buffer
  kNoSuchChannel = 23,      // no channel has this number
  kNoChannels = 24,         // all channels of the slot are in use
  kNoTables = 25,           // no translation-table frame is free
  kInternal = 26,           // a library refused what it should have taken
  kNoSuchCall = 27,         // reserved for decoders: the bytes name no request
  kTooLarge = 28,           // an input is longer than its bound
};

template <typename T>
class [[nodiscard]] Result {
  // Trivial, so that a small result travels in registers and copying one runs no code.
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

 public:
  constexpr Result(T value) : value_(value) {}                         // NOLINT: implicit on purpose
  constexpr Result(Error error) : no_value_(), error_(error) {}        // NOLINT: implicit on purpose

  [[nodiscard]] constexpr bool ok() const { return error_ == Error{}; }
  constexpr explicit operator bool() const { return ok(); }
  // Precondition: ok(). Reading the value of a failure is a defect that the caller's own check rules out.
  [[nodiscard]] constexpr const T& value() const { return value_; }
  [[nodiscard]] constexpr T& value() { return value_; }
  [[nodiscard]] constexpr const T& operator*() const { return value_; }
  [[nodiscard]] constexpr T& operator*() { return value_; }
  [[nodiscard]] constexpr const T* operator->() const { return &value_; }
  [[nodiscard]] constexpr T* operator->() { return &value_; }
  // Precondition: !ok().
  [[nodiscard]] constexpr Error error() const { return error_; }

 private:
  union {
    T value_;
    char no_value_;
  };
  Error error_{};
};

template <>
class [[nodiscard]] Result<void> {
 public:
  constexpr Result() = default;
  constexpr Result(Error error) : error_(error) {}  // NOLINT: implicit on purpose
  [[nodiscard]] constexpr bool ok() const { return error_ == Error{}; }
  constexpr explicit operator bool() const { return ok(); }
  [[nodiscard]] constexpr Error error() const { return error_; }

 private:
  Error error_{};
};

using Status = Result<void>;

}  // namespace base

// The only two macros of the firmware. They return the error to the caller at once.
#define MON_TRY(expression)                                            \
  do {                                                                 \
    if (auto mon_try_result = (expression); !mon_try_result.ok()) {    \
      return mon_try_result.error();                                   \
    }                                                                  \
  } while (false)

#define MON_TRY_CONCAT_INNER(a, b) a##b
#define MON_TRY_CONCAT(a, b) MON_TRY_CONCAT_INNER(a, b)
#define MON_TRY_ASSIGN(declaration, expression) \
  MON_TRY_ASSIGN_INNER(MON_TRY_CONCAT(mon_try_, __LINE__), declaration, expression)
#define MON_TRY_ASSIGN_INNER(name, declaration, expression) \
  auto name = (expression);                                 \
  if (!name.ok()) return name.error();                      \
  declaration = name.value()
