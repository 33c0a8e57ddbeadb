// Requests and answers of virtio-nsm (device 33, one queue, no configuration space, no features of its own): how
// Linux's drivers/misc/nsm.c and those like it lay them into the queue.
//
// A command is two chains, one after the other: a device-readable one with the request and a device-writable one for
// the response. One chain with both parts is a command as well. Both are given back in that order, with the response's
// exact length, before the driver is notified once: it takes a notification between the two for a broken device.
//
// Lengths come from whoever asked the driver: Linux's passes a request of no bytes on, AWS's older one the room that its
// user has for the response. Neither breaks the ring.
//
// The driver makes the two chains available one after the other, so the first may be seen alone, however it came to be
// looked at: it is kept until the second one comes. At most one command is with the device at a time.
#pragma once

#include <cstdint>

#include "firmware/virtio/queue.hpp"

namespace virtio {

inline constexpr std::uint32_t kNsmDeviceId = 33;      // VIRTIO_ID_NITRO_SEC_MOD
inline constexpr std::uint16_t kNsmQueueSize = 16;     // two descriptors are enough for Linux
inline constexpr std::size_t kNsmMaxRequest = 4096;    // bytes
inline constexpr std::size_t kNsmMaxResponse = 12288;  // bytes that Linux's driver has room for

struct NsmTaken {
  enum class Kind : std::uint8_t {
    kNothing,  // no whole command is there
    kBusy,     // the last one was not finished: to be asked again after finish()
    kRequest,  // `bytes` of the buffer are a request: to be answered with finish()
    kTooLong,  // longer than kNsmMaxRequest, not copied: to be answered with the error InputTooLarge
  };
  Kind kind{};
  std::uint16_t bytes{};     // 0..kNsmMaxRequest for kRequest
  std::uint32_t capacity{};  // of the response, for kRequest and kTooLong; may be 0
  std::uint32_t ticket{};    // says to finish() which command its answer belongs to
};

// Zero bytes: no command is with the device. All of it is about one queue. Callers hold the device's lock for each
// call; between take() and finish() the device may be notified or reset, which is noticed by the queue's generation.
class NsmQueue {
 public:
  // `buffer` has room for kNsmMaxRequest bytes. Errors: kBufferTooSmall (it has not; nothing happened); every other one
  // says that the driver broke the ring or a command's form (kInvalidArgument: no descriptor for a request, a second
  // chain that is not for the response alone): MmioDevice::fail().
  [[nodiscard]] base::Result<NsmTaken> take(Queue& queue, GuestMemory& memory, base::MutableBytes buffer);

  // Whether the driver is to be notified now (MmioDevice::raise_used). After a reset in between it is false and nothing
  // was touched. Errors: kBufferTooSmall (longer than the capacity; nothing happened, a shorter answer may follow);
  // every other one: MmioDevice::fail(). An empty response gives the chains back and says nothing.
  [[nodiscard]] base::Result<bool> finish(Queue& queue, GuestMemory& memory, std::uint32_t ticket,
                                          base::Bytes response);

 private:
  enum class Phase : std::uint8_t { kIdle, kHalf, kTaken };

  void forget_if_reset(const Queue& queue);

  Phase phase_{};
  bool one_chain_{};
  std::uint16_t request_head_{};
  std::uint32_t generation_{};
  Chain chain_{};  // kHalf: the request's; kTaken: the response's
};

}  // namespace virtio
