#include "firmware/boot/platform_record.hpp"

#include "firmware/monitor/globals.hpp"
#include "firmware/monitor/log.hpp"
#include "firmware/monitor/panic.hpp"

namespace boot {

void record(measure::PlatformPcr pcr, std::string_view name, const measure::Digest& digest) {
  if (!monitor::g_state.platform.record(pcr, name, digest).ok()) monitor::panic("the event log is full");
  monitor::log(monitor::LogLine{}.text("measured into platform PCR").number(static_cast<std::uint32_t>(pcr)).text(": ")
                   .text(name).text(" ").bytes(base::Bytes{digest}.first(16)).text("..."));
}

}  // namespace boot
