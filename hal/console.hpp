// The monitor's one output. There is no input: no console command exists. Control characters but newline may be dropped.
#pragma once

#include <string_view>

namespace hal {

void console_write(std::string_view text);  // callers hold the console lock of monitor/log

}  // namespace hal
