// Text of a model, a server or a file that nothing vouches for, as it may stand on a terminal.
#pragma once

#include <string>
#include <string_view>

namespace cofferdam {

// UTF-8 with every character that could act on a terminal, or reorder what is read there, written as \x1b or \u{202e}: controls
// but line feed and tab, and the marks and overrides of writing direction. What is no UTF-8 is written as \xNN.
[[nodiscard]] std::string terminal_text(std::string_view text);

}  // namespace cofferdam
