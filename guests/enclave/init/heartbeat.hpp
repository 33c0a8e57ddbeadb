// Tells the parent that the enclave is up (aws-nitro-enclaves-sdk-bootstrap init/init.c; nitro-cli waits for it): a stream to
// CID 3 port 9000, one byte 0xB7 there, the same byte back.
#pragma once

#include <string>

namespace enclave_init {

// Empty when the parent answered. Else what failed and why, after at most some 20 s.
[[nodiscard]] std::string send_heartbeat();

}  // namespace enclave_init
