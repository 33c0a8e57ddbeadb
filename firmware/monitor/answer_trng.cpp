#include "firmware/monitor/answer_trng.hpp"

#include "firmware/crypto/secret.hpp"
#include "firmware/hypercall/plan.hpp"
#include "firmware/monitor/globals.hpp"
#include "firmware/monitor/identity.hpp"
#include "hal/floating_point.hpp"

namespace monitor {

partition::Reply answer_trng(const hypercall::Call& call) {
  const hal::FloatingPointScope scope;
  const Locked locked{g_crypto_lock};
  // The generator would go on for a while from its last good seed. That is enough for the monitor's own keys, but not
  // what a guest is promised by an entropy source.
  if (entropy_has_failed()) return hypercall::no_entropy_reply();
  auto bytes = generator().generate<hypercall::kMostRandomBytes>();
  if (!bytes) return hypercall::no_entropy_reply();
  const crypto::WipeOnExit wipe{*bytes};
  return hypercall::random_reply(call, *bytes);
}

}  // namespace monitor
