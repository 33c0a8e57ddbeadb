#include "hal/host/event.hpp"

#include <array>
#include <charconv>
#include <sstream>
#include <stdexcept>

namespace host {
namespace {

enum class FieldKind : std::uint8_t { kNone, kCore, kPartition, kAddress, kCount, kIpa, kLevel, kBefore, kAfter, kStream };

struct Shape {
  EventKind kind;
  std::string_view word;
  std::array<FieldKind, 6> fields;
};

using enum FieldKind;
constexpr std::array kShapes = {
    Shape{EventKind::kCreate, "create", {kPartition, kAddress}},
    Shape{EventKind::kDestroy, "destroy", {kPartition}},
    Shape{EventKind::kWrite, "write", {kPartition, kAddress, kLevel, kIpa, kBefore, kAfter}},
    Shape{EventKind::kTakeTable, "take", {kAddress}},
    Shape{EventKind::kFreeTable, "free", {kAddress}},
    Shape{EventKind::kTlbInvalidate, "tlbi", {kPartition, kIpa, kCount}},
    Shape{EventKind::kBarrier, "dsb", {}},
    Shape{EventKind::kStreamWrite, "ste", {kStream, kPartition}},
    Shape{EventKind::kStreamInvalidate, "cfgi", {kStream}},
    Shape{EventKind::kSmmuInvalidate, "stlbi", {kPartition}},
    Shape{EventKind::kSmmuSync, "sync", {}},
    Shape{EventKind::kScrub, "scrub", {kAddress, kCount}},
    Shape{EventKind::kClean, "clean", {kAddress, kCount}},
    Shape{EventKind::kWindowOpen, "open", {kAddress, kCount}},
    Shape{EventKind::kWindowClose, "close", {kAddress, kCount}},
    Shape{EventKind::kEnterGuest, "enter", {kCore, kPartition}},
    Shape{EventKind::kLeaveGuest, "leave", {kCore, kPartition}},
};

std::uint64_t get(const Event& event, FieldKind field) {
  switch (field) {
    case kNone: return 0;
    case kCore: return event.core.value;
    case kPartition: return event.partition.value;
    case kAddress: return event.address;
    case kCount: return event.count;
    case kIpa: return event.ipa;
    case kLevel: return event.level;
    case kBefore: return event.before;
    case kAfter: return event.after;
    case kStream: return event.stream.value;
  }
  return 0;
}

void set(Event& event, FieldKind field, std::uint64_t value) {
  switch (field) {
    case kNone: return;
    case kCore: event.core = base::CoreId{static_cast<std::uint8_t>(value)}; return;
    case kPartition: event.partition = base::PartitionId{static_cast<std::uint8_t>(value)}; return;
    case kAddress: event.address = value; return;
    case kCount: event.count = value; return;
    case kIpa: event.ipa = value; return;
    case kLevel: event.level = static_cast<unsigned>(value); return;
    case kBefore: event.before = value; return;
    case kAfter: event.after = value; return;
    case kStream: event.stream = base::StreamId{static_cast<std::uint32_t>(value)}; return;
  }
}

}  // namespace

std::string to_text(const Event& event) {
  std::ostringstream out;
  for (const Shape& shape : kShapes) {
    if (shape.kind != event.kind) continue;
    out << shape.word << std::hex;
    for (const FieldKind field : shape.fields) {
      if (field != kNone) out << ' ' << get(event, field);
    }
  }
  return out.str();
}

Event parse_event(std::string_view line) {
  const auto refuse = [&] { return std::invalid_argument("not a line of a trace: " + std::string(line)); };
  std::istringstream in{std::string(line)};
  std::string word;
  in >> word;
  for (const Shape& shape : kShapes) {
    if (shape.word != word) continue;
    Event event{.kind = shape.kind};
    for (const FieldKind field : shape.fields) {
      if (field == kNone) continue;
      std::string number;
      std::uint64_t value = 0;
      if (!(in >> number)) throw refuse();
      const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value, 16);
      if (error != std::errc{} || end != number.data() + number.size()) throw refuse();
      set(event, field, value);
    }
    if (in >> word) throw refuse();
    return event;
  }
  throw refuse();
}

std::vector<Event> parse_trace(std::string_view text) {
  std::vector<Event> events;
  std::istringstream in{std::string(text)};
  for (std::string line; std::getline(in, line);) {
    if (!line.empty() && line.front() != '#') events.push_back(parse_event(line));
  }
  return events;
}

}  // namespace host
