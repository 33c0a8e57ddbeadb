#include "guests/parent/status_text.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <span>

namespace parent {

namespace abi = cofferdam_abi;
using abi::StatusSection;

namespace {

constexpr std::array<const char*, 12> kCauses{"hypercall",    "wfx",  "system_register", "distributor",
                                              "redistributor", "device", "rtc",           "stage2_fault",
                                              "physical_interrupt", "maintenance_interrupt", "sgi", "other"};
constexpr std::array<const char*, 4> kFaults{"stage2", "dma", "undefined", "refused_calls"};

template <typename Status>
Status decode(const Entry& entry) {
  Status status{};
  std::memcpy(&status, entry.data(), std::min(entry.size(), sizeof status));
  return status;
}

template <typename... Values>
std::string format(const char* pattern, Values... values) {
  std::array<char, 256> text{};
  const int length = std::snprintf(text.data(), text.size(), pattern, values...);
  return {text.data(), std::min(static_cast<std::size_t>(length), text.size() - 1)};
}

unsigned long long wide(std::uint64_t value) { return value; }

std::string hexadecimal(std::span<const std::uint8_t> bytes) {
  std::string text;
  for (const std::uint8_t byte : bytes) text += format("%02x", unsigned{byte});
  return text;
}

// Up to its NUL. Anything but plain printable characters becomes a dot: it goes to a terminal and into JSON strings.
std::string name(std::span<const char> field) {
  std::string text;
  for (const char letter : field) {
    if (letter == 0) break;
    text += letter > ' ' && letter <= '~' && letter != '"' && letter != '\\' ? letter : '.';
  }
  return text;
}

const char* state_name(std::uint16_t state) {
  switch (static_cast<abi::SlotState>(state)) {
    case abi::SlotState::kInit: return "init";
    case abi::SlotState::kRunning: return "running";
    case abi::SlotState::kLoading: return "loading";
    case abi::SlotState::kStopping: return "stopping";
    case abi::SlotState::kStopped: return "stopped";
  }
  return "unknown";
}

const std::vector<Entry>& of(const Sections& sections, StatusSection section) {
  return sections[static_cast<std::size_t>(section)];
}

// `text` of each entry, with commas between them.
template <typename Status, typename Text>
std::string list(const std::vector<Entry>& entries, const Text& text) {
  std::string all;
  for (const Entry& entry : entries) {
    if (!all.empty()) all += ",";
    all += text(decode<Status>(entry));
  }
  return "[" + all + "]";
}

}  // namespace

std::string status_text(const Sections& sections) {
  std::string text;
  for (const Entry& entry : of(sections, StatusSection::kVersion)) {
    const auto it = decode<abi::VersionStatus>(entry);
    text += format("monitor: interface %u.%u, security version %u%s\nboard: %s, ", it.abi >> 16, it.abi & 0xFFFF,
                   it.security_version, it.development != 0 ? ", DEVELOPMENT identity" : "", name(it.board).c_str()) +
            hexadecimal(it.board_digest) + "\n";
  }
  for (const Entry& entry : of(sections, StatusSection::kMachine)) {
    const auto it = decode<abi::MachineStatus>(entry);
    text += format("up: %llu.%03llu s, wall time %llu ms\n", wide(it.uptime_milliseconds / 1000),
                   wide(it.uptime_milliseconds % 1000), wide(it.unix_milliseconds));
    text += format("memory KiB: %llu in all, %llu parent (%llu shared), %llu enclaves, %llu being scrubbed; monitor %llu\n",
                   wide(it.memory_bytes >> 10), wide(it.parent_bytes >> 10), wide(it.shared_bytes >> 10),
                   wide(it.enclave_bytes >> 10), wide(it.scrubbing_bytes >> 10), wide(it.monitor_bytes >> 10));
    text += format("cores: %u in all, %u parent, %u enclaves; slots in use: %u\n", it.cores, it.parent_cores,
                   it.enclave_cores, it.slots_in_use);
  }
  bool first = true;
  for (const Entry& entry : of(sections, StatusSection::kCounters)) {
    const auto it = decode<abi::CounterStatus>(entry);
    if (first) {
      text += "faults:";
      for (std::size_t i = 0; i < kFaults.size(); ++i) text += format(" %s %llu", kFaults[i], wide(it.faults[i]));
      text += "\n";
    }
    first = false;
    if (it.owner == 0) continue;
    text += format("core %llx: ", wide(it.mpidr));
    if (it.owner != 1) {
      text += "an enclave's\n";
      continue;
    }
    text += "traps";
    for (std::size_t i = 0; i < kCauses.size(); ++i) {
      if (it.traps.count[i] != 0) text += format(" %s %llu", kCauses[i], wide(it.traps.count[i]));
    }
    text += "\n";
  }
  for (const Entry& entry : of(sections, StatusSection::kDmaFaults)) {
    const auto it = decode<abi::DmaFaultStatus>(entry);
    if (it.type == 0) {
      text += format("DMA fault %llu: at %llu ms, and some were lost\n", wide(it.sequence), wide(it.uptime_milliseconds));
      continue;
    }
    text += format("DMA fault %llu: at %llu ms stream %u %s %llx, SMMU event %x\n", wide(it.sequence),
                   wide(it.uptime_milliseconds), it.stream, it.write != 0 ? "wrote to" : "read from", wide(it.address),
                   it.type);
  }
  for (const Entry& entry : of(sections, StatusSection::kEventLog)) {
    const auto it = decode<abi::EventStatus>(entry);
    text += format("event: PCR%u %s ", it.pcr, name(it.name).c_str()) + hexadecimal(it.digest) + "\n";
  }
  for (const Entry& entry : of(sections, StatusSection::kSlots)) {
    const auto it = decode<abi::SlotStatus>(entry);
    text += format("slot %llx: %s%s, cid %llu, %llu KiB, %u cores, %u channels, exit reason %u code %u\n", wide(it.uid),
                   state_name(it.state), (it.flags & abi::kStartDebug) != 0 ? " (DEBUG)" : "", wide(it.cid),
                   wide(it.memory_bytes >> 10), it.cores, it.channels, it.exit >> 8U, it.exit & 0xFFU);
  }
  return text;
}

std::string status_json(const Sections& sections) {
  std::string json = "{\"version\":" + list<abi::VersionStatus>(of(sections, StatusSection::kVersion), [](const auto& it) {
    return format("{\"abi\":\"%u.%u\",\"security_version\":%u,\"development\":%s,\"board\":\"%s\",\"board_digest\":\"",
                  it.abi >> 16, it.abi & 0xFFFF, it.security_version, it.development != 0 ? "true" : "false",
                  name(it.board).c_str()) +
           hexadecimal(it.board_digest) + "\"}";
  });
  json += ",\"machine\":" + list<abi::MachineStatus>(of(sections, StatusSection::kMachine), [](const auto& it) {
    return format("{\"uptime_ms\":%llu,\"unix_ms\":%llu,\"memory\":%llu,\"parent\":%llu,\"enclaves\":%llu,",
                  wide(it.uptime_milliseconds), wide(it.unix_milliseconds), wide(it.memory_bytes),
                  wide(it.parent_bytes), wide(it.enclave_bytes)) +
           format("\"scrubbing\":%llu,\"shared\":%llu,\"monitor\":%llu,", wide(it.scrubbing_bytes),
                  wide(it.shared_bytes), wide(it.monitor_bytes)) +
           format("\"cores\":%u,\"parent_cores\":%u,\"enclave_cores\":%u,\"slots_in_use\":%u}", it.cores,
                  it.parent_cores, it.enclave_cores, it.slots_in_use);
  });
  json += ",\"cores\":" + list<abi::CounterStatus>(of(sections, StatusSection::kCounters), [](const auto& it) {
    std::string core = format("{\"mpidr\":%llu,\"owner\":\"%s\",\"faults\":{", wide(it.mpidr),
                              it.owner == 0 ? "nobody" : it.owner == 1 ? "parent" : "enclave");
    for (std::size_t i = 0; i < kFaults.size(); ++i) {
      core += format("%s\"%s\":%llu", i == 0 ? "" : ",", kFaults[i], wide(it.faults[i]));
    }
    core += "},\"traps\":{";
    for (std::size_t i = 0; i < kCauses.size(); ++i) {
      core += format("%s\"%s\":%llu", i == 0 ? "" : ",", kCauses[i], wide(it.traps.count[i]));
    }
    return core + "}}";
  });
  json += ",\"dma_faults\":" + list<abi::DmaFaultStatus>(of(sections, StatusSection::kDmaFaults), [](const auto& it) {
    return format("{\"sequence\":%llu,\"uptime_ms\":%llu,\"address\":%llu,\"stream\":%u,\"event\":%u,\"write\":%s}",
                  wide(it.sequence), wide(it.uptime_milliseconds), wide(it.address), it.stream, it.type,
                  it.write != 0 ? "true" : "false");
  });
  json += ",\"events\":" + list<abi::EventStatus>(of(sections, StatusSection::kEventLog), [](const auto& it) {
    return format("{\"pcr\":%u,\"name\":\"%s\",\"digest\":\"", it.pcr, name(it.name).c_str()) + hexadecimal(it.digest) +
           "\"}";
  });
  json += ",\"slots\":" + list<abi::SlotStatus>(of(sections, StatusSection::kSlots), [](const auto& it) {
    return format("{\"uid\":%llu,\"cid\":%llu,\"memory\":%llu,\"cores\":%u,\"state\":\"%s\",", wide(it.uid), wide(it.cid),
                  wide(it.memory_bytes), it.cores, state_name(it.state)) +
           format("\"exit_reason\":%u,\"exit_code\":%u,\"debug\":%s,\"channels\":%u}", it.exit >> 8U, it.exit & 0xFFU,
                  (it.flags & abi::kStartDebug) != 0 ? "true" : "false", it.channels);
  });
  return json + "}";
}

}  // namespace parent
