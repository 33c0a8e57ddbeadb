// A verification's report as text for a person and as JSON for a program.
//
// Text: the verdict is the first line ("accepted: ..." or "refused: ..."), warnings follow, then the document, its chain
// as a tree, its registers with their meaning, its fields, its platform. Nothing from the document reaches the terminal
// as a control character. JSON: one object, keys of report.cpp, stable; new keys may be added.
#pragma once

#include <nlohmann/json.hpp>

#include "tools/cofferdam/verify.hpp"

namespace cofferdam {

enum class Colour : std::uint8_t { kNever, kAlways };

[[nodiscard]] std::string report_text(const Report& report, const TrustAnchors& anchors, Colour colour);
[[nodiscard]] nlohmann::ordered_json report_json(const Report& report);

}  // namespace cofferdam
