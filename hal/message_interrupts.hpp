// Interrupts that a device of the parent raises by writing a message (MSI, MSI-X), turned into the parent's SPIs.
//
// A device writes an INTID to the message page, which the parent's address space has as device memory. The machine
// knows which stream wrote and answers only to streams that are attached, and only for INTIDs of their range; all else
// is dropped. What comes of a message is a physical interrupt in the monitor; virtual_spi() says what the parent is to
// see. Nothing that the parent can reach tells the machine where to write.
//
// Callers of attach(), detach() and route() exclude one another; virtual_spi() and present() need no lock.
#pragma once

#include <cstdint>
#include <optional>

#include "firmware/base/ids.hpp"
#include "firmware/base/result.hpp"

namespace hal::message_interrupts {

// False: the board has none, or the machine did not answer once. Then nothing is delivered and nothing is attached.
[[nodiscard]] bool present();

// The stream's messages `first` .. `first + count - 1` are delivered from now on, and no others of it.
// Stream 0 is never attached: on boards whose interconnect gives the writes of a processor an id as well, it is that one.
// Errors: kNoSuchDevice (absent, or no such stream on this board), kOutOfRange (beyond the board's range),
// kDeviceTimeout (messages are absent from then on).
[[nodiscard]] base::Status attach(base::StreamId stream, base::Intid first, std::uint32_t count);

// Nothing of the stream is delivered any more, and what was pending is forgotten: virtual_spi() does not know it.
// One that virtual_spi() has answered on another core before is that caller's. Not attached: nothing to do.
// Errors: kDeviceTimeout (the stream is detached all the same: messages are absent from then on).
[[nodiscard]] base::Status detach(base::StreamId stream);

// Messages for the SPIs 32 * word + n, of each bit n of `mask` and of every stream, come to `core` from now on; the boot core
// before. One that waits where they came before waits at `core` then; one that was acknowledged there is that core's.
// Precondition: the core is in the monitor. Errors: kOutOfRange (one of them is not of the range), kNoSuchCore,
// kNoSuchDevice (absent): nothing is moved. kDeviceTimeout: absent from then on.
[[nodiscard]] base::Status route(std::uint32_t word, std::uint32_t mask, base::CoreId core);

// A physical interrupt that interrupts::acknowledge() answered is one of these.
inline constexpr base::Intid kFirstMessage{8192};
[[nodiscard]] constexpr bool is_message(base::Intid physical) { return physical >= kFirstMessage; }
// The parent's SPI that this message raises (edge); nullopt: of nobody, or of a stream that is detached by now. It
// needs no deactivation.
[[nodiscard]] std::optional<base::Intid> virtual_spi(base::Intid message);

}  // namespace hal::message_interrupts
