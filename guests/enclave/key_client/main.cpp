// key-client: keys from a key service into this enclave, and attestation documents.
#include "guests/enclave/key_client/command_line.hpp"

int main(int count, char** words) {
  return key_client::run(
      count, words, [](const enclave_keys::DocumentExtras& extras) { return enclave_keys::nsm_documents(extras); });
}
