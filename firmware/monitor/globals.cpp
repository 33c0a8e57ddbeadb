#include "firmware/monitor/globals.hpp"

namespace monitor {

constinit hypercall::SystemState g_state{};
constinit hypercall::FrameStorage g_frame_storage{};
constinit TicketLock g_state_lock{};
constinit TicketLock g_crypto_lock{};
constinit std::array<CoreMailbox, board::kMaxCores> g_mailboxes{};

}  // namespace monitor
