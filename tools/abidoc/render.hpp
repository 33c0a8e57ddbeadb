// docs/hypercall-abi.md, made of firmware/hypercall/call_table.hpp and nothing else: the page can't say what isn't so.
#pragma once

#include <string>

namespace abidoc {

// The whole page, in Markdown. The same text for the same table.
[[nodiscard]] std::string render();

}  // namespace abidoc
