// The next stage's identity (DICE): its secret, and the certificate of the key that comes from that secret.
//
//   device key   = f(UDS)                       certified by the manufacturer; only the ROM ever holds it
//   CDI          = f(UDS, boot measurement)     handed to the monitor
//   monitor key  = f(CDI)                       certified here by the device key, with the measurements in it
// The functions f are firmware/measure/dice.hpp. The certificate is a pure function of identity and events, so a device
// shows the same one after every start of the same software.
#pragma once

#include "firmware/base/result.hpp"
#include "firmware/measure/handover.hpp"
#include "firmware/rom/boot_measurements.hpp"
#include "firmware/rom/identity.hpp"

namespace rom {

// Everything the monitor gets: events, chain, CDI, bytes of RAM. Errors: kInvalidArgument (the device certificate can't
// be read), kDenied (the device certificate is not for the key of this UDS), kInternal. Holds a secret: the caller wipes it.
[[nodiscard]] base::Result<measure::Handover> make_handover(const Identity& identity, const BootEvents& events,
                                                            const measure::Manifest& manifest, std::uint64_t memory_bytes);

}  // namespace rom
