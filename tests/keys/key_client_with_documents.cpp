// key-client on a machine without /dev/nsm: its documents are those of a chain of the test's own, valid now.
//
//   key_client_with_documents root FILE     writes the chain's root (DER), for a key service to believe
//   key_client_with_documents WORDS...      is key-client
// PCR0 is 48 bytes of TEST_PCR0 (two hexadecimal digits; 00 is what a debug enclave has).
#include <chrono>
#include <cstdlib>
#include <string>

#include "guests/enclave/key_client/command_line.hpp"
#include "tests/unit/tools/cofferdam/forged_document.hpp"

namespace {

std::int64_t now() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()).time_since_epoch().count();
}

// Keys come from names, and the root's time is fixed: the root is the same in every run.
forged::Forgery forgery() {
  constexpr std::int64_t kRootFrom = 1'700'000'000, kRootTo = 4'000'000'000;
  forged::Forgery made;
  for (forged::Link& link : made.links) {
    const bool root = link.kind == crypto::CertificateKind::kRoot;
    link.not_before = root ? kRootFrom : now() - 1000;
    link.not_after = root ? kRootTo : now() + 1000;
  }
  made.timestamp = static_cast<std::uint64_t>(now()) * 1000;
  made.nonce.reset();
  const char* pcr0 = std::getenv("TEST_PCR0");
  const auto byte = cofferdam::from_hex(pcr0 == nullptr ? "a5" : pcr0);
  made.pcrs[0] = cofferdam::Bytes(48, byte.value().at(0));
  return made;
}

}  // namespace

int main(int count, char** words) {
  if (count == 3 && std::string_view(words[1]) == "root") {
    const forged::Forgery made = forgery();
    cofferdam::write_file(words[2], forged::certificate_of(made.links, 0));
    return 0;
  }
  return key_client::run(count, words, [](const enclave_keys::DocumentExtras& extras) {
    return [extras](enclave_keys::ByteView public_key) {
      forged::Forgery made = forgery();
      if (!public_key.empty()) made.public_key = cofferdam::Bytes(public_key.begin(), public_key.end());
      if (!extras.nonce.empty()) made.nonce = extras.nonce;
      if (!extras.user_data.empty()) made.user_data = extras.user_data;
      return made.document();
    };
  });
}
