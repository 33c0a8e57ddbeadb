// The kernel modules that the first archive brings.
#pragma once

namespace enclave_init {

// Those that /etc/cofferdam/modules names, from /lib/modules/NAME.ko, in its order; without that file /nsm.ko, as in images of
// AWS's builder. One that is there already counts as loaded. Gives up when one can't be loaded.
void load_modules();

}  // namespace enclave_init
