#include "hal/host/recorder.hpp"

#include <sstream>

namespace host {
namespace {

constexpr std::size_t kRegistersRecorded = 18;  // x0..x17: what a call may use (DEN 0028)

std::string hex(base::Bytes bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text.empty() ? "-" : text;
}

void registers(std::ostringstream& out, const hal::TrapFrame& frame) {
  for (std::size_t i = 0; i < kRegistersRecorded; ++i) out << ' ' << frame.x[i];
}

}  // namespace

void Recorder::line(const std::string& text) {
  const std::lock_guard lock(mutex_);
  text_ += text;
  text_ += '\n';
}

std::string Recorder::text() const {
  const std::lock_guard lock(mutex_);
  return text_;
}

void Recorder::start(std::string_view board, base::Bytes digest, base::Bytes handover) {
  line("cofferdam-record 1");
  line("board " + std::string(board) + " " + hex(digest));
  line("handover " + hex(handover));
}

void Recorder::trap(base::CoreId core, hal::TrapKind kind, const hal::TrapFrame& frame) {
  std::ostringstream out;
  out << std::hex << "trap " << unsigned{core.value} << ' ' << static_cast<unsigned>(kind) << ' ' << frame.esr << ' '
      << frame.far << ' ' << frame.hpfar << ' ' << frame.pc << ' ' << frame.pstate;
  registers(out, frame);
  line(out.str());
}

void Recorder::reply(base::CoreId core, hal::AfterTrap after, const hal::TrapFrame& frame) {
  std::ostringstream out;
  out << std::hex << "reply " << unsigned{core.value} << (after == hal::AfterTrap::kResume ? " 1 " : " 0 ") << frame.pc;
  registers(out, frame);
  line(out.str());
}

void Recorder::read(base::PhysAddr address, base::Bytes bytes) {
  std::ostringstream out;
  out << std::hex << "read " << address.value << ' ' << hex(bytes);
  line(out.str());
}

void Recorder::time(std::uint64_t value) {
  std::ostringstream out;
  out << std::hex << "time " << value;
  line(out.str());
}

void Recorder::noise(std::optional<std::uint64_t> value) {
  std::ostringstream out;
  out << std::hex << "noise ";
  if (value) {
    out << *value;
  } else {
    out << "none";
  }
  line(out.str());
}

void Recorder::ticks(std::uint64_t value) {
  std::ostringstream out;
  out << std::hex << "ticks " << value;
  line(out.str());
}

void Recorder::interrupt(base::Intid intid) {
  std::ostringstream out;
  out << std::hex << "irq " << intid.value;
  line(out.str());
}

void Recorder::list_registers(std::span<const std::uint64_t> values) {
  std::ostringstream out;
  out << std::hex << "lists";
  for (const std::uint64_t value : values) out << ' ' << value;
  line(out.str());
}

void Recorder::fault(const std::optional<hal::device_isolation::Fault>& fault) {
  std::ostringstream out;
  out << std::hex << "fault ";
  if (fault) {
    out << fault->stream.value << ' ' << fault->address << ' ' << unsigned{fault->type} << ' ' << (fault->write ? 1 : 0);
  } else {
    out << "none";
  }
  line(out.str());
}

}  // namespace host
