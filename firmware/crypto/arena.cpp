#include "firmware/crypto/arena.hpp"

#include <mbedtls/memory_buffer_alloc.h>

#include <array>

namespace crypto {
namespace {

constexpr bool kBareMachine = COFFERDAM_CRYPTO_BARE_MACHINE != 0;
[[maybe_unused]] alignas(16) constinit std::array<unsigned char, kBareMachine ? kArenaSize : 16> arena{};

}  // namespace

void start_arena() {
  if constexpr (kBareMachine) mbedtls_memory_buffer_alloc_init(arena.data(), arena.size());
}

}  // namespace crypto

// mbedTLS calls this when its arena's block headers are damaged: nothing it says can be trusted then.
extern "C" [[noreturn]] void cofferdam_crypto_abort(int) { __builtin_trap(); }
