// Board descriptions: any text is either refused with a place and a mend, or gives every file of the build.
#include <string_view>
#include <variant>

#include "tests/fuzz/demand.hpp"
#include "tools/boardgen/description.hpp"
#include "tools/boardgen/emit.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto result = boardgen::read_description(text);
  if (const auto* errors = std::get_if<boardgen::Diagnostics>(&result)) {
    DEMAND(!boardgen::to_text("board.xml", *errors).empty());
    return 0;
  }
  const auto& description = *std::get<std::unique_ptr<boardgen::Description>>(result);
  for (const auto& [name, bytes] : boardgen::emit_all(description)) DEMAND(!name.empty() && !bytes.empty());
  return 0;
}
