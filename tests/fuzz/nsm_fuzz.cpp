// The Nitro Secure Module: any request bytes get one well-formed answer, and locked registers never change.
#include <array>
#include <vector>

#include "firmware/attestation/nsm_engine.hpp"
#include "tests/fuzz/demand.hpp"
#include "tests/unit/firmware/attestation/test_chain.hpp"
#include "tools/cofferdam/cbor.hpp"

namespace {

test_data::TestChain& chain() {
  static test_data::TestChain made;
  return made;
}

// The answer is one CBOR item and nothing behind it: AWS's client refuses trailing bytes.
void demand_one_item(base::Bytes response) {
  cofferdam::CborReader reader(response);
  reader.skip();
  DEMAND(reader.at_end());
}

}  // namespace

// The first byte chooses the size of the response's buffer; the requests follow, each after two bytes of its length.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t capacity = data[0] % 2 == 0 ? attestation::kMaxNsmResponse : data[0];
  const auto& bundle = chain().bundle();
  const attestation::NsmEnvironment environment{test_data::kModuleId, test_data::kNow * 1000, chain().random(),
                                                chain().leaf(), bundle};
  measure::PcrBank bank;
  DEMAND(bank.lock_range(measure::PcrBank::kLockedAtBoot).ok());
  std::vector<std::uint8_t> response(capacity);
  base::Bytes rest(data + 1, size - 1);
  constexpr int kMaxRequests = 8;
  for (int i = 0; i < kMaxRequests && rest.size() >= 2; ++i) {
    const std::size_t length = std::min<std::size_t>(rest[0] * 256U + rest[1], rest.size() - 2);
    const base::Bytes request = rest.subspan(2, length);
    rest = rest.subspan(2 + length);
    const measure::PcrBank before = bank;
    (void)attestation::nsm_cost(request);
    const auto answer = attestation::answer_nsm_request(request, bank, environment, response);
    if (!answer.ok()) {  // not even an error fits: nothing has happened
      DEMAND(capacity < 24);
      DEMAND(before.locked_mask() == bank.locked_mask());
      for (std::uint32_t index = 0; index < measure::PcrBank::kCount; ++index) DEMAND(before.value(index) == bank.value(index));
      continue;
    }
    DEMAND(answer.value().size() <= capacity && answer.value().data() == response.data());
    demand_one_item(answer.value());
    DEMAND((before.locked_mask() & ~bank.locked_mask()) == 0);
    for (std::uint32_t index = 0; index < measure::PcrBank::kCount; ++index) {
      if (before.locked(index)) DEMAND(before.value(index) == bank.value(index));
    }
  }
  return 0;
}
