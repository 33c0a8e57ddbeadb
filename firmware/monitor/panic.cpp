#include "firmware/monitor/panic.hpp"

#include "hal/console.hpp"
#include "hal/cpu.hpp"

namespace monitor {

void panic(std::string_view reason) {
  // Without the console lock: its holder may be the one that failed.
  hal::console_write("cofferdam: PANIC: ");
  hal::console_write(reason);
  hal::console_write("\r\n");
  hal::halt();
}

}  // namespace monitor
