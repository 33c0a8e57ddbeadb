// A physical interrupt took this core out of its guest: whose it is, and what follows.
#pragma once

namespace monitor {

void handle_interrupt();

}  // namespace monitor
