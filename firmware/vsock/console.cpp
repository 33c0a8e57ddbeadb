#include "firmware/vsock/console.hpp"

#include <algorithm>

namespace vsock {

namespace {

[[nodiscard]] Header header_to(std::uint32_t parent_port, std::uint32_t console_port, Op op) {
  return {.source_cid = kMonitorCid,
          .target_cid = kParentCid,
          .source_port = console_port,
          .target_port = parent_port,
          .size = 0,
          .type = kTypeStream,
          .op = static_cast<std::uint16_t>(op),
          .flags = 0,
          .buffer_size = kReaderCredit,
          .forwarded = 0};
}

}  // namespace

void Consoles::begin(base::SlotIndex slot, std::uint32_t cid) {
  forget(slot);
  Console& console = consoles_[slot.value];
  console.written = 0;
  console.cid = cid;
  console.state = State::kRunning;
}

void Consoles::end(base::SlotIndex slot) {
  Console& console = consoles_[slot.value];
  if (console.state == State::kRunning) console.state = State::kEnded;
}

void Consoles::forget(base::SlotIndex slot) {
  Console& console = consoles_[slot.value];
  if (console.state == State::kNone) return;
  console.state = State::kNone;
  for (Reader& reader : console.readers) reader.reset_due = reader.used;
  console.bytes = {};  // another parent's program must not find them by a defect
}

void Consoles::write(base::SlotIndex slot, std::uint8_t byte) {
  Console& console = consoles_[slot.value];
  if (console.state != State::kRunning) return;
  console.bytes[console.written % kConsoleSize] = byte;
  ++console.written;
}

Consoles::Console* Consoles::console_of(std::uint32_t port) {
  if (port < kConsolePortBase) return nullptr;
  Console* found = nullptr;
  for (Console& console : consoles_) {
    if (console.state == State::kNone || console.cid != port - kConsolePortBase) continue;
    // A CID can be in use again while the console of its last owner is kept.
    if (found == nullptr || console.state == State::kRunning) found = &console;
  }
  return found;
}

bool Consoles::request(const Header& header) {
  Console* console = console_of(header.target_port);
  if (console == nullptr) return false;
  for (Reader& reader : console->readers) {
    if (reader.used) continue;
    reader = Reader{};
    reader.parent_port = header.source_port;
    reader.console_port = header.target_port;
    reader.buffer_size = header.buffer_size;
    reader.forwarded = header.forwarded;
    reader.used = true;
    anybody_asked_ = true;
    reader.response_due = true;
    return true;
  }
  return false;
}

bool Consoles::receive(const Header& header) {
  Reader* reader = nullptr;
  for (Console& console : consoles_) {
    for (Reader& candidate : console.readers) {
      if (candidate.used && candidate.parent_port == header.source_port &&
          candidate.console_port == header.target_port) {
        reader = &candidate;
      }
    }
  }
  if (header.is(Op::kReset)) {
    if (reader != nullptr) reader->used = false;
    return true;
  }
  if (header.is(Op::kRequest)) {
    if (reader != nullptr) reader->used = false;  // its end has begun anew
    return request(header);
  }
  if (reader == nullptr) return false;
  if (reader->reset_due) return true;  // that is its answer
  reader->buffer_size = header.buffer_size;
  reader->forwarded = header.forwarded;
  switch (static_cast<Op>(header.op)) {
    case Op::kData:
      reader->discarded += header.size;
      reader->credit_due = true;
      break;
    case Op::kCreditRequest:
      reader->credit_due = true;
      break;
    case Op::kShutdown:
      if ((header.flags & kShutdownReceive) != 0) reader->reset_due = true;
      break;
    case Op::kResponse:
      reader->reset_due = true;
      break;  // we have asked for nothing
    case Op::kCreditUpdate:
    case Op::kInvalid:
    case Op::kRequest:
    case Op::kReset:
      break;
  }
  return true;
}

void Consoles::parent_gone() {
  for (Console& console : consoles_) {
    for (Reader& reader : console.readers) reader.used = false;
  }
  anybody_asked_ = false;
}

std::uint32_t Consoles::credit_of(const Reader& reader) {
  const std::uint32_t under_way = reader.sent - reader.forwarded;
  return under_way < reader.buffer_size ? reader.buffer_size - under_way : 0;
}

bool Consoles::wants(const Console& console, const Reader& reader) {
  if (!reader.used) return false;
  if (reader.response_due || reader.reset_due || reader.credit_due) return true;
  if (reader.position != console.written) return credit_of(reader) != 0;
  return console.state == State::kEnded;
}

bool Consoles::has_packet() const {
  return anybody_asked_ && std::any_of(consoles_.begin(), consoles_.end(), [](const Console& console) {
           return std::any_of(console.readers.begin(), console.readers.end(),
                              [&](const Reader& reader) { return wants(console, reader); });
         });
}

std::optional<Consoles::Packet> Consoles::next_packet(base::MutableBytes payload) {
  constexpr std::size_t kReaders = board::kMaxEnclaves * kReadersPerConsole;
  for (std::size_t i = 0; i < kReaders; ++i) {
    const std::size_t number = (turn_ + i) % kReaders;
    Console& console = consoles_[number / kReadersPerConsole];
    Reader& reader = console.readers[number % kReadersPerConsole];
    if (!wants(console, reader)) continue;
    turn_ = static_cast<std::uint8_t>((number + 1) % kReaders);
    return answer(console, reader, payload);
  }
  return std::nullopt;
}

Consoles::Packet Consoles::answer(Console& console, Reader& reader, base::MutableBytes payload) {
  Header header = header_to(reader.parent_port, reader.console_port, Op::kReset);
  header.forwarded = reader.discarded;
  if (reader.reset_due) {
    reader.used = false;
    return {header, 0};
  }
  if (reader.response_due) {
    reader.response_due = false;
    header.op = static_cast<std::uint16_t>(Op::kResponse);
    return {header, 0};
  }
  if (reader.credit_due) {
    reader.credit_due = false;
    header.op = static_cast<std::uint16_t>(Op::kCreditUpdate);
    return {header, 0};
  }
  const std::uint64_t oldest = console.written < kConsoleSize ? 0 : console.written - kConsoleSize;
  reader.position = std::max(reader.position, oldest);
  if (reader.position == console.written) {
    // The enclave has ended. Linux keeps what it has not read yet over both.
    reader.reset_due = true;
    header.op = static_cast<std::uint16_t>(Op::kShutdown);
    header.flags = kShutdownReceive | kShutdownSend;
    return {header, 0};
  }
  const std::size_t size = static_cast<std::size_t>(
      std::min<std::uint64_t>({console.written - reader.position, payload.size(), credit_of(reader)}));
  for (std::size_t i = 0; i < size; ++i) payload[i] = console.bytes[(reader.position + i) % kConsoleSize];
  reader.position += size;
  reader.sent += static_cast<std::uint32_t>(size);
  header.op = static_cast<std::uint16_t>(Op::kData);
  header.size = static_cast<std::uint32_t>(size);
  return {header, size};
}

}  // namespace vsock
