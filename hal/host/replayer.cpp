#include "hal/host/replayer.hpp"

#include <algorithm>
#include <charconv>
#include <sstream>

#include "hal/host/machine.hpp"

namespace host {
namespace {

constexpr std::size_t kRegisters = 18;  // x0..x17, as recorder.cpp writes them

struct Read {
  std::uint64_t address{};
  std::vector<std::uint8_t> bytes;
};

struct RecordedTrap {
  base::CoreId core{};
  hal::TrapKind kind{};
  hal::TrapFrame before{};
  std::vector<Read> reads;
  bool resumes{};
  std::uint64_t pc{};
  std::array<std::uint64_t, kRegisters> x{};
};

struct Record {
  std::string board, digest;
  std::vector<std::uint8_t> handover;
  std::vector<RecordedTrap> traps;
  ReplayInputs inputs;
};

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

class Parser {
 public:
  Record parse(std::string_view text) {
    std::istringstream in{std::string(text)};
    for (std::string line; std::getline(in, line);) {
      line_ = line;
      const auto words = words_of(line);
      if (!words.empty()) take(words);
    }
    require(headed_ && !open_, "the record ends inside a trap, or has no beginning");
    return std::move(record_);
  }

 private:
  void require(bool holds, const std::string& why) const {
    if (!holds) throw std::invalid_argument("not a record: " + why + ": " + line_.substr(0, 80));
  }
  std::uint64_t number(const std::string& word) const {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value, 16);
    require(error == std::errc{} && end == word.data() + word.size(), "a number");
    return value;
  }
  std::vector<std::uint8_t> bytes(const std::string& word) const {
    if (word == "-") return {};
    require(word.size() % 2 == 0, "bytes");
    std::vector<std::uint8_t> all;
    for (std::size_t i = 0; i < word.size(); i += 2) all.push_back(static_cast<std::uint8_t>(number(word.substr(i, 2))));
    return all;
  }

  void take(const std::vector<std::string>& words) {
    const std::string& kind = words[0];
    if (!headed_) {
      require(kind == "cofferdam-record" && words.size() == 2 && words[1] == "1", "its first line");
      headed_ = true;
    } else if (kind == "board") {
      require(words.size() == 3, "board");
      record_.board = words[1];
      record_.digest = words[2];
    } else if (kind == "handover") {
      require(words.size() == 2, "handover");
      record_.handover = bytes(words[1]);
    } else if (kind == "trap") {
      require(!open_ && words.size() == 8 + kRegisters, "a trap inside a trap, or cut short");
      RecordedTrap trap{.core = base::CoreId{static_cast<std::uint8_t>(number(words[1]))},
                        .kind = static_cast<hal::TrapKind>(number(words[2]))};
      trap.before.esr = number(words[3]);
      trap.before.far = number(words[4]);
      trap.before.hpfar = number(words[5]);
      trap.before.pc = number(words[6]);
      trap.before.pstate = number(words[7]);
      for (std::size_t i = 0; i < kRegisters; ++i) trap.before.x[i] = number(words[8 + i]);
      record_.traps.push_back(trap);
      open_ = true;
    } else if (kind == "reply") {
      require(open_ && words.size() == 4 + kRegisters, "a reply without a trap, or cut short");
      RecordedTrap& trap = record_.traps.back();
      require(number(words[1]) == trap.core.value, "a reply for another core");
      trap.resumes = number(words[2]) == 1;
      trap.pc = number(words[3]);
      for (std::size_t i = 0; i < kRegisters; ++i) trap.x[i] = number(words[4 + i]);
      open_ = false;
    } else if (kind == "read") {
      require(words.size() == 3, "read");
      if (open_) record_.traps.back().reads.push_back({number(words[1]), bytes(words[2])});
    } else if (kind == "time" || kind == "noise" || kind == "ticks" || kind == "irq" || kind == "lists" ||
               kind == "fault") {
      require(words.size() >= 2, "an input without a value");
      std::vector<std::uint64_t> values;
      if (words[1] != "none") {
        for (std::size_t i = 1; i < words.size(); ++i) values.push_back(number(words[i]));
      }
      record_.inputs.add(kind, std::move(values));
    } else {
      require(false, "an unknown item");
    }
  }

  Record record_;
  std::string line_;
  bool headed_{};
  bool open_{};
};

std::string hex_of(const std::array<std::uint8_t, 48>& digest) {
  std::ostringstream out;
  for (const std::uint8_t byte : digest) {
    out << std::hex << (byte >> 4) << (byte & 15);
  }
  return out.str();
}

}  // namespace

ReplayReport replay(std::string_view text) {
  Record record = Parser().parse(text);
  MachineConfig config;
  config.handover = record.handover;
  Machine machine(config);
  if (record.digest != hex_of(machine.board().digest)) {
    throw std::invalid_argument("the record is of board " + record.board + ", with another description than this one");
  }
  machine.replay_from(&record.inputs);
  machine.boot();
  ReplayReport report;
  const auto differs = [&](const std::string& what) {
    report.difference = "trap " + std::to_string(report.traps + 1) + ": " + what;
    return report;
  };
  for (const RecordedTrap& trap : record.traps) {
    if (const auto failures = machine.failures(); !failures.empty()) return differs(failures.front());
    if (!machine.driven(trap.core)) return differs("core " + std::to_string(trap.core.value) + " runs no guest here");
    for (const Read& read : trap.reads) machine.memory().write(base::PhysAddr{read.address}, read.bytes);
    Core& core = *machine.cores()[trap.core.value];
    core.guest.frame = trap.before;
    bool resumes = false;
    try {
      resumes = machine.deliver(core, trap.kind) == hal::AfterTrap::kResume;
    } catch (const MachineStopped&) {
    } catch (const std::runtime_error& error) {
      return differs(error.what());
    }
    if (resumes != trap.resumes) return differs(resumes ? "the guest goes on, and did not then" : "the guest was left");
    if (resumes) {
      if (core.guest.frame.pc != trap.pc) return differs("the program counter");
      for (std::size_t i = 0; i < kRegisters; ++i) {
        if (core.guest.frame.x[i] == trap.x[i]) continue;
        std::ostringstream out;
        out << std::hex << "x" << std::dec << i << std::hex << " is " << core.guest.frame.x[i] << " and was " << trap.x[i];
        return differs(out.str());
      }
    }
    ++report.traps;
  }
  return report;
}

}  // namespace host
