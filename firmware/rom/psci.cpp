#include "firmware/rom/psci.hpp"

namespace rom::psci {
namespace {

Decision answer(Reply reply) { return {Action::kReply, static_cast<std::int64_t>(reply)}; }

Decision decode_cpu_on(const Registers& registers, EntryWindow window, std::uint32_t present) {
  const std::uint32_t core = core_number(registers.x1);
  if (core == layout::kMaxCores || (present >> core & 1) == 0) return answer(Reply::kInvalidParameters);
  const bool inside = registers.x2 >= window.base && registers.x2 - window.base < window.size;
  if (!inside || registers.x2 % 4 != 0) return answer(Reply::kInvalidAddress);
  return {Action::kCpuOn, 0, core, registers.x2, registers.x3};
}

Decision decode_affinity_info(const Registers& registers, std::uint32_t present) {
  const std::uint32_t core = core_number(registers.x1);
  const bool known = core != layout::kMaxCores && (present >> core & 1) != 0;
  if (!known || registers.x2 != 0) return answer(Reply::kInvalidParameters);  // level 0 is the only one
  return {Action::kAffinityInfo, 0, core};
}

Decision decode_text(const Registers& registers) {
  if (registers.x7 == 0 || registers.x7 > kMaxText) return answer(Reply::kInvalidParameters);
  for (std::size_t i = 0; i < kMaxText; ++i) {
    const char character = text_byte(registers, i);
    const bool harmless = (character >= ' ' && character < 0x7f) || character == '\n';
    if (i < registers.x7 ? !harmless : character != 0) return answer(Reply::kInvalidParameters);
  }
  Decision decision{Action::kWriteText};
  decision.text_size = static_cast<std::size_t>(registers.x7);
  return decision;
}

}  // namespace

Decision decode(const Registers& registers, Caller caller, EntryWindow window, std::uint32_t present) {
  if (!caller.el2 || registers.function > UINT32_MAX) return answer(Reply::kNotSupported);
  switch (static_cast<std::uint32_t>(registers.function)) {
    case kFunctionVersion: return {Action::kReply, kVersionReply};
    case kFunctionCpuOff: return {Action::kCpuOff};
    case kFunctionSystemOff: return {Action::kSystemOff};
    case kFunctionSystemReset: return {Action::kSystemReset};
    case kFunctionCpuOn64: return decode_cpu_on(registers, window, present);
    case kFunctionAffinityInfo64: return decode_affinity_info(registers, present);
    case kFunctionConsoleWrite64: return decode_text(registers);
    default: return answer(Reply::kNotSupported);
  }
}

}  // namespace rom::psci
