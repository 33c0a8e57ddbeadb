// key-client's command line: what is asked of the key service, and how the answer is printed.
#pragma once

#include <functional>

#include "guests/enclave/keys/kms_client.hpp"

namespace key_client {

// Makes the source of documents, which is /dev/nsm in the program and a chain of its own in tests.
using DocumentsOf = std::function<enclave_keys::DocumentSource(const enclave_keys::DocumentExtras& extras)>;

// 0 done, 1 refused or failed, 2 wrong usage.
[[nodiscard]] int run(int count, char** words, const DocumentsOf& documents);

}  // namespace key_client
